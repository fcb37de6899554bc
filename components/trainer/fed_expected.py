"""What the normalized values of a whole pass over the analysed rows must be, from the constants alone. NumPy only."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, NormalizationConstants

Floats = npt.NDArray[np.float64]

# What float32 rounding of each value leaves of a mean and a variance of order 1.
ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class Expected:
    """By statistic, each float64 [statistics]; a tolerance is infinite where nothing is known.

    Attributes:
      mean, mean_error: |mean fed - mean| may be so large.
      variance, variance_error: the same of the population variance.
      low, high: the smallest and the largest value.
      attained: whether both must occur; otherwise they are bounds.
      alive: bool, whether there are two different values at least.
    """

    mean: Floats
    mean_error: Floats
    variance: Floats
    variance_error: Floats
    low: Floats
    high: Floats
    attained: bool
    alive: npt.NDArray[np.bool_]


def expected(constants: NormalizationConstants, one: FeatureConstants, at_bound: Floats) -> Expected | None:
    """Of a normalized feature or an image.

    Known exactly, but for rounding: z_score, min_max and robust, whatever fills missing and clips infinite values; and
    images. A key with fewer than ``min_count`` values, and a row without a key, have the numbers of others: they may
    be anything within the extremes. So may what ``clip`` cuts off, with c the bound and E[z^2] the second moment: it
    moves the mean by E[(|z| - c)+] <= E[z^2] / 4c. With a weight column the constants are not those of the rows: only
    ``alive`` is known.

    Args:
      constants: all.
      one: of the feature.
      at_bound: share of the fed values at the bound of ``clip``, [statistics].

    Returns:
      None for whole numbers from 2**53 on, which float64 does not tell apart.
    """
    feature = one.feature
    if feature.dtype == "int64" and np.max(np.maximum(np.abs(one.min), np.abs(one.max))) >= 2**53:
        return None
    found = _by_key(one) if feature.key else _by_statistic(one)
    if constants.plan.weight is not None:
        return _unknown(found.alive)
    return _clipped(found, feature.clip, at_bound) if feature.clip else found


def _unknown(alive: Any) -> Expected:
    nothing, endless = np.zeros(alive.shape), np.full(alive.shape, np.inf)
    return Expected(nothing, endless, nothing, endless, -endless, endless, False, alive)


def _by_statistic(one: FeatureConstants) -> Expected:
    feature = one.feature
    count, mean, variance, low, high = (
        np.ravel(getattr(one, name)).astype(np.float64) for name in ("count", "mean", "variance", "min", "max")
    )
    center, spread, fill = mean, np.sqrt(variance), mean
    if feature.role == "min_max":
        center, spread = low, high - low
    elif feature.role == "robust" and one.quartiles is not None:
        lower, center, upper = one.quartiles.reshape(3, -1)
        spread, fill = upper - lower, center
    policy, _, text = feature.missing.partition(":")
    if policy == "constant":
        fill = np.full(mean.shape, np.log1p(float(text)) if feature.log1p else float(text))

    def normalized(x: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 0, (x - center) / spread, 0.0)

    # Of an image, whose count is that of pixels and whose rows without one are left out, nothing is filled.
    absent, plus, minus = (np.zeros(mean.shape),) * 3
    if feature.image is None:
        absent = np.ravel(one.missing + one.nan).astype(np.float64)
        plus, minus = np.ravel(one.pos_inf).astype(np.float64), np.ravel(one.neg_inf).astype(np.float64)
        if feature.nonfinite != "clip":
            absent, plus, minus = absent + plus + minus, 0 * plus, 0 * minus
    every = np.maximum(count + absent + plus + minus, 1)
    points = [(absent / every, normalized(fill)), (plus / every, normalized(high)), (minus / every, normalized(low))]
    at_mean = normalized(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(spread > 0, variance / spread**2, 0.0)
    first = count / every * at_mean + sum(share * z for share, z in points)
    second = count / every * (within + at_mean**2) + sum(share * z**2 for share, z in points)
    lowest, highest = normalized(low), normalized(high)
    for share, z in points:
        lowest = np.where(share > 0, np.minimum(lowest, z), lowest)
        highest = np.where(share > 0, np.maximum(highest, z), highest)
    size = np.maximum(second, 1)
    rounding = ROUNDING * np.sqrt(size), ROUNDING * size
    return Expected(
        first, rounding[0], second - first**2, rounding[1], lowest, highest, True, (variance > 0) & (spread > 0)
    )


def _by_key(one: FeatureConstants) -> Expected:
    table, feature = one.by_key, one.feature
    assert table is not None
    alive = np.array([bool(np.any(table.variance > 0))])
    if feature.missing.startswith("constant") or feature.nonfinite == "clip":
        return _unknown(alive)
    every = float(np.sum(one.count + one.missing + one.nan + one.pos_inf + one.neg_inf))
    own = table.count >= feature.min_count
    others = (float(np.sum(one.count)) - float(table.count[own].sum())) / max(every, 1)
    ends = [(table.min, table.max, table.mean, table.sigma)]
    if np.sum(one.count) > table.count.sum():  # rows without a key
        ends.append((np.ravel(one.min), np.ravel(one.max), np.ravel(one.mean), np.ravel(one.sigma)))
    low = high = 0.0
    for smallest, largest, mean, sigma in ends:
        has = sigma > 0
        low = min(low, float(np.min((smallest - mean)[has] / sigma[has], initial=0)))
        high = max(high, float(np.max((largest - mean)[has] / sigma[has], initial=0)))
    far = max(-low, high)
    shift = others * far
    least = float(table.count[own & (table.variance > 0)].sum()) / max(every, 1)
    most = least + others * far**2
    middle, half = (most + least - shift**2) / 2, (most - least + shift**2) / 2
    zero, error, variance, variance_error, lowest, highest = (
        np.array([x]) for x in (0.0, shift + ROUNDING, middle, half + ROUNDING, low, high)
    )
    return Expected(zero, error, variance, variance_error, lowest, highest, False, alive)


def _clipped(of: Expected, bound: float, at_bound: Floats) -> Expected:
    far = np.maximum(-of.low, of.high)
    beyond = np.maximum(far - bound, 0)
    second = of.variance + of.mean**2
    with np.errstate(invalid="ignore"):
        shift = np.where(beyond > 0, np.minimum(second / (4 * bound), at_bound * beyond), 0.0)
        loss = np.where(beyond > 0, np.minimum(second, at_bound * (far**2 - bound**2)), 0.0)
    # A function that draws values together makes no variance larger.
    least = np.maximum(of.variance - loss - 2 * np.abs(of.mean) * shift - shift**2, 0)
    return dataclasses.replace(
        of,
        mean_error=of.mean_error + shift,
        variance=(of.variance + least) / 2,
        variance_error=of.variance_error + (of.variance - least) / 2,
        low=np.maximum(of.low, -bound),
        high=np.minimum(of.high, bound),
    )
