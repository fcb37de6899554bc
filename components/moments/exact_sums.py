"""Exact sums of x and x*x by column, in NumPy and Python integers only.

Law: the sums are integers in a fixed unit, so that they do not depend on order, blocks or machine.

float32, most values: a block of 2**13 values in float64, each cut into a high part (a multiple of 2**(E-20), where
|x| < 2**E) and a low part (a multiple of 2**(E-40), for |x| >= 2**(E-17)). The sums of x, high*high, high*low and
low*low then stay within 2**53 units, so that float64 adds them without rounding, in any order. What is smaller than
2**(E-17), and float64 as a whole, goes the slower way: significands cut into limbs of 18 bits, summed per exponent.

Source of the cut: T. J. Dekker, A floating-point technique for extending the available precision (1971).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Sums of floats are integers in units of 2**-FRACTION_BITS; the smallest float64 subnormal is 2**-1074.
FRACTION_BITS = 1074

_FAST_ROWS = 1 << 13
_HIGH_BITS = 20
_FAST_SPAN = 17  # exponents below the block's largest
_LIMB_BITS = 18
_LIMB_ROWS = 1 << 16  # products of limbs are below 2**36: their sums over so many rows stay below 2**53
_FLOAT_DIGITS = 53
_DENSE_KEYS = 1 << 20

IntegerArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
ObjectArray = npt.NDArray[np.object_]


def exact_sums(columns: npt.NDArray[Any]) -> tuple[ObjectArray, ObjectArray]:
    """Sums of the values and of their squares.

    Args:
      columns: [width, rows], finite float32, float64 or int64.

    Returns:
      Two object arrays [width] of Python integers: units of 2**-1074, and of 2**-2148.
    """
    if columns.dtype == np.int64:
        block_sums, rows = _integer_block, columns.shape[1]
    elif columns.dtype == np.float32:
        block_sums, rows = _fast_block, _FAST_ROWS
    else:
        block_sums, rows = _limb_block, _LIMB_ROWS
    total = np.zeros(columns.shape[0], dtype=object)
    squares = np.zeros(columns.shape[0], dtype=object)
    for start in range(0, columns.shape[1], max(rows, 1)):
        block_total, block_squares = block_sums(columns[:, start : start + rows])
        total += block_total
        squares += block_squares
    return total, squares


def exact_total(columns: FloatArray) -> ObjectArray:
    """Sums of finite float64 [width, rows] by column, object [width], in units of 2**-1074."""
    width, rows = columns.shape
    total = np.zeros(width, dtype=object)
    for start in range(0, rows, _LIMB_ROWS):
        block = columns[:, start : start + _LIMB_ROWS]
        column = np.repeat(np.arange(width), block.shape[1])
        total += _limb_sums(block.ravel(), column, width, with_squares=False)[0]
    return total


def exact_group_sums(values: npt.NDArray[Any], group: IntegerArray, groups: int) -> tuple[ObjectArray, ObjectArray]:
    """``exact_sums`` of flat values by group.

    Args:
      values: finite float32, float64 or int64 [n].
      group: int64 [n], from 0 to ``groups`` - 1.

    Returns:
      Two object arrays [groups], in the units of ``exact_sums``.
    """
    total = np.zeros(groups, dtype=object)
    squares = np.zeros(groups, dtype=object)
    sums = _integer_group_sums if values.dtype == np.int64 else _limb_sums
    for start in range(0, len(values), _LIMB_ROWS):
        rows = slice(start, start + _LIMB_ROWS)
        part_total, part_squares = sums(values[rows], group[rows], groups)
        total += part_total
        squares += part_squares
    return total, squares


def exact_group_total(values: FloatArray, group: IntegerArray, groups: int) -> ObjectArray:
    """``exact_total`` of flat float64 values by group."""
    total = np.zeros(groups, dtype=object)
    for start in range(0, len(values), _LIMB_ROWS):
        rows = slice(start, start + _LIMB_ROWS)
        total += _limb_sums(values[rows], group[rows], groups, with_squares=False)[0]
    return total


def _fast_block(block: npt.NDArray[Any]) -> tuple[ObjectArray, ObjectArray]:
    x = block.astype(np.float64)
    largest = np.maximum(-block.min(axis=1), block.max(axis=1)).astype(np.float64)
    top = np.frexp(largest)[1]
    small = np.abs(x) < np.ldexp(1.0, top - _FAST_SPAN)[:, np.newaxis]
    rest: tuple[ObjectArray, ObjectArray] | None = None
    if small.any():
        small &= x != 0
        at, where = np.nonzero(small)
        rest = _limb_sums(block[at, where], at, block.shape[0])
        x[at, where] = 0.0
    cut = np.ldexp(1.5, top - _HIGH_BITS + _FLOAT_DIGITS - 1)[:, np.newaxis]
    high = x + cut
    high -= cut
    low = x - high
    total = _as_integers(x.sum(axis=1), FRACTION_BITS)
    squares = (
        _as_integers(np.einsum("ij,ij->i", high, high), 2 * FRACTION_BITS)
        + _as_integers(np.einsum("ij,ij->i", high, low), 2 * FRACTION_BITS + 1)
        + _as_integers(np.einsum("ij,ij->i", low, low), 2 * FRACTION_BITS)
    )
    return (total, squares) if rest is None else (total + rest[0], squares + rest[1])


def _as_integers(values: FloatArray, bits: int) -> ObjectArray:
    """values * 2**bits as Python integers; exact, because every value is an integer in that unit."""
    significands, exponents = np.frexp(values)
    whole = np.ldexp(significands, _FLOAT_DIGITS).astype(np.int64).tolist()
    shifts = (exponents.astype(np.int64) + (bits - _FLOAT_DIGITS)).tolist()
    integers = [m << s if s >= 0 else m >> -s for m, s in zip(whole, shifts, strict=True)]
    return object_array(integers)


def _limb_block(block: npt.NDArray[Any]) -> tuple[ObjectArray, ObjectArray]:
    width, rows = block.shape
    return _limb_sums(block.ravel(), np.repeat(np.arange(width), rows), width)


def _limb_sums(
    values: npt.NDArray[Any], column: npt.NDArray[Any], width: int, *, with_squares: bool = True
) -> tuple[ObjectArray, ObjectArray]:
    """The sums by column of flat values, at most ``_LIMB_ROWS`` of them in one column."""
    negative, exponent, significand, bins, lowest = _parts(values)
    key = exponent + column * bins
    limbs = [limb.astype(np.float64) for limb in _limbs(significand, values.dtype.itemsize)]
    sign = np.where(negative, -1.0, 1.0)
    total = np.zeros(width, dtype=object)
    squares = np.zeros(width, dtype=object)
    for i, low in enumerate(limbs):
        total += _by_column(key, sign * low, width, bins, 1) * (1 << (_LIMB_BITS * i))
        for j in range(i, len(limbs) if with_squares else 0):
            product = _by_column(key, low * limbs[j], width, bins, 2)
            squares += product * (1 << (_LIMB_BITS * (i + j) + (i != j)))
    bits = FRACTION_BITS - lowest
    return np.asarray(total * (1 << bits), object), np.asarray(squares * (1 << (2 * bits)), object)


def _parts(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], IntegerArray, IntegerArray, int, int]:
    """Sign, exponent counted from the smallest, significand, number of exponents, and -log2 of the smallest unit."""
    if values.dtype == np.float32:
        bits = values.view(np.uint32).astype(np.int64)
        significand_bits, exponent_bits, lowest = 23, 8, 149
    else:
        bits = np.ascontiguousarray(values).view(np.int64)
        significand_bits, exponent_bits, lowest = 52, 11, 1074
    biased = (bits >> significand_bits) & ((1 << exponent_bits) - 1)
    significand = (bits & ((1 << significand_bits) - 1)) | ((biased > 0).astype(np.int64) << significand_bits)
    negative = (bits >> (significand_bits + exponent_bits)) & 1 == 1
    return negative, np.maximum(biased, 1) - 1, significand, 1 << exponent_bits, lowest


def _limbs(significand: IntegerArray, itemsize: int) -> Iterator[IntegerArray]:
    for i in range(2 if itemsize == 4 else 3):
        yield (significand >> (_LIMB_BITS * i)) & ((1 << _LIMB_BITS) - 1)


def _by_column(key: IntegerArray, weights: FloatArray, width: int, bins: int, power: int) -> ObjectArray:
    """Sum over the exponents of (sum of weights) << power * exponent, by column."""
    columns = np.zeros(width, dtype=object)
    for where, total in _nonzero_sums(key, weights, width * bins):
        column, exponent = divmod(where, bins)
        columns[column] += int(total) << (power * exponent)
    return columns


def _nonzero_sums(key: IntegerArray, weights: FloatArray, keys: int) -> Iterator[tuple[int, float]]:
    if keys <= max(_DENSE_KEYS, 4 * len(key)):
        sums = np.bincount(key, weights=weights, minlength=keys)
        used = np.flatnonzero(sums)
        return zip(used.tolist(), sums[used].tolist(), strict=True)
    # Ten thousands of groups: a table of all their exponents would take gigabytes.
    found, place = np.unique(key, return_inverse=True)
    sums = np.bincount(place.reshape(-1), weights=weights)
    return zip(found.tolist(), sums.tolist(), strict=True)


def _integer_block(block: IntegerArray) -> tuple[ObjectArray, ObjectArray]:
    largest = max(-int(block.min(initial=0)), int(block.max(initial=0)))
    rows = 1 << max(0, 62 - 2 * largest.bit_length())  # sums of so many squares stay within int64
    if rows >= 256:
        total, squares = _small_integers(block, rows)
    else:
        total, squares = _large_integers(block)
    unit = 1 << FRACTION_BITS
    return np.asarray(total * unit, object), np.asarray(squares * (unit * unit), object)


def _small_integers(block: IntegerArray, rows: int) -> tuple[ObjectArray, ObjectArray]:
    total = np.zeros(block.shape[0], dtype=object)
    squares = np.zeros(block.shape[0], dtype=object)
    for start in range(0, block.shape[1], rows):
        part = block[:, start : start + rows]
        total += part.sum(axis=1)
        squares += np.einsum("ij,ij->i", part, part).astype(object)
    return total, squares


def _large_integers(block: IntegerArray) -> tuple[ObjectArray, ObjectArray]:
    """Magnitudes in three limbs of 22 bits: sums over 2**16 rows stay within int64."""
    total = np.zeros(block.shape[0], dtype=object)
    squares = np.zeros(block.shape[0], dtype=object)
    for start in range(0, block.shape[1], _LIMB_ROWS):
        part = block[:, start : start + _LIMB_ROWS]
        # -(x + 1) + 1 in uint64, because the magnitude of -2**63 does not fit int64.
        magnitude = np.where(part < 0, (-(part + 1)).astype(np.uint64) + np.uint64(1), part.astype(np.uint64))
        sign = np.where(part < 0, -1, 1)
        limbs = [(magnitude >> np.uint64(22 * i) & np.uint64((1 << 22) - 1)).astype(np.int64) for i in range(3)]
        for i, low in enumerate(limbs):
            total += (sign * low).sum(axis=1).astype(object) * (1 << (22 * i))
            for j in range(i, 3):
                product = np.einsum("ij,ij->i", low, limbs[j]).astype(object)
                squares += product * (1 << (22 * (i + j) + (i != j)))
    return total, squares


def _integer_group_sums(values: IntegerArray, group: IntegerArray, groups: int) -> tuple[ObjectArray, ObjectArray]:
    total = np.zeros(groups, dtype=object)
    squares = np.zeros(groups, dtype=object)
    for column, value in zip(group.tolist(), values.tolist(), strict=True):
        total[column] += value
        squares[column] += value * value
    unit = 1 << FRACTION_BITS
    return np.asarray(total * unit, object), np.asarray(squares * (unit * unit), object)


def object_array(items: list[Any]) -> ObjectArray:
    """Python objects as an array [n] of them; NumPy's own would look into them for a type."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
