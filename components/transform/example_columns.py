"""Serialized tf.Examples -> the columns that an analysis reads; nothing else is parsed."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.feature_plan import FeaturePlan
from components.moments.columns import SparseParts
from components.moments.table_statistics import columns_read
from components.transform.record_reader import Parse
from components.transform.trace import raw_feature_spec


def analysis_parser(plan: FeaturePlan) -> Parse:
    """Parses the columns that statistics need, and only these, to tensors by name."""
    names = {feature.name for feature in columns_read(plan)}
    return parser({name: form for name, form in raw_feature_spec(plan).items() if name in names})


def parser(spec: Mapping[str, Any]) -> Parse:
    """``tf.io.parse_example`` as a graph of its own, traced once: a call costs microseconds a feature."""

    @tf.autograph.experimental.do_not_convert
    def parse(texts: tf.Tensor) -> Any:
        return tf.io.parse_example(texts, dict(spec))

    function: Parse = tf.function(parse).get_concrete_function(tf.TensorSpec([None], tf.string))
    return function


def columns_of(plan: FeaturePlan, parsed: Mapping[str, Any]) -> list[Any]:
    """The columns of a parsed batch as ``TableStatistics.of`` takes them."""
    return [_parts(parsed[feature.name]) for feature in columns_read(plan)]


def _parts(column: Any) -> Any:
    if isinstance(column, tf.SparseTensor):
        return SparseParts(column.indices.numpy(), column.values.numpy(), column.dense_shape.numpy())
    return column.numpy()
