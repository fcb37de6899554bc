"""Exact sums of a column in whole numbers: every float32 is a 24-bit significand times a power of two.

The analyzer has its own arithmetic (``components.moments``); nothing of it is used here.
"""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_BITS = 24  # of a float32's significand
_LOWEST = -150  # of np.frexp's exponents of float32: the smallest subnormal is 0.5 * 2**-148
_HALF = 12
_LIMB = 22  # int64 = three limbs; 2**18 products of two limbs stay below 2**63
_MOST = 2**18  # values that are summed up at once


@dataclasses.dataclass
class Recount:
    """Counts, extremes and exact sums of one column, added to batch by batch.

    Attributes:
      count, missing, nan, inf: numbers of values.
      low, high: of the finite values; infinities before the first.
      total, squares: sums of the finite values and of their squares in units of 2**(_LOWEST - _BITS) and its square;
        in units of 1 for int64.
      whole: whether the column holds int64.
    """

    whole: bool
    count: int = 0
    missing: int = 0
    nan: int = 0
    inf: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    total: int = 0
    squares: int = 0

    def add(self, values: npt.NDArray[Any], missing: int = 0) -> None:
        """Adds float32 or int64 values [n], and so many that are absent."""
        self.missing += missing
        for at in range(0, len(values), _MOST):
            self._add(values[at : at + _MOST])

    def _add(self, values: npt.NDArray[Any]) -> None:
        if not self.whole:
            usable = np.isfinite(values)
            if not usable.all():
                nan = int(np.isnan(values).sum())
                self.nan += nan
                self.inf += int(len(values) - usable.sum()) - nan
                values = values[usable]
        if not len(values):
            return
        self.count += len(values)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        total, squares = _whole_sums(values) if self.whole else _float_sums(values)
        self.total, self.squares = self.total + total, self.squares + squares

    @property
    def mean(self) -> Fraction:
        """Exact; of at least one value."""
        return Fraction(self.total, self.count) * self._unit

    @property
    def variance(self) -> Fraction:
        """The exact population variance; of at least one value."""
        spread = self.count * self.squares - self.total**2
        return Fraction(spread, self.count**2) * self._unit**2

    @property
    def _unit(self) -> Fraction:
        return Fraction(1) if self.whole else Fraction(1, 2 ** (_BITS - _LOWEST))


def _float_sums(values: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Sum and sum of squares in the units of Recount; per exponent, in whole numbers below 2**53."""
    fraction, exponent = np.frexp(values)
    significand = np.ldexp(fraction, _BITS).astype(np.int64)
    places = (exponent - _LOWEST).astype(np.int64)
    magnitude = np.abs(significand)
    upper, lower = magnitude >> _HALF, magnitude & (2**_HALF - 1)
    sums = [
        np.bincount(places, weights=weights.astype(np.float64))
        for weights in (significand, upper * upper, upper * lower, lower * lower)
    ]
    total = squares = 0
    for place in np.flatnonzero(np.bincount(places)).tolist():
        plain, high, middle, low = (int(by_place[place]) for by_place in sums)
        total += plain << place
        squares += ((high << 2 * _HALF) + (middle << _HALF + 1) + low) << 2 * place
    return total, squares


def _whole_sums(values: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Sum and sum of squares; in three limbs, of which the highest carries the sign."""
    mask = 2**_LIMB - 1
    limbs = [values & mask, (values >> _LIMB) & mask, values >> 2 * _LIMB]
    total = sum(int(limb.sum()) << _LIMB * i for i, limb in enumerate(limbs))
    squares = sum(int((a * b).sum()) << _LIMB * (i + j) for i, a in enumerate(limbs) for j, b in enumerate(limbs))
    return total, squares
