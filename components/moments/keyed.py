"""Exact moments by key: one accumulator for all keys of a feature, grouped without a loop over the keys."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.moments.accumulator import COUNTS, SUMS, Moments
from components.moments.codec import Reader, Writer
from components.moments.exact_sums import exact_group_sums, object_array
from components.moments.weighted_sums import WEIGHT_BITS, exact_weighted_group_sums

IntegerArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class KeyedMoments:
    """Moments of all rows, and of the rows of each key.

    Laws: those of ``Moments``, key by key. Only finite values make a key; counts by key are of those alone.

    Attributes:
      moments: of all rows, whatever their key; shape ().
      keys: in byte order; an int64 key as decimal text.
      by_key: [len(keys)].
    """

    moments: Moments
    keys: tuple[bytes, ...]
    by_key: Moments

    @classmethod
    def empty(cls) -> "KeyedMoments":
        """The neutral element."""
        return cls(Moments.empty(), (), Moments.empty((0,)))

    @classmethod
    def of(
        cls,
        moments: Moments,
        values: npt.NDArray[Any],
        usable: npt.NDArray[np.bool_],
        keys: npt.NDArray[Any],
        weights: npt.NDArray[np.float32] | None,
    ) -> "KeyedMoments":
        """One batch.

        Args:
          moments: of the whole batch.
          values: float32, float64 or int64 [n].
          usable: bool [n]: the value is finite, its row has a key and a weight above 0.
          keys: bytes (as objects) or int64 [n].
          weights: float32 [n], or None.
        """
        names, group = np.unique(keys[usable], return_inverse=True)
        texts = [str(int(name)).encode() if keys.dtype.kind in "iu" else bytes(name) for name in names.tolist()]
        heavy = None if weights is None else weights[usable]
        by_key = _moments_by_group(values[usable], group.reshape(-1), len(texts), heavy)
        order = sorted(range(len(texts)), key=texts.__getitem__)
        return cls(moments, tuple(texts[i] for i in order), by_key[np.array(order, np.int64)])

    def merge(self, other: "KeyedMoments") -> "KeyedMoments":
        """Both; associative and commutative."""
        keys = self.keys if self.keys == other.keys else tuple(sorted({*self.keys, *other.keys}))
        aligned = (_aligned(part.by_key, part.keys, keys) for part in (self, other))
        left, right = aligned
        return KeyedMoments(self.moments.merge(other.moments), keys, left.merge(right))

    def write(self, writer: Writer) -> None:
        """The byte form."""
        self.moments.write(writer)
        for key in (str(len(self.keys)).encode(), *self.keys):
            writer.text(key)
        self.by_key.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "KeyedMoments":
        """What ``write`` wrote."""
        moments = Moments.read(reader)
        keys = tuple(reader.text() for _ in range(int(reader.text())))
        return cls(moments, keys, Moments.read(reader))


def drawn_to_global(by_key: Moments, everything: Moments, min_count: int) -> Moments:
    """Keys with fewer than ``min_count`` values, made up to that many with values of the global mean and variance.

    A key of n < m values gets the exact moments of its n values and of m - n pseudo-values whose mean and variance are
    the global ones: with n = 0 those of the whole split, with n >= m its own. Weighted rows count one each towards n;
    a pseudo-value weighs what a row of the split does on average.
    """
    few = np.flatnonzero(by_key.count < min_count)
    weight, total, squares = (getattr(by_key, name).copy() for name in SUMS)
    n = int(everything.count)
    for at in few.tolist():
        pseudo = min_count - int(by_key.count[at])
        # Everything is scaled by n, so that the pseudo-values' share of the global sums stays an integer.
        weight[at] = weight[at] * n + everything.weight.item() * pseudo
        total[at] = total[at] * n + everything.total.item() * pseudo
        squares[at] = squares[at] * n + everything.squares.item() * pseudo
    return dataclasses.replace(by_key, weight=weight, total=total, squares=squares)


def _aligned(moments: Moments, keys: Sequence[bytes], wanted: Sequence[bytes]) -> Moments:
    """The moments of ``keys`` as moments of ``wanted``, which holds them all; empty for the others."""
    if len(keys) == len(wanted):
        return moments
    place = {key: i for i, key in enumerate(keys)}
    at = np.array([place.get(key, len(keys)) for key in wanted], np.int64)
    return Moments.concatenate([moments, Moments.empty((1,))])[at]


def _moments_by_group(
    values: npt.NDArray[Any], group: IntegerArray, groups: int, weights: npt.NDArray[np.float32] | None
) -> Moments:
    if not groups:
        return Moments.empty((0,))
    count = np.bincount(group, minlength=groups).astype(np.int64)
    if weights is None:
        unit = 1 << WEIGHT_BITS
        sums = tuple(each * unit for each in (count.astype(object), *exact_group_sums(values, group, groups)))
    else:
        sums = exact_weighted_group_sums(values, weights, group, groups)
    order = np.argsort(group, kind="stable")
    starts = np.concatenate([[0], np.cumsum(count)[:-1]])
    extremes = [pick.reduceat(values[order], starts) + values.dtype.type(0) for pick in (np.minimum, np.maximum)]
    none = np.zeros(groups, np.int64)
    arrays: dict[str, Any] = {**dict.fromkeys(COUNTS, none), "count": count}
    arrays.update({name: np.asarray(each, object) for name, each in zip(SUMS, sums, strict=True)})
    return Moments(**arrays, lowest=object_array(extremes[0].tolist()), highest=object_array(extremes[1].tolist()))
