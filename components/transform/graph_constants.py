"""The analyzer's string tensor -> typed constants of the graph; layout in ``components.moments.wire``."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from components.feature_plan import FeaturePlan
from components.moments.wire import FIRST_TEXT, NUMERIC_ROWS, by_element, elements, lookups, neutral


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
      numeric: float64 [width] by the names of ``NUMERIC_ROWS``, for the elements of all features without a key and then
        the channels of all images.
      by_key: float64 [keys + 1] by those names, for each per-key feature.
      lookups: by the name of the feature that owns them.
      bits: int64 scalars, the bits of a sample of each image feature.
      measured: bool scalar; False while tf.Transform traces and runs the graph without an analysis.
    """

    numeric: Mapping[str, tf.Tensor]
    by_key: Mapping[str, Mapping[str, tf.Tensor]]
    lookups: Mapping[str, Lookup]
    bits: Mapping[str, tf.Tensor]
    measured: tf.Tensor


def decode(measured: tf.Tensor, plan: FeaturePlan) -> GraphConstants:
    """Slices ``measured``, tf.string [n]; every op in here has constant inputs and folds away when frozen.

    Before an analysis has run, tf.Transform feeds a dummy of one element; neutral constants then take its place.
    """
    is_measured = tf.size(measured) >= FIRST_TEXT
    neutral_at = tf.where(is_measured, 0, tf.size(measured))
    measured = tf.concat([measured, tf.constant(neutral(plan))], axis=0)[neutral_at:]
    integers = tf.io.decode_raw(measured[2], tf.int64, little_endian=True)
    at = tf.constant(0, tf.int64)
    text_at = tf.constant(FIRST_TEXT, tf.int64)
    found: dict[str, Lookup] = {}
    for feature, column in lookups(plan):
        n = integers[at]
        keys, ids = integers[at + 1 : at + 1 + n], integers[at + 1 + n : at + 1 + 2 * n]
        texts = None
        if column.dtype == "bytes":
            texts = measured[text_at : text_at + n]
            text_at = text_at + n
        found[feature.name] = Lookup(keys, ids, texts)
        at = at + 1 + 2 * n
    bits = {feature.name: integers[at + place] for place, feature in enumerate(plan.images)}
    table = tf.reshape(tf.io.decode_raw(measured[1], tf.float64, little_endian=True), [len(NUMERIC_ROWS), -1])
    width = sum(elements(feature) for feature in (*by_element(plan), *plan.images))
    end = tf.constant(width, tf.int64)
    by_key: dict[str, Mapping[str, tf.Tensor]] = {}
    for feature in plan.with_role("z_score_per_key"):
        n = tf.size(found[feature.name].keys, tf.int64)
        by_key[feature.name] = _named(table[:, end : end + n])
        end = end + n
    numeric = _named(tf.ensure_shape(table[:, :width], [len(NUMERIC_ROWS), width]))
    return GraphConstants(numeric, by_key, found, bits, is_measured)


def _named(table: tf.Tensor) -> dict[str, tf.Tensor]:
    return dict(zip(NUMERIC_ROWS, tf.unstack(table, num=len(NUMERIC_ROWS)), strict=True))
