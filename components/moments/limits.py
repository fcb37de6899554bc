"""``max_keys``: checked while the keys are counted, so that an identifier fails early and not when memory ends."""

from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.key_counts import KeyCounts
from components.moments.keyed import KeyedMoments
from components.moments.table_statistics import TableStatistics


def refuse_too_many_keys(plan: FeaturePlan, table: TableStatistics) -> TableStatistics:
    """``table``, if no feature has more keys than its plan allows; keys only grow, so that any order finds the same.

    Raises:
      DataError: naming the feature, and its limit.
    """
    for feature in plan.with_role("category", "z_score_per_key"):
        statistics = table.features[feature.name]
        if isinstance(statistics, KeyCounts) and len(statistics.counts) > feature.max_keys:
            raise DataError(
                f"Feature {feature.name!r} has more than max_keys={feature.max_keys} distinct values "
                f"({len(statistics.counts)} so far). Raise the tag max_keys=<n>, or tag it 'ignore'."
            )
        if isinstance(statistics, KeyedMoments) and len(statistics.keys) > feature.max_keys:
            raise DataError(
                f"Feature {feature.name!r} has values under more than max_keys={feature.max_keys} keys of "
                f"{feature.key!r} ({len(statistics.keys)} so far). Raise the tag max_keys=<n>, or group by something "
                "coarser."
            )
    return table
