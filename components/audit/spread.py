"""How the sums of a statistic differ from shard to shard: what the error of a ratio of two of them follows from."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from components.audit.counted import Counted
from components.audit.exact_recount import Recount
from components.audit.whole_sums import UNIT, Floats

COUNT, WEIGHT, FIRST, SECOND, RANKS = range(5)


@dataclasses.dataclass
class Spread:
    """Of one statistic, over the shards that were read.

    A shard's sums are, in this order: values, weights w, w d, w d^2 with d = (x - center) / scale, and for each
    quartile how many values lie below its stated range and up to its end.

    Attributes:
      center, scale: the stated mean and sigma, so that float64 holds the sums well; any others would do.
      sums: float64 [n], over all shards.
      products: float64 [n, n], of each two of a shard's sums, over all shards.
    """

    center: float
    scale: float
    sums: Floats
    products: Floats

    @classmethod
    def around(cls, mean: float, variance: float, quartiles: int = 0) -> "Spread":
        """Of no shard yet."""
        n = RANKS + 2 * quartiles
        sigma = math.sqrt(variance) if 0 < variance < math.inf else 1.0
        return cls(mean if math.isfinite(mean) else 0.0, sigma, np.zeros(n), np.zeros([n, n]))

    def add(self, shard: Recount, ranks: Sequence[tuple[int, int]] = ()) -> None:
        """Adds a shard."""
        if shard.count:
            sums = np.array([shard.count, *self._moments(shard), *(n for pair in ranks for n in pair)], np.float64)
            self.sums += sums
            self.products += np.outer(sums, sums)

    def ratio(self, column: Floats, by: int, drawn: int, of: int) -> tuple[float, float]:
        """``column`` [n] combines the sums: what it gives by each of the sum ``by``, and the standard error of that.

        With so many shards drawn of so many: sqrt(k (1 - k / K) / (k - 1) * sum (a_j - R b_j)^2) / sum b_j.
        """
        ratio = float(column @ self.sums / self.sums[by])
        residual = column - ratio * np.eye(len(self.sums))[by]
        squares = max(0.0, float(residual @ self.products @ residual))
        factor = drawn * (1 - drawn / of) / (drawn - 1) if drawn > 1 else math.inf
        return ratio, math.sqrt(factor * squares) / float(self.sums[by]) if squares else 0.0

    def shards(self, by: int) -> float:
        """How many shards of equal size would tell as much: (sum b_j)^2 / sum b_j^2 (Kish)."""
        return float(self.sums[by] ** 2 / self.products[by, by])

    def _moments(self, shard: Recount) -> tuple[float, float, float]:
        top, bottom = self.center.as_integer_ratio()
        first = shard.total * bottom - shard.weight * top
        second = shard.squares * bottom**2 - 2 * top * bottom * shard.total + top**2 * shard.weight
        return (
            shard.weight / (1 << UNIT),
            first / (bottom << UNIT) / self.scale,
            second / (bottom**2 << UNIT) / self.scale / self.scale,
        )


@dataclasses.dataclass
class FeatureSpread:
    """Of a feature's statistics, in their order, and of those by key."""

    statistics: list[Spread]
    by_key: dict[bytes, Spread]

    @classmethod
    def empty(cls, counted: Counted) -> "FeatureSpread":
        """Of no shard yet."""
        stated = counted.stated
        moments = zip(np.ravel(stated.mean).tolist(), np.ravel(stated.variance).tolist(), strict=True)
        quartiles = 0 if stated.quartiles is None else len(stated.quartiles)
        keys = {}
        if stated.by_key is not None:
            table = stated.by_key
            rows = zip(table.keys, table.mean.tolist(), table.variance.tolist(), strict=True)
            keys = {key: Spread.around(mean, variance) for key, mean, variance in rows}
        return cls([Spread.around(*pair, quartiles) for pair in moments], keys)

    def add(self, shard: Counted) -> None:
        """Adds a shard; keys that are not stated are left out."""
        ranks = shard.ranks or [[] for _ in shard.statistics]
        for spread, recount, of_statistic in zip(self.statistics, shard.statistics, ranks, strict=True):
            spread.add(recount, of_statistic)
        for key in shard.by_key.keys() & self.by_key.keys():
            self.by_key[key].add(shard.by_key[key])
