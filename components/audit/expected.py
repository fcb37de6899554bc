"""The numbers that must stand in the graph for a feature, from ``constants.json`` alone. NumPy only."""

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants

Floats = npt.NDArray[np.float64]


def center_and_scale(constants: FeatureConstants) -> Floats:
    """float64 [2, n]: what is subtracted and what is multiplied by, of each statistic or key; scale 0 without spread.

    The mean and 1 / sigma; of min_max the minimum and 1 / (max - min); of robust the median and 1 / (quartile 3 - 1).
    """
    if constants.role == "min_max":
        return _pair(constants.min, constants.max - constants.min)
    if constants.role == "robust" and constants.quartiles is not None:
        return _pair(constants.quartiles[1], constants.quartiles[2] - constants.quartiles[0])
    if constants.by_key is not None:
        return _pair(constants.by_key.mean, constants.by_key.sigma)
    return _pair(constants.mean, constants.sigma)


def every_number(constants: FeatureConstants) -> Floats:
    """float64 [2, n]: the same and, of a per-key feature, what a key gets that was not seen."""
    own = center_and_scale(constants)
    return own if constants.by_key is None else np.append(own, _pair(constants.mean, constants.sigma), axis=1)


def swapped(constants: FeatureConstants) -> Floats:
    """The same with the variance in the mean's place and the mean in the variance's."""
    with np.errstate(invalid="ignore"):
        return _pair(constants.variance, np.sqrt(constants.mean))


def _pair(center: npt.ArrayLike, spread: npt.ArrayLike) -> Floats:
    wide = np.ravel(np.asarray(spread, np.float64))
    with np.errstate(divide="ignore"):
        return np.stack([np.ravel(np.asarray(center, np.float64)), np.where(wide == 0, 0.0, 1.0 / wide)])
