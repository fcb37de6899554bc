"""Two sets of constants beside each other: how far each statistic moved, in units of sigma. NumPy only."""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.drift.changes import Comparison, FeatureChange, KeysChange, MomentsChange
from components.feature_plan import Image

Floats = npt.NDArray[np.float64]

# Of a feature's entry in the plan: what the meaning of its statistics depends on.
_SETTINGS = ("role", "axis", "dtype", "shape", "key", "log1p", "min_count", "unit", "image")
_IMAGE_SETTINGS = ("channels", "size", "scale")


def compare(before: NormalizationConstants, after: NormalizationConstants) -> Comparison:
    """Sets two sets of constants beside each other, feature by feature."""
    return Comparison(
        before,
        after,
        tuple(_feature(_by_image(before, name), _by_image(after, name)) for name in before if name in after),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name not in before),
    )


def _by_image(constants: NormalizationConstants, name: str) -> FeatureConstants:
    """Of an image with images as its count: pixels of one image are no independent values.

    The mean over an image varies less from image to image than its pixels do, so that standard errors are too large
    rather than too small.
    """
    own = constants[name]
    if own.feature.image is None:
        return own
    return dataclasses.replace(own, count=np.maximum(constants.rows - own.missing, 0))


def _feature(before: FeatureConstants, after: FeatureConstants) -> FeatureChange:
    comparable = before.mean.shape == after.mean.shape and before.feature.log1p == after.feature.log1p
    both_numbers = bool(np.isfinite(before.mean).all() and np.isfinite(after.mean).all())
    quartiles = None
    if comparable and before.quartiles is not None and after.quartiles is not None:
        quartiles = _in_sigmas(np.abs(after.quartiles - before.quartiles), before.sigma)
    return FeatureChange(
        before,
        after,
        {name: pair for name in _SETTINGS if (pair := _setting(before, after, name))[0] != pair[1]},
        _moments(before, after) if comparable and both_numbers else None,
        quartiles,
        _keys(before, after, comparable),
    )


def _setting(before: FeatureConstants, after: FeatureConstants, name: str) -> tuple[str, str]:
    one, other = (_text(getattr(side.feature, name)) for side in (before, after))
    return one, other


def _text(setting: object) -> str:
    if isinstance(setting, Image):
        return ", ".join(f"{name}={getattr(setting, name)}" for name in _IMAGE_SETTINGS)
    return str(setting)


def _moments(before: FeatureConstants | KeyTable, after: FeatureConstants | KeyTable) -> MomentsChange:
    """Of two sides whose statistics have one shape and at least one value each."""
    sampling = before.variance / before.count + after.variance / after.count
    ratio = _quotient(after.sigma, before.sigma, where_both_are_0=1.0)
    return MomentsChange(
        mean_shift=_in_sigmas(np.abs(after.mean - before.mean), before.sigma),
        mean_shift_error=_in_sigmas(np.sqrt(sampling), before.sigma),
        sigma_ratio=ratio,
        sigma_ratio_error=np.asarray(ratio * np.sqrt(0.5 / before.count + 0.5 / after.count)),
        min_change=np.asarray(after.min - before.min),
        max_change=np.asarray(after.max - before.max),
    )


def _in_sigmas(distance: Floats, sigma: Floats) -> Floats:
    return _quotient(distance, sigma, where_both_are_0=0.0)


def _quotient(above: Floats, below: Floats, where_both_are_0: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.where((above == 0) & (below == 0), where_both_are_0, above / below))


def _keys(before: FeatureConstants, after: FeatureConstants, comparable: bool) -> KeysChange | None:
    tables = before.by_key, after.by_key
    if tables[0] is not None and tables[1] is not None:
        change = _of_keys(_counts(tables[0]), _counts(tables[1]))
        if not comparable:
            return change
        moments = _moments(tables[0].only(change.common), tables[1].only(change.common))
        return dataclasses.replace(change, moments=moments)
    if np.isnan(before.mean).all() and np.isnan(after.mean).all():  # two vocabularies
        return _of_keys(dict(before.vocabulary), dict(after.vocabulary))
    return None


def _counts(table: KeyTable) -> dict[bytes, int]:
    return dict(zip(table.keys, table.count.tolist(), strict=True))


def _of_keys(before: dict[bytes, int], after: dict[bytes, int]) -> KeysChange:
    totals = max(1, sum(before.values())), max(1, sum(after.values()))
    changes = (abs(after.get(key, 0) / totals[1] - before.get(key, 0) / totals[0]) for key in {**before, **after})
    return KeysChange(
        new=tuple(key for key in after if key not in before),
        gone=tuple(key for key in before if key not in after),
        common=tuple(key for key in before if key in after),
        share_change=max(changes, default=0.0),
    )
