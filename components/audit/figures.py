"""What was compared of one feature, for the verdict and the report."""

from typing import Any

import numpy as np

from components.audit.counted import Counted, counts_words
from components.audit.numbers import found_numbers
from components.audit.statistics import Comparison
from components.constants import FeatureConstants

_WHAT = ("count", "missing", "nan", "min", "max", "mean", "variance")
# StatisticsGen counts NaN as values, and says how many there are.
_THEIR_NAMES = {"NaN": "nan"}


def figures_of_feature(
    stated: FeatureConstants, counted: Counted | None, compared: Comparison, is_recounted: bool
) -> dict[str, Any]:
    """``recounted``, ``statistics_gen`` ("compared", or why not), and the ``numbers`` of a feature with one statistic.

    ``numbers`` has for each of count, missing, nan, min, max, mean and variance: ``stated``, ``recounted``,
    ``statistics_gen``, and of the last its ``difference`` and the ``tolerance`` that it was given; what is not there
    was not compared.
    """
    recounted = is_recounted and counted is not None
    figures: dict[str, Any] = {"recounted": recounted}
    if stated.name in compared.compared or stated.name in compared.not_compared:
        figures["statistics_gen"] = compared.not_compared.get(stated.name, "compared")
    if counted is None or counts_words(stated.feature) or stated.feature.statistic_shape:
        return figures
    numbers: dict[str, dict[str, Any]] = {name: {"stated": np.asarray(getattr(stated, name)).item()} for name in _WHAT}
    if recounted and counted.statistics[0].count:
        found = found_numbers(stated, counted.statistics).values
        for name in _WHAT:
            numbers[name]["recounted"] = found[name][0]
    for each in compared.compared.get(stated.name, ()):
        into = numbers.setdefault(_THEIR_NAMES.get(each.what, each.what), {"stated": each.stated})
        into |= {
            "statistics_gen": each.theirs,
            "difference": abs(each.theirs - each.stated),
            "tolerance": each.tolerance,
        }
    return {**figures, "numbers": numbers}
