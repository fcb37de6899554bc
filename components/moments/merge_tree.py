"""Many small statistics into one, merged pairwise: what many keys cost a merge is paid log(n) times, not n times."""

import functools

from components.feature_plan import FeaturePlan
from components.moments.limits import refuse_too_many_keys
from components.moments.table_statistics import TableStatistics


class MergeTree:
    """Takes statistics one by one; ``merged`` is their merge. Holds at most log2(n) of them."""

    def __init__(self, plan: FeaturePlan) -> None:
        """Starts with nothing seen."""
        self._plan = plan
        self._parts: list[tuple[int, TableStatistics]] = []

    def add(self, statistics: TableStatistics) -> None:
        """One more.

        Raises:
          DataError: more keys than the plan allows.
        """
        level = 0
        while self._parts and self._parts[-1][0] == level:
            statistics = self._parts.pop()[1].merge(statistics)
            level += 1
        self._parts.append((level, refuse_too_many_keys(self._plan, statistics)))

    def merged(self) -> TableStatistics:
        """All of them.

        Raises:
          DataError: more keys than the plan allows.
        """
        parts = [part for _, part in reversed(self._parts)] or [TableStatistics.empty(self._plan)]
        whole = functools.reduce(TableStatistics.merge, parts)
        return refuse_too_many_keys(self._plan, whole)
