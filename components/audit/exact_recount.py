"""What is counted of a number: how many there are, extremes, and exact sums that give mean and variance."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from components.audit.whole_sums import Floats, Groups, whole_sums

_MOST = 2**18  # values that are summed up at once


@dataclasses.dataclass
class Recount:
    """Counts, extremes and exact sums of one statistic.

    Attributes:
      count, missing, nan, inf: numbers of values.
      low, high: of the finite values; infinities before the first.
      weight, total, squares: sums of w, w*x and w*x*x over the finite values, in one unit.
    """

    count: int = 0
    missing: int = 0
    nan: int = 0
    inf: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    weight: int = 0
    total: int = 0
    squares: int = 0

    def add(self, other: "Recount") -> None:
        """Adds what was counted elsewhere."""
        for name in ("count", "missing", "nan", "inf", "weight", "total", "squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @property
    def mean(self) -> Fraction:
        """Exact; of at least one value."""
        return Fraction(self.total, self.weight)

    @property
    def variance(self) -> Fraction:
        """The exact population variance; of at least one value."""
        return Fraction(self.weight * self.squares - self.total**2, self.weight**2)

    def drawn_to(self, everything: "Recount", least: int) -> "Recount":
        """Made up to ``least`` values by such that have the mean, variance and average weight of everything."""
        more = max(0, least - self.count)
        n = everything.count
        sums = {name: getattr(self, name) * n + getattr(everything, name) * more for name in _SUMS}
        return dataclasses.replace(self, **sums) if more else self


_SUMS = ("weight", "total", "squares")


def recounts(values: npt.NDArray[Any], weights: Floats | None, group: Groups, groups: int) -> list[Recount]:
    """Of float32, float64 or int64 values [n] by group [n], from 0 to ``groups`` - 1; a weight of 0 is no value."""
    found = [Recount() for _ in range(groups)]
    for at in range(0, len(values), _MOST):
        part = slice(at, at + _MOST)
        heavy = None if weights is None else weights[part]
        for into, more in zip(found, _recounts(values[part], heavy, group[part], groups), strict=True):
            into.add(more)
    return found


def _recounts(values: npt.NDArray[Any], weights: Floats | None, group: Groups, groups: int) -> Iterator[Recount]:
    if weights is not None:
        heavy = weights > 0
        values, weights, group = values[heavy], weights[heavy], group[heavy]
    usable = np.isfinite(values)
    none = [0] * groups
    nan, inf = none, none
    if not usable.all():
        nan = np.bincount(group[np.isnan(values)], minlength=groups).tolist()
        inf = np.bincount(group[np.isinf(values)], minlength=groups).tolist()
        values, group = values[usable], group[usable]
        weights = None if weights is None else weights[usable]
    count = np.bincount(group, minlength=groups)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    if len(values):
        order = np.argsort(group, kind="stable")
        occupied = np.flatnonzero(count)
        starts = (np.cumsum(count) - count)[occupied]
        low[occupied] = np.minimum.reduceat(values[order], starts)
        high[occupied] = np.maximum.reduceat(values[order], starts)
    columns = (count, none, nan, inf, low, high, *whole_sums(values, weights, group, groups))
    for row in zip(*(each if isinstance(each, list) else each.tolist() for each in columns), strict=True):
        yield Recount(*row)
