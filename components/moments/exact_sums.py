"""Exact sums of x and x*x: integer significands summed per exponent, in NumPy and Python integers only.

A finite binary float is ``m * 2**e`` with an integer ``m``. The significands are cut into limbs of 18 bits; sums of
limbs, and of products of two limbs, per exponent stay below 2**53 for blocks of at most 2**16 rows, so that
``np.bincount`` with float64 weights adds them without rounding. The rest is integer arithmetic.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Sums of floats are integers in units of 2**-FRACTION_BITS; the smallest float64 subnormal is 2**-1074.
FRACTION_BITS = 1074
_LIMB_BITS = 18
_BLOCK_ROWS = 1 << 16  # products below 2**36, times 2**16 rows, stay below 2**53

IntegerArray = npt.NDArray[np.int64]
ObjectArray = npt.NDArray[np.object_]


def exact_sums(table: npt.NDArray[Any], usable: npt.NDArray[np.bool_]) -> tuple[ObjectArray, ObjectArray]:
    """Sums by column of the usable values and of their squares, as Python integers.

    Args:
      table: [rows, width], float32, float64 or int64.
      usable: bool [rows, width]; the others may hold anything.

    Returns:
      Two object arrays [width]: the sum in units of 2**-1074 and the sum of squares in units of 2**-2148.
    """
    total = np.zeros(table.shape[1], dtype=object)
    squares = np.zeros(table.shape[1], dtype=object)
    block_sums = _integer_block if table.dtype == np.int64 else _float_block
    for start in range(0, table.shape[0], _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = np.where(usable[rows], table[rows], table.dtype.type(0))
        block_total, block_squares = block_sums(block)
        total += block_total
        squares += block_squares
    return total, squares


def _integer_block(block: npt.NDArray[Any]) -> tuple[ObjectArray, ObjectArray]:
    integers = block.astype(np.int64)
    negative = integers < 0
    # -(x + 1) + 1 in uint64, because the magnitude of -2**63 does not fit int64.
    magnitude = np.where(negative, (-(integers + 1)).astype(np.uint64) + np.uint64(1), integers.astype(np.uint64))
    sign = np.where(negative, -1, 1).astype(np.int64)
    limbs = [(magnitude >> np.uint64(22 * i) & np.uint64((1 << 22) - 1)).astype(np.int64) for i in range(3)]
    total = np.zeros(block.shape[1], dtype=object)
    squares = np.zeros(block.shape[1], dtype=object)
    for i, low in enumerate(limbs):
        total += (sign * low).sum(axis=0).astype(object) << (22 * i)
        for j in range(i, 3):
            product = (low * limbs[j]).sum(axis=0).astype(object)  # below 2**(44 + 16)
            squares += product << (22 * (i + j) + (i != j))
    return _shifted(total, FRACTION_BITS), _shifted(squares, 2 * FRACTION_BITS)


def _float_block(block: npt.NDArray[Any]) -> tuple[ObjectArray, ObjectArray]:
    width = block.shape[1]
    negative, exponent, significand, bins, lowest = _parts(block)
    key = (exponent + np.arange(width) * bins).ravel()
    limbs = [limb.ravel().astype(np.float64) for limb in _limbs(significand, block.dtype.itemsize)]
    sign = np.where(negative, -1.0, 1.0).ravel()
    total = np.zeros(width, dtype=object)
    squares = np.zeros(width, dtype=object)
    for i, low in enumerate(limbs):
        total += _by_column(key, sign * low, width, bins, 1) << (_LIMB_BITS * i)
        for j in range(i, len(limbs)):
            product = _by_column(key, low * limbs[j], width, bins, 2)
            squares += product << (_LIMB_BITS * (i + j) + (i != j))
    return _shifted(total, FRACTION_BITS - lowest), _shifted(squares, 2 * (FRACTION_BITS - lowest))


def _parts(block: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], IntegerArray, IntegerArray, int, int]:
    """Sign, exponent counted from the smallest, significand, number of exponents, and -log2 of the smallest unit."""
    if block.dtype == np.float32:
        bits = np.ascontiguousarray(block).view(np.uint32).astype(np.int64)
        significand_bits, exponent_bits, lowest = 23, 8, 149
    else:
        bits = np.ascontiguousarray(block).view(np.int64)
        significand_bits, exponent_bits, lowest = 52, 11, 1074
    biased = (bits >> significand_bits) & ((1 << exponent_bits) - 1)
    significand = (bits & ((1 << significand_bits) - 1)) | ((biased > 0).astype(np.int64) << significand_bits)
    negative = (bits >> (significand_bits + exponent_bits)) & 1 == 1
    return negative, np.maximum(biased, 1) - 1, significand, 1 << exponent_bits, lowest


def _limbs(significand: IntegerArray, itemsize: int) -> Iterator[IntegerArray]:
    for i in range(2 if itemsize == 4 else 3):
        yield (significand >> (_LIMB_BITS * i)) & ((1 << _LIMB_BITS) - 1)


def _by_column(key: IntegerArray, weights: npt.NDArray[np.float64], width: int, bins: int, power: int) -> ObjectArray:
    """Sum over the exponents of (sum of weights) << power * exponent, by column."""
    sums = np.bincount(key, weights=weights, minlength=width * bins)
    columns = np.zeros(width, dtype=object)
    for where in np.flatnonzero(sums):
        column, exponent = divmod(int(where), bins)
        columns[column] += int(sums[where]) << (power * exponent)
    return columns


def _shifted(integers: ObjectArray, bits: int) -> ObjectArray:
    return np.asarray(integers * (1 << bits), dtype=object)
