"""The analyzer's string tensor -> typed constants of the graph; layout in ``components.moments.wire``."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from components.feature_plan import FeaturePlan
from components.moments.wire import FIRST_TEXT, NUMERIC_ROWS, elements, lookup_features, neutral


@dataclasses.dataclass(frozen=True)
class Lookup:
    """One vocabulary: keys int64 [n] in rising order, ids int64 [n], texts tf.string [n] or None for int64 values."""

    keys: tf.Tensor
    ids: tf.Tensor
    texts: tf.Tensor | None


@dataclasses.dataclass(frozen=True)
class GraphConstants:
    """What the normalization needs.

    Attributes:
      numeric: float64 [width] by the names of ``NUMERIC_ROWS``.
      lookups: by feature name.
      measured: bool scalar; False while tf.Transform traces and runs the graph without an analysis.
    """

    numeric: Mapping[str, tf.Tensor]
    lookups: Mapping[str, Lookup]
    measured: tf.Tensor


def decode(measured: tf.Tensor, plan: FeaturePlan) -> GraphConstants:
    """Slices ``measured``, tf.string [n]; every op in here has constant inputs and folds away when frozen.

    Before an analysis has run, tf.Transform feeds a dummy of one element; neutral constants then take its place.
    """
    is_measured = tf.size(measured) >= FIRST_TEXT
    neutral_at = tf.where(is_measured, 0, tf.size(measured))
    measured = tf.concat([measured, tf.constant(neutral(plan))], axis=0)[neutral_at:]
    width = sum(elements(feature) for feature in plan.normalized)
    table = tf.io.decode_raw(measured[1], tf.float64, little_endian=True)
    rows = tf.unstack(tf.reshape(table, [len(NUMERIC_ROWS), width]))
    integers = tf.io.decode_raw(measured[2], tf.int64, little_endian=True)
    at = tf.constant(0, tf.int64)
    text_at = tf.constant(FIRST_TEXT, tf.int64)
    lookups: dict[str, Lookup] = {}
    for feature in lookup_features(plan):
        n = integers[at]
        keys, ids = integers[at + 1 : at + 1 + n], integers[at + 1 + n : at + 1 + 2 * n]
        texts = None
        if feature.dtype == "bytes":
            texts = measured[text_at : text_at + n]
            text_at = text_at + n
        lookups[feature.name] = Lookup(keys, ids, texts)
        at = at + 1 + 2 * n
    return GraphConstants(dict(zip(NUMERIC_ROWS, rows, strict=True)), lookups, is_measured)
