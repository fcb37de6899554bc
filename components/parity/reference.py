"""What the transform must give, in float64 NumPy, from the constants alone: no code and no formula of the graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import Feature, model_name

Row = Mapping[str, Sequence[Any]]
Floats = npt.NDArray[np.float64]


def reference(constants: NormalizationConstants, rows: Sequence[Row]) -> dict[str, npt.NDArray[Any]]:
    """Model tensors by ``model_name``, without label and weight.

    Args:
      constants: of the analysis.
      rows: the values of each row by the schema's own names; no entry, or an empty one, where a row has none.

    Returns:
      Normalized features float64 [rows, *shape], not yet rounded to float32; of a feature of variable length the
      values of all rows in one line. Flags float64 [rows], categories int64 [rows], anything else as it came. Images
      float64 [rows, *model_shape]: their pixels are TensorFlow's, whoever decodes them.

    Raises:
      tf.errors.InvalidArgumentError: an image that cannot be decoded.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    for feature in constants.plan.inputs:
        values = [list(row.get(feature.name, ())) for row in rows]
        name = model_name(feature.name)
        if feature.role == "category":
            found[name] = _ids(constants[feature.name], values)
        elif feature.role == "passthrough":
            found[name] = np.array(values).reshape([len(rows), *(feature.model_shape or ())])
        elif feature.role == "image":
            from components.parity.images import normalized  # of all roles the only one that needs TensorFlow

            found[name] = normalized(constants[feature.name], [row[0] for row in values])
        elif feature.role != "ignore":
            found.update(_normalized(constants, feature, values, rows))
    return found


def _ids(constants: FeatureConstants, values: Sequence[list[Any]]) -> npt.NDArray[np.int64]:
    place = {key: at for at, (key, _) in enumerate(constants.vocabulary, start=1)}
    return np.array([place.get(_key(value[0]), 0) if value else 0 for value in values], np.int64)


def _key(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _normalized(
    constants: NormalizationConstants, feature: Feature, values: Sequence[list[Any]], rows: Sequence[Row]
) -> dict[str, npt.NDArray[Any]]:
    own, name = constants[feature.name], model_name(feature.name)
    if feature.shape is None:
        return {name: _scores(own, np.array([x for row in values for x in row], np.float64), _overall(own))}
    raw = np.full([len(values), *(feature.model_shape or ())], np.nan)
    for at, row in enumerate(values):
        if row:
            raw[at] = np.reshape(np.array(row, np.float64), feature.model_shape or ())
    statistics = _by_key(own, [row.get(feature.key, ()) for row in rows]) if feature.key else _overall(own)
    scores = {name: _scores(own, raw, statistics)}
    if feature.missing == "indicator":
        broken = ~np.isfinite(_log(feature, raw)).reshape(len(values), -1).all(axis=1)
        scores[f"{name}_missing"] = broken.astype(np.float64)
    return scores


def _overall(own: FeatureConstants) -> dict[str, Floats]:
    return {name: _spread_out(own.feature, getattr(own, name)) for name in ("mean", "sigma", "min", "max")} | {
        f"quartile_{i}": _spread_out(own.feature, own.quartiles[i]) for i in range(3) if own.quartiles is not None
    }


def _spread_out(feature: Feature, statistic: Floats) -> Floats:
    shape = feature.model_shape or ()
    kept = [size if axis in (feature.axis or ()) else 1 for axis, size in enumerate(shape)]
    return np.asarray(np.reshape(statistic, kept))


def _by_key(own: FeatureConstants, keys: Sequence[Sequence[Any]]) -> dict[str, Floats]:
    table = own.by_key
    assert table is not None
    at = {key: i for i, key in enumerate(table.keys)}
    places = [at.get(_key(key[0]), -1) if key else -1 for key in keys]
    unseen: Callable[[Floats], float] = (lambda _: 0.0) if own.feature.unseen == "zero" else float

    def rows_of(by_key: Floats, overall: Floats) -> Floats:
        return np.array([by_key[place] if place >= 0 else unseen(overall) for place in places], np.float64)

    return {name: rows_of(getattr(table, name), getattr(own, name)) for name in ("mean", "sigma", "min", "max")}


def _log(feature: Feature, raw: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log1p(raw) if feature.log1p else raw


def _scores(own: FeatureConstants, raw: Floats, statistics: Mapping[str, Floats]) -> Floats:
    feature = own.feature
    center, spread, usual = statistics["mean"], statistics["sigma"], statistics["mean"]
    if feature.role == "min_max":
        center, spread = statistics["min"], statistics["max"] - statistics["min"]
    elif feature.role == "robust":
        center, spread = statistics["quartile_1"], statistics["quartile_2"] - statistics["quartile_0"]
        usual = center
    policy, _, text = feature.missing.partition(":")
    fill = _log(feature, np.asarray(float(text))) if policy == "constant" else usual
    x = _log(feature, raw)
    if feature.nonfinite == "clip":
        x = np.where(np.isposinf(x), statistics["max"], np.where(np.isneginf(x), statistics["min"], x))
    x = np.where(np.isfinite(x), x, fill)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(spread == 0, 0.0, (x - center) / spread)
    return np.clip(z, -feature.clip, feature.clip) if feature.clip else z
