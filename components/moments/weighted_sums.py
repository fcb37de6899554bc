"""Exact weighted sums: products of a float32 weight with x and x*x, split so that float64 holds each one exactly."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.moments.exact_sums import (
    FRACTION_BITS,
    IntegerArray,
    ObjectArray,
    exact_group_sums,
    exact_group_total,
    exact_sums,
    exact_total,
)

# A float32 is a multiple of 2**-149: sums of weights are integers in that unit.
WEIGHT_BITS = 149
# Veltkamp's factor: cuts the 48 significant bits of a float32's square into 24 and 24.
_CUT = float(2**29 + 1)

FloatArray = npt.NDArray[np.float64]


def as_weights(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Numbers as weights, float32 of the same shape.

    Raises:
      ValueError: one is negative, not finite or no float32.
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    # Comparing an int64 beyond 2**53 with a float would round it first.
    fits = values.dtype.kind not in "iu" or not (np.abs(single) > 2.0**53).any()
    if not (fits and np.isfinite(single).all() and (single >= 0).all() and (single == values).all()):
        raise ValueError(
            "Weights must be float32 numbers of at least 0; one is negative, not finite or finer than that."
        )
    return single


def exact_weighted_sums(
    columns: npt.NDArray[Any], weights: npt.NDArray[np.float32]
) -> tuple[ObjectArray, ObjectArray, ObjectArray]:
    """Sums by column of w, w*x and w*x*x.

    Args:
      columns: [width, rows], finite float32, float64 or int64.
      weights: float32 [width, rows], finite and not negative.

    Returns:
      Three object arrays [width] of Python integers, in units of 2**-149, 2**-(149 + 1074) and 2**-(149 + 2148).
    """
    weight = exact_sums(weights)[0]
    if _fits_float(columns):
        products = _exact_products(columns, weights)
        total, squares = _in_units(exact_total(products[0]), exact_total(products[1]) + exact_total(products[2]))
    else:
        width, rows = columns.shape
        total, squares = _by_integer(columns.ravel(), weights.ravel(), np.repeat(np.arange(width), rows), width)
    return _in_weight_units(weight), total, squares


def exact_weighted_group_sums(
    values: npt.NDArray[Any], weights: npt.NDArray[np.float32], group: IntegerArray, groups: int
) -> tuple[ObjectArray, ObjectArray, ObjectArray]:
    """``exact_weighted_sums`` of flat values [n] by group, int64 [n]; object arrays [groups]."""
    weight = exact_group_sums(weights, group, groups)[0]
    if _fits_float(values):
        sums = [exact_group_total(product, group, groups) for product in _exact_products(values, weights)]
        total, squares = _in_units(sums[0], sums[1] + sums[2])
    else:
        total, squares = _by_integer(values, weights, group, groups)
    return _in_weight_units(weight), total, squares


def _fits_float(values: npt.NDArray[Any]) -> bool:
    if values.dtype == np.int64:
        largest = max(-int(values.min(initial=0)), int(values.max(initial=0)))
        return largest < 1 << 24
    return values.dtype == np.float32


def _exact_products(values: npt.NDArray[Any], weights: npt.NDArray[np.float32]) -> tuple[FloatArray, ...]:
    """w*x, and w times either half of x*x: 24 bits times 24 bits, three times over, is exact in float64."""
    x, w = values.astype(np.float64), weights.astype(np.float64)
    square = x * x
    scaled = square * _CUT
    high = scaled - (scaled - square)
    return w * x, w * high, w * (square - high)


def _in_weight_units(weight: ObjectArray) -> ObjectArray:
    return np.asarray(weight // (1 << (FRACTION_BITS - WEIGHT_BITS)), object)


def _in_units(total: ObjectArray, squares: ObjectArray) -> tuple[ObjectArray, ObjectArray]:
    return np.asarray(total * (1 << WEIGHT_BITS), object), np.asarray(
        squares * (1 << (FRACTION_BITS + WEIGHT_BITS)), object
    )


def _by_integer(
    values: npt.NDArray[Any], weights: npt.NDArray[np.float32], group: IntegerArray, groups: int
) -> tuple[ObjectArray, ObjectArray]:
    """Python integers, a microsecond a value: for float64, and for int64 of 2**24 and more."""
    total = np.zeros(groups, dtype=object)
    squares = np.zeros(groups, dtype=object)
    x, x_exponents = _significands(values)
    w, w_exponents = _significands(weights)
    for at, xi, xe, wi, we in zip(group.tolist(), x, x_exponents, w, w_exponents, strict=True):
        total[at] += (wi * xi) << (xe + we + FRACTION_BITS + WEIGHT_BITS)
        squares[at] += (wi * xi * xi) << (2 * xe + we + 2 * FRACTION_BITS + WEIGHT_BITS)
    return total, squares


def _significands(values: npt.NDArray[Any]) -> tuple[list[int], list[int]]:
    """Integers m and exponents e with value = m * 2**e, e at least the type's smallest exponent."""
    if values.dtype == np.int64:
        return values.tolist(), [0] * len(values)
    lowest = -WEIGHT_BITS if values.dtype == np.float32 else -FRACTION_BITS
    exponents = np.maximum(np.frexp(values.astype(np.float64))[1] - 53, lowest)
    return np.ldexp(values.astype(np.float64), -exponents).astype(np.int64).tolist(), exponents.tolist()
