"""Raw columns in their forms -> dense values and a presence flag; and the checks of the policies ``error``."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature
from components.transform.graph_constants import GraphConstants


def as_dense(feature: Feature, value: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    """A feature of fixed shape as a dense tensor [batch, *shape], and which rows have a value.

    The second is bool [batch], or None where the column is dense: then every row has one.
    """
    if not isinstance(value, tf.SparseTensor):
        return tf.squeeze(value, axis=1) if feature.shape == (1,) else value, None
    rows = tf.cast(value.dense_shape[0], tf.int64)
    index = value.indices[:, :1]
    dense = tf.scatter_nd(index, value.values, [rows]) if value.dtype != tf.string else _scatter_texts(value, rows)
    return dense, tf.scatter_nd(index, tf.ones_like(index[:, 0], tf.int32), [rows]) > 0


def both(one: tf.Tensor | None, other: tf.Tensor | None) -> tf.Tensor | None:
    """Where both masks hold; None is a mask that holds everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def finite(values: tf.Tensor) -> tf.Tensor | None:
    """Where values are finite, in their own type; None for integers, which always are."""
    return tf.math.is_finite(values) if values.dtype.is_floating else None


def stacked_columns(columns: Sequence[Any]) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Columns of one number a row, all dense or all sparse and of one type, one below the other.

    Returns:
      Their own type, [columns, batch], and bool of that shape where a value is present; None where it always is.
    """
    if not isinstance(columns[0], tf.SparseTensor):
        # An operation a column less, of thousands: most columns are [batch] already.
        flat = [column if column.shape.rank == 1 else tf.reshape(column, [-1]) for column in columns]
        return tf.stack(flat, axis=0), None
    # One scatter for all: the values one after the other, each with the number of its column and its row.
    lengths = tf.stack([tf.size(column.values, tf.int64) for column in columns])
    row = tf.concat([column.indices for column in columns], axis=0)[:, 0]
    index = tf.stack([tf.repeat(tf.range(len(columns), dtype=tf.int64), lengths), row], axis=1)
    shape = tf.stack([len(columns), columns[0].dense_shape[0]])
    values = tf.scatter_nd(index, tf.concat([column.values for column in columns], axis=0), shape)
    return values, tf.scatter_nd(index, tf.ones_like(row, tf.int32), shape) > 0


def checked(
    value: tf.Tensor, conditions: tf.Tensor | None, feature: Feature, constants: GraphConstants, problem: str
) -> tf.Tensor:
    """``value``, or an error that names the feature; no check where there is no analysis yet, or nothing to check."""
    if conditions is None:
        return value
    holds = tf.reduce_all(conditions) | ~constants.measured
    with tf.control_dependencies([tf.debugging.Assert(holds, [f"Feature {feature.name!r} {problem}."])]):
        return tf.identity(value)


def _scatter_texts(value: tf.SparseTensor, rows: tf.Tensor) -> tf.Tensor:
    at = tf.scatter_nd(value.indices[:, :1], tf.range(1, tf.size(value.values) + 1), [rows])
    return tf.gather(tf.concat([[""], value.values], axis=0), at)
