"""Named dense tensors, as JSON can carry them, to raw columns: a missing value is NaN, or the empty text."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan, model_name

_SPARSE_SHAPE = [None, None]
# An int64 travels as float64, where it can be NaN; exact below 2**53.
_DTYPES = {"float32": tf.float32, "int64": tf.float64, "bytes": tf.string}


def tensor_specs(plan: FeaturePlan) -> dict[str, tf.TensorSpec]:
    """What to ask for, by ``model_name``: [batch], [batch, *shape], or [batch, longest] where the length varies."""
    return {
        model_name(f.name): tf.TensorSpec(
            _SPARSE_SHAPE if f.model_shape is None else [None, *f.model_shape], _DTYPES[f.dtype], model_name(f.name)
        )
        for f in plan.served
    }


def raw_columns(plan: FeaturePlan, named: Mapping[str, tf.Tensor]) -> dict[str, Any]:
    """Columns by the schema's own names, for ``FrozenTransform``.

    A feature of one value a row, or of variable length, becomes a SparseTensor without the missing values; one of a
    fixed shape stays dense.

    Raises (when it runs):
      InvalidArgumentError: a number of an int64 feature that is no whole number, or a missing one where the feature
        has a shape.
    """
    return {feature.name: _column(feature, named[model_name(feature.name)]) for feature in plan.served}


def _column(feature: Feature, tensor: tf.Tensor) -> Any:
    present = tensor != "" if feature.dtype == "bytes" else ~tf.math.is_nan(tensor)
    if feature.dtype == "int64":
        tensor = _whole(feature, tensor, present)
    if feature.role == "passthrough" or (feature.model_shape not in (None, ())):
        return tensor
    table, present = (x if x.shape.rank == 2 else x[:, tf.newaxis] for x in (tensor, present))
    indices = tf.where(present)
    return tf.SparseTensor(indices, tf.gather_nd(table, indices), tf.shape(table, tf.int64))


def _whole(feature: Feature, tensor: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    dense = feature.role == "passthrough" or feature.model_shape not in (None, ())
    right = (tf.round(tensor) == tensor) & present if dense else (tf.round(tensor) == tensor) | ~present
    check = tf.debugging.Assert(tf.reduce_all(right), [f"Feature {feature.name!r} must be a whole number."])
    with tf.control_dependencies([check]):
        return tf.cast(tf.where(present, tensor, tf.zeros_like(tensor)), tf.int64)
