"""The stated statistics against StatisticsGen's, which come from other code and other arithmetic.

TFDV (``variance_util.MeanVarAccumulator``) takes mean and variance of each batch in float64 and merges them batch by
batch. A merge rounds a few times, relative to the mean and to sigma; there are at most as many merges as values. That
bounds the error of the mean by ``_ROUNDINGS * n * eps * (|mean| + sigma)``, and since the merge multiplies differences
of means, that of the variance by ``_ROUNDINGS * n * eps * (variance + |mean| * sigma)`` and the square of the mean's.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.constants import FeatureConstants, NormalizationConstants
from components.errors import DataError
from components.verdict import Finding

_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 8
_FEWEST = 64  # roundings within one batch count, too


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
      findings: on rows and by feature.
      not_compared: why a feature was left out, by name.
    """

    findings: tuple[Finding, ...]
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


def compare_statistics(
    constants: NormalizationConstants, statistics: statistics_pb2.DatasetFeatureStatistics
) -> Comparison:
    """Rows and, by feature, number of values and of NaN, extremes, mean and sigma within TFDV's own rounding."""
    if statistics.num_examples != constants.rows:
        message = (
            f"StatisticsGen saw {statistics.num_examples} rows of the split but the constants state {constants.rows}. "
            "Analyse again."
        )
        return Comparison((Finding("rows_differ", message),), {})
    by_name = {(feature.name or ".".join(feature.path.step)): feature for feature in statistics.features}
    findings, not_compared = [], {}
    for feature in constants.plan.normalized:
        reason = _why_not(constants, constants[feature.name], by_name)
        if reason:
            not_compared[feature.name] = reason
            continue
        wrong = _difference(constants[feature.name], by_name[feature.name].num_stats)
        if wrong:
            message = f"StatisticsGen has {wrong}. Analyse again."
            findings.append(Finding("statistics_differ", message, feature.name))
    return Comparison(tuple(findings), not_compared)


def _why_not(constants: NormalizationConstants, own: FeatureConstants, by_name: Mapping[str, Any]) -> str:
    """Empty where StatisticsGen's numbers mean the same."""
    feature = own.feature
    if constants.plan.weight is not None:
        return "weighted"
    if feature.log1p:
        return "log1p"
    if feature.key:
        return "by key"
    if feature.statistic_shape:
        return "by element"
    if int(own.pos_inf + own.neg_inf):
        return "infinities"
    if feature.name not in by_name or not by_name[feature.name].HasField("num_stats"):
        return "not in the statistics"
    return ""


def _difference(own: FeatureConstants, theirs: statistics_pb2.NumericStatistics) -> str:
    """What differs, or an empty text."""
    n, mean, variance = int(own.count), float(own.mean), float(own.variance)
    sigma = variance**0.5
    scale = _ROUNDINGS * _EPS * max(n, _FEWEST)
    of_mean = scale * (abs(mean) + sigma)
    of_variance = scale * (variance + abs(mean) * sigma) + of_mean**2
    nan = int(max((histogram.num_nan for histogram in theirs.histograms), default=0))
    checks = (
        ("values", theirs.common_stats.tot_num_values, n + int(own.nan), 0.0),
        ("NaN", nan, int(own.nan), 0.0),
        ("min", theirs.min, float(own.min), 0.0),
        ("max", theirs.max, float(own.max), 0.0),
        ("mean", theirs.mean, mean, of_mean),
        ("variance", theirs.std_dev**2, variance, of_variance),
    )
    for what, found, stated, tolerance in checks:
        if not abs(found - stated) <= tolerance:
            return f"{what} {found!r}, the constants state {stated!r} (tolerance {tolerance:.3g})"
    return ""
