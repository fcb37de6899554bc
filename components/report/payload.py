"""What the page's script needs, as JSON that may stand in a script element."""

import json
import math
from collections.abc import Sequence
from typing import Any

from components.report.checks import findings_by_feature, numbers_of_feature, of_feature, title_of
from components.report.facts import FeatureFacts, Histogram, RunFacts, Statistic
from components.report.table import Column, states
from components.report.wording import label, number

# HTML ends a script element at "</script", and JavaScript of before 2019 a line at U+2028 and U+2029.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_DIGITS = 7  # of a histogram, which nobody reads to the last digit


def embedded(value: Any) -> str:
    """JSON of a value without a character that HTML could take for its own.

    Raises:
      ValueError: a number that is not finite; ``json_number`` turns it into a text.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def json_number(value: float) -> float | str:
    """The number itself; NaN and infinities, which JSON does not have, as texts."""
    return value if math.isfinite(value) else number(value)


def payload(facts: RunFacts, columns: Sequence[Column]) -> dict[str, Any]:
    """Of each feature its sort values and its panel, and the training's curves."""
    found = findings_by_feature(facts.checks)
    features = []
    for at, (feature, state) in enumerate(zip(facts.features, states(facts), strict=True)):
        said = [[state, title_of(check), label(f.fault), f.message] for state, check, f in found.get(feature.name, ())]
        measured = [[title_of(v.check), rows] for v in facts.checks if (rows := of_feature(v, feature.name))]
        numbers = [[title_of(v.check), *table] for v in facts.checks if (table := numbers_of_feature(v, feature.name))]
        features.append(
            {
                "sort": [column.values[at] for column in columns],
                "state": state,
                "said": said,
                "measured": measured,
                **({"numbers": numbers} if numbers else {}),
                **_panel(feature),
            }
        )
    curves = [[curve.metric, curve.part, curve.epochs, list(map(json_number, curve.values))] for curve in facts.curves]
    return {"columns": [column.key for column in columns], "features": features, "curves": curves}


def _panel(feature: FeatureFacts) -> dict[str, Any]:
    table = {
        "name": feature.name,
        "role": feature.role,
        "unit": feature.unit,
        "settings": feature.settings,
        "tensors": feature.tensors,
        "statistics": [_statistic(statistic) for statistic in feature.statistics],
        "more": feature.more_statistics,
        "keys": [_statistic(statistic) for statistic in feature.keys],
        "moreKeys": feature.more_keys,
        "vocabulary": feature.vocabulary,
        "words": feature.vocabulary_size,
        "raw": _histogram(feature.raw),
        "normalized": _histogram(feature.normalized),
        "whyNot": feature.why_not_normalized,
    }
    return {name: value for name, value in table.items() if value or name == "name"}


def _statistic(one: Statistic) -> list[Any]:
    """In the order of the script's headings."""
    quartiles = list(map(json_number, one.quartiles)) if one.quartiles is not None else [None] * 3
    floats = [json_number(value) for value in (one.mean, one.sigma, one.min, one.max)]
    return [one.label, one.count, one.missing, one.nan, one.pos_inf, one.neg_inf, *floats, *quartiles]


def _histogram(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None:
        return None
    edges, counts = ([float(f"{x:.{_DIGITS}g}") for x in values] for values in (histogram.edges, histogram.counts))
    return {"edges": edges, "counts": counts, "source": histogram.source}
