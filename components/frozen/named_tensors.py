"""Named dense tensors, as JSON can carry them, to raw columns: a missing value is NaN, or the empty text."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan, model_name
from components.frozen.transform import FrozenTransform

_SPARSE_SHAPE = [None, None]
# An int64 travels as float64, where it can be NaN; exact below 2**53.
_DTYPES = {"float32": tf.float32, "int64": tf.float64, "bytes": tf.string}


def tensor_specs(plan: FeaturePlan) -> dict[str, tf.TensorSpec]:
    """What to ask for, by ``model_name``: [batch], [batch, *shape], or [batch, longest] where the length varies."""
    return {
        model_name(f.name): tf.TensorSpec(
            _SPARSE_SHAPE if f.raw_shape is None else [None, *f.raw_shape], _DTYPES[f.dtype], model_name(f.name)
        )
        for f in plan.served
    }


def raw_columns(frozen: FrozenTransform, named: Mapping[str, tf.Tensor]) -> dict[str, Any]:
    """Columns by the schema's own names, in the form that the transform's graph takes.

    Raises (when it runs):
      InvalidArgumentError: a number of an int64 feature that is no whole number, or a missing value where the policy or
        the graph takes none.
    """
    return {
        feature.name: _column(feature, named[model_name(feature.name)], frozen.takes_sparse(feature))
        for feature in frozen.plan.served
    }


def _column(feature: Feature, tensor: tf.Tensor, sparse: bool) -> Any:
    present = tensor != "" if feature.dtype == "bytes" else ~tf.math.is_nan(tensor)
    if feature.dtype == "int64":
        tensor = _whole(feature, tensor, present, sparse)
    elif not sparse and feature.missing == "error":
        tensor = _checked(
            tensor, present, f"Feature {feature.name!r} is missing in a row; its policy is missing=error."
        )
    if not sparse:
        return tensor  # NaN and the empty text say "absent" there too
    table, mask = (x if x.shape.rank == 2 else x[:, tf.newaxis] for x in (tensor, present))
    indices = tf.where(mask)
    return tf.SparseTensor(indices, tf.gather_nd(table, indices), tf.shape(table, tf.int64))


def _whole(feature: Feature, tensor: tf.Tensor, present: tf.Tensor, sparse: bool) -> tf.Tensor:
    right = tf.round(tensor) == tensor
    right, problem = (right | ~present, "") if sparse else (right, " and cannot be missing")
    checked = _checked(tensor, right, f"Feature {feature.name!r} must be a whole number{problem}.")
    return tf.cast(tf.where(present, checked, tf.zeros_like(tensor)), tf.int64)


def _checked(tensor: tf.Tensor, right: tf.Tensor, problem: str) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(right), [problem])]):
        return tf.identity(tensor)
