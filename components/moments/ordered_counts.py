"""Quantiles from exact counts of values in order: the same bits whatever the order, batches and merges.

A number is mapped to an integer with the same order (its bits, sign folded in). Counts are kept by that integer shifted
right by ``level`` bits, where ``level`` is the smallest one with at most ``MAX_BUCKETS`` buckets. The number of buckets
can only grow with the data and shrink with the level, so that the level, and with it every count, is a function of the
values alone (law: merging in any order gives equal objects). A quantile is exact at level 0 (an int64 beyond 2**53 is
rounded to float64); above, it is known to half the width of its bucket. ``quartiles`` returns a bound on its error: at
65,536 buckets about 2**-12 of the value for a normal distribution around zero.
"""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from components.moments.accumulator import Moments
from components.moments.codec import Reader, Writer

MAX_BUCKETS = 1 << 16  # at least 2: values on either side of 0 share no bucket
_PARTS = (1, 2, 3)  # quarters

IntegerArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class OrderedCounts:
    """Counts of one element's values in buckets.

    Attributes:
      kind: ``float32``, ``float64`` or ``int64``; empty where nothing was seen.
      level: bits dropped.
      buckets: int64 [n], rising.
      counts: int64 [n].
    """

    kind: str
    level: int
    buckets: IntegerArray
    counts: IntegerArray

    @classmethod
    def empty(cls) -> "OrderedCounts":
        """The neutral element."""
        return cls("", 0, np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> "OrderedCounts":
        """Counts of finite float32, float64 or int64 values [n]; -0.0 counts as 0.0."""
        if not len(values):
            return cls.empty()
        buckets, counts = np.unique(_in_order(values), return_counts=True)
        return cls(values.dtype.name, 0, buckets, counts.astype(np.int64))._within_limit()

    def merge(self, other: "OrderedCounts") -> "OrderedCounts":
        """Both, added.

        Raises:
          ValueError: values of different types.
        """
        if not self.kind or not other.kind:
            return other if not self.kind else self
        if self.kind != other.kind:
            raise ValueError(f"Cannot merge counts of {self.kind} with counts of {other.kind} values.")
        level = max(self.level, other.level)
        left, right = self._at(level), other._at(level)
        buckets = np.concatenate([left.buckets, right.buckets])
        counts = np.concatenate([left.counts, right.counts])
        return _summed(self.kind, level, buckets, counts)._within_limit()

    def quartiles(self) -> tuple[FloatArray, float]:
        """The three quartiles, float64 [3], and their error bound.

        A quartile p is the smallest value x with at least p of the values <= x (``inverted_cdf``), or the middle of
        its bucket.
        """
        total = int(self.counts.sum())
        ranks = np.cumsum(self.counts)
        found, error = np.empty(3), 0.0
        for i, part in enumerate(_PARTS):
            bucket = int(self.buckets[np.searchsorted(ranks, -(-part * total // 4))])
            edges = (bucket << self.level, ((bucket + 1) << self.level) - 1)
            low, high = (Fraction(self._value(edge)) for edge in edges)
            found[i] = float((low + high) / 2)
            middle = Fraction(found[i].item())
            error = max(error, _rounded_up(max(high - middle, middle - low)))
        return found, error

    def write(self, writer: Writer) -> None:
        """The byte form: differences of rising buckets, so that neighbours take a byte or two."""
        writer.text(self.kind.encode())
        writer.size(self.level)
        writer.size(len(self.buckets))
        previous = 0
        for bucket, count in zip(self.buckets.tolist(), self.counts.tolist(), strict=True):
            writer.integer(bucket - previous)
            writer.size(count)
            previous = bucket

    @classmethod
    def read(cls, reader: Reader) -> "OrderedCounts":
        """What ``write`` wrote."""
        kind, level = reader.text().decode(), reader.size()
        buckets, counts, previous = [], [], 0
        for _ in range(reader.size()):
            previous += reader.integer()
            buckets.append(previous)
            counts.append(reader.size())
        return cls(kind, level, np.array(buckets, np.int64), np.array(counts, np.int64))

    def _at(self, level: int) -> "OrderedCounts":
        if level == self.level:
            return self
        buckets = self.buckets >> (level - self.level)  # still rising: neighbours fall together
        first = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]]))
        return OrderedCounts(self.kind, level, buckets[first], np.add.reduceat(self.counts, first))

    def _within_limit(self) -> "OrderedCounts":
        fitting = self
        while len(fitting.buckets) > MAX_BUCKETS:
            fitting = fitting._at(fitting.level + 1)
        return fitting

    def _value(self, ordered: int) -> int | float:
        """The number at a place in the order, the largest finite one at most."""
        if self.kind == "int64":
            return ordered
        unsigned = np.uint32 if self.kind == "float32" else np.uint64
        magnitude = min(abs(ordered), int(np.array(np.finfo(self.kind).max, self.kind).view(unsigned)))
        value = float(np.array(magnitude, unsigned).view(self.kind))
        return -value if ordered < 0 else value


def _rounded_up(bound: Fraction) -> float:
    nearest = float(bound)
    return nearest if nearest >= bound else math.nextafter(nearest, math.inf)


def _in_order(values: npt.NDArray[Any]) -> IntegerArray:
    """Integers in the order of the values: the magnitude's bits with the value's sign."""
    if values.dtype == np.int64:
        return values
    signed = np.int32 if values.dtype == np.float32 else np.int64
    bits = np.ascontiguousarray(values).view(signed).astype(np.int64)
    magnitude = bits & ((1 << 31) - 1 if values.dtype == np.float32 else (1 << 63) - 1)
    return np.where(bits < 0, -magnitude, magnitude)


def _summed(kind: str, level: int, buckets: IntegerArray, counts: IntegerArray) -> OrderedCounts:
    unique, inverse = np.unique(buckets, return_inverse=True)
    totals = np.zeros(len(unique), np.int64)
    np.add.at(totals, inverse.reshape(-1), counts)
    return OrderedCounts(kind, level, unique, totals)


@dataclasses.dataclass(frozen=True, eq=False)
class RobustStatistics:
    """Moments [*shape] of a feature, and for each of its elements the counts that its quartiles come from."""

    moments: Moments
    orders: tuple[OrderedCounts, ...]

    def merge(self, other: "RobustStatistics") -> "RobustStatistics":
        """Both; associative and commutative."""
        orders = tuple(mine.merge(theirs) for mine, theirs in zip(self.orders, other.orders, strict=True))
        return RobustStatistics(self.moments.merge(other.moments), orders)

    def write(self, writer: Writer) -> None:
        """The byte form."""
        self.moments.write(writer)
        writer.size(len(self.orders))
        for order in self.orders:
            order.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "RobustStatistics":
        """What ``write`` wrote."""
        return cls(Moments.read(reader), tuple(OrderedCounts.read(reader) for _ in range(reader.size())))
