"""How far two sigmas of one population may be apart, from what constants hold: no fourth moment. NumPy only."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, KeyTable

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

# Beyond it a change of sigma is none of sampling: resamples of 1,000 and more rows with infinite variance stay below.
GROSS = 4.0
_MIN_COUNT_OF_GROSS = 1000
# Kurtosis that is allowed to any feature; a normal one has 3, exponential tails 9, a logistic one 4.2.
_USUAL_KURTOSIS = 30.0
# Rows off the rest, at least, that a feature must have had before it is no accident that none is left: exp(-10).
_ROWS_OF_SPREAD = 10.0


def log_ratio(before: FeatureConstants | KeyTable, after: FeatureConstants | KeyTable) -> Floats:
    """|ln(sigma after / sigma before)|, of the statistics' shape; 0 where both are 0, infinite where one is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.abs(np.log(after.sigma) - np.log(before.sigma))
    return np.where((before.variance == 0) & (after.variance == 0), 0.0, logarithms)


def log_ratio_error(before: FeatureConstants | KeyTable, after: FeatureConstants | KeyTable) -> Floats:
    """Standard error of ln(sigma after / sigma before), sqrt((kurtosis - 1) / 4 (1 / n before + 1 / n after)).

    The kurtosis is before's, so that outliers in after do not excuse themselves. With D the largest distance from the
    mean and f = D^2 / (n sigma^2), the farthest value's part of the variance, it is at most D^2 / sigma^2, which a rare
    event reaches: two values, whose variance is (max - mean)(mean - min) (Bhatia and Davis). Tails down to those of
    infinite variance, the j-th farthest value at D / sqrt(j), have pi^2 / 6 f^2 n.
    """
    below, above = before.mean - before.min, before.max - before.mean
    n = np.maximum(before.count, 1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.where(before.variance > 0, np.maximum(below, above) ** 2 / before.variance, 1.0)
    tails = np.maximum(_USUAL_KURTOSIS, math.pi**2 / 6 * bound**2 / n)
    kurtosis = np.where(before.variance >= 0.5 * below * above, bound, np.minimum(bound, tails))
    return np.asarray(np.sqrt(np.maximum(kurtosis - 1, 0) / 4 * (1 / n + 1 / np.maximum(after.count, 1))))


def allowed(ratio: float, z: float, error: Floats, before: Any, after: Any) -> Floats:
    """What |ln sigma ratio| may be: ``ratio`` and ``z`` standard errors, with enough rows no more than ``GROSS``."""
    most = np.where(np.minimum(before.count, after.count) >= _MIN_COUNT_OF_GROSS, math.log(max(GROSS, ratio)), np.inf)
    return np.minimum(math.log(ratio) + z * error, most)


def lost(before: FeatureConstants | KeyTable, after: FeatureConstants | KeyTable) -> tuple[Truths, Truths]:
    """Where exactly one side has no spread, and where the other side's rows make that no accident; both of booleans.

    At least n (sigma / (max - min))^2 rows differ from any one value.
    """
    one = (before.variance == 0) != (after.variance == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [side.count * side.variance / (side.max - side.min) ** 2 for side in (before, after)]
    share = np.where(before.variance > 0, rows[0] / np.maximum(before.count, 1), rows[1] / np.maximum(after.count, 1))
    expected = np.nan_to_num(share) * np.where(before.variance > 0, after.count, before.count)
    return np.asarray(one), np.asarray(one & (expected >= _ROWS_OF_SPREAD))
