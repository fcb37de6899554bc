"""Counts, extremes, mean and variance as stated and as counted, and the name of what makes them differ.

Mean and variance must be equal to the last bit. Of logarithms they cannot: NumPy's and the analyzer's differ by up to
``LOG_ERROR`` of each value. Then the means differ by at most that share of the root of the mean square, r; the
variances by that share of 2 r sigma + LOG_ERROR r^2, beside one rounding of either; the extremes by their share.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.audit.counted import LOG_ERROR
from components.audit.exact_recount import Recount
from components.constants import FeatureConstants

COUNTS = ("count", "missing", "nan", "inf")
FLOATS = ("min", "max", "mean", "variance")
# Up to here a difference is called one of arithmetic: a float32 sum of 10^7 rows is off by less.
_ARITHMETIC = 1e-3
_ROUNDING = 1e-12  # of n / (n - 1) in float64
_EPS = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """By the names of COUNTS and FLOATS.

    Attributes:
      values: of each statistic.
      slack: how far those of FLOATS may be from the stated ones; an absent one must be equal.
    """

    values: Mapping[str, list[float]]
    slack: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)

    def at(self, places: Sequence[int]) -> "Numbers":
        """Of some of the statistics."""
        values, slack = ({n: [x[i] for i in places] for n, x in t.items()} for t in (self.values, self.slack))
        return Numbers(values, slack)


def stated_numbers(constants: FeatureConstants) -> Numbers:
    """What the constants state."""
    table = {name: np.ravel(getattr(constants, name)).tolist() for name in ("count", "missing", "nan", *FLOATS)}
    return Numbers(table | {"inf": np.ravel(constants.pos_inf + constants.neg_inf).tolist()})


def found_numbers(constants: FeatureConstants, counts: Sequence[Recount]) -> Numbers:
    """What was counted of the feature."""
    table: dict[str, list[float]] = {name: [getattr(count, name) for count in counts] for name in COUNTS}
    table |= {"min": [count.low for count in counts], "max": [count.high for count in counts]}
    for name in ("mean", "variance"):
        # Python divides whole numbers with one rounding, so that this is the nearest float64.
        table[name] = [float(getattr(count, name)) if count.count else float("nan") for count in counts]
    return Numbers(table, _slack(table) if constants.feature.log1p else {})


def _slack(table: Mapping[str, list[float]]) -> dict[str, list[float]]:
    low, high, mean, variance = (np.array(table[name]) for name in FLOATS)
    root = np.sqrt(variance + mean**2)
    of_variance = LOG_ERROR * root * (2 * np.sqrt(variance) + LOG_ERROR * root) + _EPS * variance
    bounds = (LOG_ERROR * np.abs(low), LOG_ERROR * np.abs(high), LOG_ERROR * root + _EPS * np.abs(mean), of_variance)
    return {name: bound.tolist() for name, bound in zip(FLOATS, bounds, strict=True)}


def differing(stated: Numbers, found: Numbers) -> Iterator[str]:
    """The names of what differs."""
    return (name for name in (*COUNTS, *FLOATS) if not _near(stated.values[name], found, name))


def named(stated: Numbers, found: Numbers) -> tuple[str, str]:
    """Fault and explanation, by the numbers of one feature alone."""
    said, came = stated.values, found.values
    if _near(said["mean"], found, "variance") and _near(said["variance"], found, "mean"):
        return "mean_variance_swapped", "each stands in the other's place"
    if any(came["missing"]) and said["count"] == [n + m for n, m in zip(came["count"], came["missing"], strict=True)]:
        return "missing_filled_before_statistics", "the count holds the missing values"
    if set(differing(stated, found)) <= {"mean", "variance"}:
        return _arithmetic(stated, found)
    return "statistics_differ", "no known fault explains it"


def _near(said: list[float], found: Numbers, name: str) -> bool:
    came, slack = found.values[name], found.slack.get(name)
    if slack is None:
        return said == came
    return said == came or all(abs(s - f) <= most for s, f, most in zip(said, came, slack, strict=True))


def _arithmetic(stated: Numbers, found: Numbers) -> tuple[str, str]:
    n = np.array(found.values["count"], np.float64)
    mean, variance = np.array(found.values["mean"]), np.array(found.values["variance"])
    said_mean, said_variance = np.array(stated.values["mean"]), np.array(stated.values["variance"])
    off_mean, off_variance = np.abs(said_mean - mean), np.abs(said_variance - variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = variance * n / (n - 1)
    right_mean = "mean" not in set(differing(stated, found))
    slack = np.array(found.slack.get("variance", 0.0))
    if right_mean and _close(said_variance, sample, slack) and not _close(variance, sample, slack):
        return "sample_variance", "it was divided by n - 1"
    power = variance + mean * mean
    if (off_mean <= _ARITHMETIC * np.sqrt(power)).all() and (off_variance <= _ARITHMETIC * power).all():
        return "not_exact", "the sums were rounded, as those of float32 are"
    return "statistics_differ", "no known fault explains it"


def _close(one: npt.NDArray[Any], other: npt.NDArray[Any], slack: npt.NDArray[Any]) -> bool:
    """To ``_ROUNDING`` and the slack; a statistic of one value has no sample variance on either side."""
    distance = np.abs(one - other)
    return bool(((distance <= slack + _ROUNDING * np.abs(other)) | (np.isnan(one) & np.isnan(other))).all())
