"""The stated statistics against StatisticsGen's, which come from other code and other arithmetic.

TFDV (``variance_util.MeanVarAccumulator``) takes mean and variance of each batch in float64 and merges them batch by
batch. A merge rounds a few times, relative to the mean and to sigma; there are at most as many merges as values. That
bounds the error of the mean by ``_ROUNDINGS * n * eps * (|mean| + sigma)``, and since the merge multiplies differences
of means, that of the variance by ``_ROUNDINGS * n * eps * (variance + |mean| * sigma)`` and the square of the mean's.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.audit.numbers import FLOATS, Numbers, differing, named, stated_numbers
from components.constants import FeatureConstants, NormalizationConstants
from components.errors import DataError
from components.verdict import Finding

_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 8
_FEWEST = 64  # roundings within one batch count, too

Datasets = Sequence[statistics_pb2.DatasetFeatureStatistics]


@dataclasses.dataclass(frozen=True)
class Compared:
    """One number of a feature: as it is stated, as StatisticsGen has it, and how far these may be apart."""

    what: str
    stated: float
    theirs: float
    tolerance: float

    @property
    def differs(self) -> bool:
        """Whether they are farther apart; NaN is."""
        return not abs(self.theirs - self.stated) <= self.tolerance

    def __str__(self) -> str:
        """For a message."""
        return f"{self.what} {self.theirs!r}, the constants state {self.stated!r} (tolerance {self.tolerance:.3g})"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
      findings: on rows and by feature.
      compared: what was compared, by name.
      not_compared: why a feature was left out, by name.
    """

    findings: tuple[Finding, ...]
    compared: Mapping[str, tuple[Compared, ...]]
    not_compared: Mapping[str, str]


def dataset_of(content: bytes, source: str) -> statistics_pb2.DatasetFeatureStatistics:
    """The statistics in a FeatureStats.pb.

    Raises:
      DataError: it holds not exactly one data set.
    """
    datasets = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    if len(datasets) != 1:
        raise DataError(f"{source} must hold the statistics of one data set but holds {len(datasets)}.")
    return datasets[0]


def rows_of(statistics: Datasets) -> int:
    """Of all these data sets."""
    return sum(int(dataset.num_examples) for dataset in statistics)


def compare_statistics(constants: NormalizationConstants, statistics: Datasets) -> Comparison:
    """Rows and, by feature, number of values and of NaN, extremes, mean and variance within TFDV's own rounding.

    ``statistics`` are of all splits that were analysed, one data set each; what they say is pooled.
    """
    rows = rows_of(statistics)
    if rows != constants.rows:
        message = f"StatisticsGen saw {rows} rows of the split but the constants state {constants.rows}. Analyse again."
        return Comparison((Finding("rows_differ", message),), {}, {})
    by_name = [{(f.name or ".".join(f.path.step)): f for f in dataset.features} for dataset in statistics]
    findings, compared, not_compared = [], {}, {}
    for feature in constants.plan.normalized:
        name = feature.name
        own = [features[name].num_stats for features in by_name if _is_numeric(features.get(name))]
        reason = _why_not(constants, constants[name], len(own) == len(statistics))
        if reason:
            not_compared[name] = reason
            continue
        compared[name] = _compared(constants[name], own)
    first = {name: next(filter(lambda n: n.differs, numbers), None) for name, numbers in compared.items()}
    theirs = {name: _as_found(numbers, by_name, name) for name, numbers in compared.items() if any(first.values())}
    for name, wrong in first.items():
        if wrong is not None:
            stated = stated_numbers(constants[name])
            others = (n for n in compared if first[n] and n != name and not _apart(stated, theirs[n]))
            other = next(others, None)
            fault, why = named(stated, theirs[name])
            if other is not None:
                fault, why = "features_permuted", f"these are the statistics of {other!r}"
            findings.append(Finding(fault, f"StatisticsGen has {wrong}: {why}. Analyse again.", name))
    return Comparison(tuple(findings), compared, not_compared)


def _as_found(numbers: Sequence[Compared], by_name: Sequence[Mapping[str, Any]], name: str) -> Numbers:
    """What StatisticsGen has, with the tolerances."""
    theirs = {number.what: [number.theirs] for number in numbers}
    nan = theirs["NaN"][0]
    missing = sum(int(features[name].num_stats.common_stats.num_missing) for features in by_name)
    counts: dict[str, list[float]] = {
        "count": [theirs["values"][0] - nan],
        "missing": [missing],
        "nan": [nan],
        "inf": [0],
    }
    floats = {what: theirs[what] for what in FLOATS}
    slack = {number.what: [number.tolerance] for number in numbers if number.what in ("mean", "variance")}
    return Numbers(counts | floats, slack)


def _apart(stated: Numbers, found: Numbers) -> bool:
    return any(what != "missing" for what in differing(stated, found))


def _is_numeric(feature: Any) -> bool:
    return feature is not None and bool(feature.HasField("num_stats"))


def _why_not(constants: NormalizationConstants, own: FeatureConstants, everywhere: bool) -> str:
    """Empty where StatisticsGen's numbers mean the same."""
    feature = own.feature
    if constants.plan.weight is not None:
        return "weighted"
    if feature.log1p:
        return "log1p"
    if feature.statistic_shape:
        return "by element"
    if int(own.pos_inf + own.neg_inf):
        return "infinities"
    return "" if everywhere else "not in the statistics"


def _compared(own: FeatureConstants, theirs: Sequence[statistics_pb2.NumericStatistics]) -> tuple[Compared, ...]:
    n, mean, variance = int(own.count), float(own.mean), float(own.variance)
    sigma = variance**0.5
    scale = _ROUNDINGS * _EPS * max(n, _FEWEST)
    of_mean = scale * (abs(mean) + sigma)
    of_variance = scale * (variance + abs(mean) * sigma) + of_mean**2
    values = [int(each.common_stats.tot_num_values) for each in theirs]
    nan = [int(max((histogram.num_nan for histogram in each.histograms), default=0)) for each in theirs]
    found_mean, found_variance = _pooled(theirs, [v - k for v, k in zip(values, nan, strict=True)])
    with_values = [each for each, v, k in zip(theirs, values, nan, strict=True) if v > k]
    return (
        Compared("values", n + int(own.nan), sum(values), 0.0),
        Compared("NaN", int(own.nan), sum(nan), 0.0),
        Compared("min", float(own.min), min((each.min for each in with_values), default=math.nan), 0.0),
        Compared("max", float(own.max), max((each.max for each in with_values), default=math.nan), 0.0),
        Compared("mean", mean, found_mean, of_mean),
        Compared("variance", variance, found_variance, of_variance),
    )


def _pooled(theirs: Sequence[statistics_pb2.NumericStatistics], counts: Sequence[int]) -> tuple[float, float]:
    """Mean and population variance of all values."""
    n = sum(counts)
    if not n:
        return math.nan, math.nan
    parts = [(count / n, each.mean, each.std_dev) for count, each in zip(counts, theirs, strict=True) if count]
    mean = math.fsum(share * each for share, each, _ in parts)
    return mean, math.fsum(share * (sigma**2 + (each - mean) ** 2) for share, each, sigma in parts)
