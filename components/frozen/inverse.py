"""Model tensors back to raw values: ``x = z / scale + center`` in float64, and vocabularies read backwards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.feature_plan import Feature, model_name
from components.moments.fingerprint import fingerprint, fingerprints

TensorMap = Mapping[str, Any]


def inverse(constants: NormalizationConstants, model: TensorMap) -> dict[str, tf.Tensor]:
    """Raw values by the schema's own names, for each feature whose model tensor is in ``model``.

    Numbers come as float64 [batch, *shape] in the feature's unit, also where the raw feature is an int64: a score was
    rounded to float32, so that a value comes back to about 6e-8 sigma. What the transform itself loses stays lost: a
    missing value comes back as what stood in for it, a clipped one as the bound, any value of a feature without spread
    as the one it had in training. A category or a text label comes back as its key, tf.string or int64; an unknown
    category (0) as the empty text or -1. Everything else comes back as it is.

    Args:
      model: by ``model_name``. A ``z_score_per_key`` feature needs its key's tensor as well: the ids of a category, the
        raw values where the key has another role, or its scores where it is normalized itself; these are rounded back
        to whole numbers, which a float32 gives up to about 2^23 sigma around the mean.

    Raises:
      ValueError: a name that the transform does not know, an image, or a per-key feature without its key.
    """
    by_name = {model_name(feature.name): feature for feature in constants.plan.read}
    flags = {f"{model_name(f.name)}_missing" for f in constants.plan.normalized if f.missing == "indicator"}
    unknown = sorted(set(model) - set(by_name) - flags)
    encoded = sorted(model_name(f.name) for f in constants.plan.images if model_name(f.name) in model)
    if encoded:
        raise ValueError(
            f"The model tensor {encoded[0]!r} is an image, which has no inverse: it holds no encoded file. "
            "Its samples are value * sigma + mean, by channel, of the constants. Leave it out."
        )
    if unknown:
        raise ValueError(f"No model tensor is named {unknown[0]!r}. Known here: {', '.join(sorted(by_name))}.")
    return {feature.name: _raw(constants, feature, model) for name, feature in by_name.items() if name in model}


def _raw(constants: NormalizationConstants, feature: Feature, model: TensorMap) -> Any:
    value = model[model_name(feature.name)]
    if feature.role == "z_score_per_key":
        return _per_key(constants, feature, value, model)
    if feature in constants.plan.normalized:
        return _unscaled(feature, value, *_center_and_spread(constants[feature.name]))
    vocabulary = constants[feature.name].vocabulary if feature.name in constants else ()
    return _key_of(feature, value, [key for key, _ in vocabulary]) if vocabulary else value


def _center_and_spread(constants: FeatureConstants) -> tuple[Any, Any]:
    """float64 arrays that broadcast to a row's value: statistics of the kept axes, size 1 on the others."""
    if constants.role == "min_max":
        center, spread = constants.min, constants.max - constants.min
    elif constants.role == "robust" and constants.quartiles is not None:
        center, spread = constants.quartiles[1], constants.quartiles[2] - constants.quartiles[0]
    else:
        center, spread = constants.mean, constants.sigma
    feature = constants.feature
    shape = [size if axis in (feature.axis or ()) else 1 for axis, size in enumerate(feature.model_shape or ())]
    return np.reshape(center, shape), np.reshape(spread, shape)


def _unscaled(feature: Feature, value: Any, center: Any, spread: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        return value.with_values(_unscaled(feature, value.values, center, spread))
    raw = tf.cast(value, tf.float64) * spread + center
    return tf.math.expm1(raw) if feature.log1p else raw


def _per_key(constants: NormalizationConstants, feature: Feature, value: Any, model: TensorMap) -> tf.Tensor:
    key_name = model_name(feature.key)
    if key_name not in model:
        raise ValueError(
            f"Feature {feature.name!r} was normalized by the values of {feature.key!r}: give {key_name!r} beside it."
        )
    own = constants[feature.name]
    assert own.by_key is not None
    key = next(column for column in constants.plan.features if column.name == feature.key)
    raw_key = _raw_key(constants, key, model)
    index = _place(own.by_key, key, raw_key)
    unseen = (0.0, 0.0) if feature.unseen == "zero" else (float(own.mean), float(own.sigma))
    rows = zip((own.by_key.mean, own.by_key.sigma), unseen, strict=True)
    center, spread = (tf.gather(np.append(row, last), index) for row, last in rows)
    return _unscaled(feature, value, center, spread)


def _raw_key(constants: NormalizationConstants, key: Feature, model: TensorMap) -> tf.Tensor:
    value = tf.convert_to_tensor(model[model_name(key.name)])
    if key.role == "category":
        return _raw(constants, key, model)
    return tf.cast(tf.round(_raw(constants, key, model)), tf.int64) if value.dtype.is_floating else value


def _place(table: KeyTable, key: Feature, values: tf.Tensor) -> tf.Tensor:
    """int64 [batch]: the row of each key in the table; one past the end for a key that is not there."""
    is_text = key.dtype == "bytes"
    numbers = fingerprints(table.keys) if is_text else np.array([int(text) for text in table.keys], np.int64)
    order = np.argsort(numbers)
    probes = fingerprint(values) if is_text else tf.cast(values, tf.int64)
    at = tf.minimum(tf.searchsorted(numbers[order], probes), len(order) - 1)
    found = tf.gather(np.array(table.keys, object)[order] if is_text else numbers[order], at) == values
    return tf.where(found, tf.gather(order.astype(np.int64), at), len(order))


def _key_of(feature: Feature, ids: tf.Tensor, keys: list[bytes]) -> tf.Tensor:
    unknown = [] if feature.role == "label" else [b"" if feature.dtype == "bytes" else b"-1"]
    texts = [*unknown, *keys]
    return tf.gather(tf.constant(texts if feature.dtype == "bytes" else [int(text) for text in texts]), ids)
