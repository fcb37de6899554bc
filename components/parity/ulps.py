"""How far two arrays lie apart, in units in the last place of float32."""

from typing import Any

import numpy as np
import numpy.typing as npt


def worst_ulps(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """The largest distance between float32 values and exact ones, in spacings of float32 at the exact one.

    Equal values, two NaNs included, are 0 apart; a NaN or an infinity where the other is none is infinitely far, and so
    are arrays of another shape and whole numbers or texts that differ. An exact value below the normal range of float32
    is 0 there (TensorFlow flushes such results to zero on CPU).
    """
    if found.shape != expected.shape:
        return float("inf")
    if found.dtype != np.float32:
        return 0.0 if bool(np.array_equal(found, expected)) else float("inf")
    if not found.size:
        return 0.0
    exact = np.asarray(expected, np.float64)
    tiny = float(np.finfo(np.float32).tiny)
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = exact.astype(np.float32)
        near_zero = (np.abs(exact) < tiny) & (np.abs(found) <= tiny)
        same = (found == rounded) | (np.isnan(found) & np.isnan(exact)) | near_zero
        distance = np.abs(found.astype(np.float64) - exact) / np.spacing(np.abs(rounded)).astype(np.float64)
    distance = np.where(same, np.where(near_zero | ~np.isfinite(distance), 0.0, distance), distance)
    return float(np.where(np.isnan(distance), np.inf, distance).max())
