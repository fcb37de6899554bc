"""Exact sums of numbers and of their squares, by group and with weights, in whole numbers.

Each value is cut into pieces of at most 24 significant bits (a float32 is one). float64 holds the product of two such
pieces exactly, and it is summed up per exponent, where sums are whole numbers below 2**53.

The analyzer has its own arithmetic (``components.moments``); nothing of it is used here.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Sums are whole numbers of 2**-UNIT: float64's smallest exponent, and the 53 bits of a significand that frexp gives it.
UNIT = 1074 + 53
_BITS = 53
_LOWER = 27  # a significand is summed up in two parts; 2**26 of them stay below 2**53
_PIECE = 24
_DIRECT = 1 << 20  # sums of a table by group and exponent that is not searched for those that occur

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
Sums = tuple[list[int], list[int], list[int]]


def whole_sums(values: npt.NDArray[Any], weights: Floats | None, group: Groups, groups: int) -> Sums:
    """By group: the sums of w, w*x and w*x*x, in units of 2**-UNIT; w is 1 without weights.

    Args:
      values: finite float32, float64 or int64 [n]; of at most 2**26 values.
      weights: [n], each a float32.
      group: [n], from 0 to ``groups`` - 1.
      groups: how many there are.
    """
    if weights is None:
        weight = [count << UNIT for count in np.bincount(group, minlength=groups).tolist()]
    else:
        weight = _sums(weights, group, groups)
    total, squares = [0] * groups, [0] * groups
    pieces = list(_pieces(values))
    for at, piece in enumerate(pieces):
        _add(total, _sums(piece if weights is None else weights * piece, group, groups))
        for other_at, other in enumerate(pieces[: at + 1]):
            times = 1 if other_at == at else 2
            for product in [piece * other] if weights is None else _cut(piece * other):
                _add(squares, _sums(product if weights is None else weights * product, group, groups), times)
    return weight, total, squares


def _pieces(values: npt.NDArray[Any]) -> Iterator[Floats]:
    if values.dtype == np.float32:
        yield values.astype(np.float64)
    elif values.dtype == np.float64:
        yield from _cut(values)
    else:
        mask = (1 << _PIECE) - 1
        for limb, place in ((values & mask, 0), (values >> _PIECE & mask, _PIECE), (values >> 2 * _PIECE, 2 * _PIECE)):
            if limb.any():
                yield np.ldexp(limb.astype(np.float64), place)


def _cut(values: Floats) -> Iterator[Floats]:
    """At most three pieces, whose sum is the values."""
    low = ~np.int64((1 << _BITS - _PIECE) - 1)
    while values.any():
        head = (np.ascontiguousarray(values).view(np.int64) & low).view(np.float64)
        # What is left of a subnormal number may have no bit above the mask.
        head = np.where((head == 0) & (values != 0), values, head)
        yield head
        values = values - head


def _sums(values: Floats, group: Groups, groups: int) -> list[int]:
    fraction, exponent = np.frexp(values)
    significand = np.ldexp(fraction, _BITS).astype(np.int64)
    lowest = int(exponent.min(initial=0))
    span = int(exponent.max(initial=0)) - lowest + 1
    place = group * span + (exponent - lowest)
    if groups * span <= _DIRECT:
        used, at = np.arange(groups * span), place
    else:
        used, at = np.unique(place, return_inverse=True)
    upper, lower = significand >> _LOWER, significand & ((1 << _LOWER) - 1)
    high, low = (np.bincount(at.reshape(-1), part.astype(np.float64), len(used)) for part in (upper, lower))
    found = [0] * groups
    for i in np.flatnonzero((high != 0) | (low != 0)).tolist():
        of, above = divmod(int(used[i]), span)
        found[of] += ((int(high[i]) << _LOWER) + int(low[i])) << (above + lowest + UNIT - _BITS)
    return found


def _add(into: list[int], sums: list[int], times: int = 1) -> None:
    for at, value in enumerate(sums):
        into[at] += times * value
