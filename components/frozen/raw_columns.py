"""Raw columns in whatever form a caller has them -> the form that a frozen graph takes."""

import math
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature
from components.frozen import image_decoding

DTYPES = {"float32": tf.float32, "int64": tf.int64, "bytes": tf.string}
# What says "absent" in a dense column; an int64 has no value to spare.
_ABSENT = {"float32": float("nan"), "bytes": ""}


def parse_spec(feature: Feature, sparse: bool) -> tf.io.FixedLenFeature | tf.io.VarLenFeature:
    """How ``tf.io.parse_example`` reads a feature for a graph that takes it sparse, or dense."""
    dtype = DTYPES[feature.dtype]
    if sparse:
        return tf.io.VarLenFeature(dtype)
    # An absent float is NaN, which is filled like a missing value; an absent text is unknown. Without a default (a
    # label, missing=error, an integer) TensorFlow's own error names the feature.
    fill = None if feature.missing == "error" else _ABSENT.get(feature.dtype)
    size = math.prod(feature.shape or ())
    return tf.io.FixedLenFeature(feature.shape, dtype, None if fill is None else [fill] * size)


def tensor_spec(feature: Feature, sparse: bool) -> tf.TensorSpec | tf.SparseTensorSpec:
    """What a frozen graph takes."""
    dtype = DTYPES[feature.dtype]
    return tf.SparseTensorSpec([None, None], dtype) if sparse else tf.TensorSpec([None, *(feature.shape or ())], dtype)


def parts(feature: Feature, column: Any, sparse: bool) -> tuple[tf.Tensor, ...]:
    """The tensors to feed: the column, or indices, values and dense shape.

    Raises (when it runs):
      InvalidArgumentError: a sparse column lacks a value, and the input is dense and of a type without a value for
        "absent".
    """
    if isinstance(column, tf.RaggedTensor):
        column = column.to_sparse()
    if sparse and not isinstance(column, tf.SparseTensor):
        column = _all_present(tf.convert_to_tensor(column))
    elif not sparse and isinstance(column, tf.SparseTensor):
        column = _filled(feature, column)
    found = (column.indices, column.values, column.dense_shape) if sparse else (column,)
    # The identity brings eager tensors that a function closes over into its graph: an imported graph takes no others.
    return tuple(tf.identity(part) for part in found)


def images(feature: Feature, column: Any, bits: int) -> tf.Tensor:
    """Encoded images, one or none a row, as the samples that a graph takes; samples as they are.

    Raises (when it runs):
      InvalidArgumentError: a row without an image, or one that cannot be decoded.
    """
    if isinstance(column, tf.RaggedTensor):
        column = column.to_sparse()
    if isinstance(column, tf.SparseTensor):
        column = _filled(feature, column)
    column = tf.convert_to_tensor(column)
    if column.dtype != tf.string:
        return column
    return image_decoding.pixels(feature, tf.reshape(column, [-1]), bits)


def absent(feature: Feature, rows: tf.Tensor, sparse: bool) -> Any:
    """A column of ``rows`` rows (int64 scalar) of which none has a value.

    Raises:
      ValueError: a dense input of a type that has no value for "absent".
    """
    if sparse:
        nowhere, nothing = tf.zeros([0, 2], tf.int64), tf.zeros([0], DTYPES[feature.dtype])
        return tf.SparseTensor(nowhere, nothing, tf.stack([rows, tf.zeros([], tf.int64)]))
    sizes = [tf.constant(size, tf.int64) for size in feature.shape or ()]
    return tf.fill(tf.stack([rows, *sizes]), _none(feature))


def _all_present(column: tf.Tensor) -> tf.SparseTensor:
    """A dense column, [batch] or [batch, n], as the sparse one that says that every row has its values."""
    table = column if column.shape.rank == 2 else tf.reshape(column, [-1, 1])
    return tf.SparseTensor(tf.where(tf.ones_like(table, tf.bool)), tf.reshape(table, [-1]), tf.shape(table, tf.int64))


def _filled(feature: Feature, column: tf.SparseTensor) -> tf.Tensor:
    """A sparse column as [batch, *shape], with NaN or the empty text where a row has no value."""
    shape = feature.shape or ()
    # A batch without a single value has width 0; to_dense would drop it.
    width = max(1, math.prod(shape))
    whole = tf.sparse.reset_shape(column, [column.dense_shape[0], width])
    if feature.dtype in _ABSENT:
        return tf.reshape(tf.sparse.to_dense(whole, _none(feature)), [-1, *shape])
    complete = tf.size(column.values, tf.int64) == column.dense_shape[0] * width
    problem = f"Feature {feature.name!r} is missing in a row; an int64 that the schema declares with a shape cannot be."
    with tf.control_dependencies([tf.debugging.Assert(complete, [problem])]):
        return tf.reshape(tf.sparse.to_dense(whole), [-1, *shape])


def _none(feature: Feature) -> Any:
    if feature.dtype not in _ABSENT:
        shape = ["batch", *(feature.shape or ())]
        raise ValueError(
            f"Feature {feature.name!r} must be a dense {feature.dtype} tensor of shape {shape} for this graph, where "
            "no value says 'absent'. Give every row a value, or declare the feature without a `shape`."
        )
    return tf.constant(_ABSENT[feature.dtype], DTYPES[feature.dtype])
