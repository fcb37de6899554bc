"""Exact statistics -> constants: each value rounded once, and every policy that makes an analysis fail."""

import dataclasses

import numpy as np

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments.accumulator import Moments
from components.moments.image_moments import ImageMoments
from components.moments.key_counts import KeyCounts
from components.moments.keyed import KeyedMoments, drawn_to_global
from components.moments.limits import refuse_too_many_keys
from components.moments.ordered_counts import RobustStatistics
from components.moments.table_statistics import TableStatistics, analyzed


def finish(plan: FeaturePlan, statistics: TableStatistics) -> NormalizationConstants:
    """Rounds the exact statistics of a whole split to its constants.

    Raises:
      DataError: naming the feature: no row, no finite value, a missing or non-finite value under the policy
        ``error``, a missing label, more keys than ``max_keys``, or a variance beyond float64.
    """
    if not statistics.rows:
        raise DataError("The training split has no row: nothing can be analysed. Check the data path and the split.")
    refuse_too_many_keys(plan, statistics)
    by_name = {feature.name: _constants(feature, statistics) for feature in analyzed(plan)}
    return NormalizationConstants(plan, statistics.rows, by_name)


def _constants(feature: Feature, table: TableStatistics) -> FeatureConstants:
    statistics = table.features[feature.name]
    if isinstance(statistics, KeyCounts):
        return _vocabulary(feature, statistics)
    if isinstance(statistics, RobustStatistics):
        return _robust(feature, statistics)
    if isinstance(statistics, KeyedMoments):
        return _keyed(feature, statistics)
    if isinstance(statistics, ImageMoments):
        return _image(feature, statistics)
    return _moments(feature, statistics)


def _robust(feature: Feature, statistics: RobustStatistics) -> FeatureConstants:
    found = [order.quartiles() for order in statistics.orders if order.kind]
    constants = _moments(feature, statistics.moments)
    quartiles = np.array([quartiles for quartiles, _ in found]).T.reshape(3, *feature.statistic_shape)
    errors = np.array([error for _, error in found]).reshape(feature.statistic_shape)
    return dataclasses.replace(constants, quartiles=quartiles, quartile_error=errors)


def _image(feature: Feature, statistics: ImageMoments) -> FeatureConstants:
    assert feature.image is not None
    found = _moments(feature, statistics.in_unit(feature.image.scale))
    return dataclasses.replace(found, bits=statistics.bits)


def _keyed(feature: Feature, statistics: KeyedMoments) -> FeatureConstants:
    by_key = drawn_to_global(statistics.by_key, statistics.moments, feature.min_count)
    if not np.isfinite(by_key.variance).all():
        raise DataError(f"The variance of feature {feature.name!r} is beyond float64 under a key. Rescale it.")
    table = KeyTable(
        statistics.keys,
        count=statistics.by_key.count,
        min=statistics.by_key.min,
        max=statistics.by_key.max,
        mean=by_key.mean,
        variance=by_key.variance,
    )
    return dataclasses.replace(_moments(feature, statistics.moments), by_key=table)


def _moments(feature: Feature, moments: Moments) -> FeatureConstants:
    missing, nonfinite = int(moments.missing.sum()), int((moments.nan + moments.pos_inf + moments.neg_inf).sum())
    if feature.missing == "error" and missing:
        raise DataError(_refusal(feature, missing, "missing", _policy(feature, "missing=error")))
    if (feature.nonfinite == "error" or feature.role in ("label", "weight")) and nonfinite:
        raise DataError(_refusal(feature, nonfinite, "NaN or infinite", _policy(feature, "nonfinite=error")))
    if not (moments.count > 0).all():
        where = "" if not feature.statistic_shape else f" at {np.argwhere(moments.count == 0)[0].tolist()}"
        raise DataError(
            f"Feature {feature.name!r} has no finite value in the training split{where}: it has no mean. "
            "Tag it 'ignore', or check the data."
        )
    variance = moments.variance
    if not np.isfinite(variance).all():
        raise DataError(f"The variance of feature {feature.name!r} is beyond float64. Rescale it, or tag it 'ignore'.")
    return FeatureConstants(
        feature,
        count=moments.count,
        missing=moments.missing,
        nan=moments.nan,
        pos_inf=moments.pos_inf,
        neg_inf=moments.neg_inf,
        min=moments.min,
        max=moments.max,
        mean=moments.mean,
        variance=variance,
    )


def _vocabulary(feature: Feature, keys: KeyCounts) -> FeatureConstants:
    if feature.role == "label" and keys.missing:
        raise DataError(_refusal(feature, keys.missing, "missing", "a label"))
    by_bytes = sorted(keys.counts.items())
    ordered = by_bytes if feature.role == "label" else sorted(by_bytes, key=lambda item: -item[1])
    none, unknown = np.zeros((), np.int64), np.full((), np.nan)
    return FeatureConstants(
        feature,
        count=np.asarray(sum(keys.counts.values()), np.int64),
        missing=np.asarray(keys.missing, np.int64),
        nan=none,
        pos_inf=none,
        neg_inf=none,
        min=unknown,
        max=unknown,
        mean=unknown,
        variance=unknown,
        vocabulary=tuple(ordered),
    )


def _policy(feature: Feature, tag: str) -> str:
    return "a label" if feature.role == "label" else f"the policy {tag}"


def _refusal(feature: Feature, n: int, what: str, why: str) -> str:
    return (
        f"Feature {feature.name!r} is {what} in {n} place(s) of the training split, which {why} does not allow. "
        "Mend the data, leave such rows out, or change the tag."
    )
