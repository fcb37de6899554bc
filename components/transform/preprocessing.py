"""The preprocessing_fn: raw columns to model columns, from a FeaturePlan alone."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan, model_name, model_names
from components.moments.fingerprint import fingerprint
from components.moments.wire import elements
from components.transform.graph_constants import GraphConstants, decode

TensorMap = Mapping[str, Any]
Measure = Callable[[TensorMap, FeaturePlan], tf.Tensor]


def preprocessing_fn(inputs: TensorMap, custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Called by tf.Transform while it traces; ``custom_config["feature_plan"]`` is ``FeaturePlan.to_json()``."""
    from components.moments.analyzer import global_moments

    return apply_plan(inputs, FeaturePlan.from_json(custom_config["feature_plan"]), global_moments)


def apply_plan(inputs: TensorMap, plan: FeaturePlan, measure: Measure) -> dict[str, tf.Tensor]:
    """Normalizes, looks up and passes on the plan's columns.

    Args:
      inputs: raw columns by name: dense [batch, *shape], or a SparseTensor where a row may have no value.
      plan: roles and policies. Columns that it ignores, or that are absent from it, are left out.
      measure: gives the constants as tf.string [n] in the layout of ``components.moments.wire``: the analyzer in a
        pipeline, constants in a unit test.

    Returns:
      By ``model_name``: normalized features float32 [batch, *shape] (a column without spread is 0), ``<name>_missing``
      float32 where asked, categories int64 [batch] (0 = unknown or missing), a text label int64 [batch], everything
      else as it came.
    """
    constants = decode(measure(inputs, plan), plan)
    outputs = _normalize(inputs, plan, constants)
    for feature in plan.used:
        if feature.name in constants.lookups:
            outputs[model_name(feature.name)] = _look_up(feature, inputs[feature.name], constants)
        elif feature.role == "label":
            outputs[model_name(feature.name)] = _present_label(feature, inputs[feature.name], constants)
        elif feature.role == "passthrough":
            outputs[model_name(feature.name)] = inputs[feature.name]
    return {name: outputs[name] for feature in plan.used for name in model_names(feature)}


def _normalize(inputs: TensorMap, plan: FeaturePlan, constants: GraphConstants) -> dict[str, tf.Tensor]:
    """All numeric features as one block [batch, width]: normalized once, in float64, then cut apart.

    ``(x - center) * scale`` with float64 constants: no division by a constant and no chain of constant operations,
    which TensorFlow's graph optimizer rewrites, so that the bits would differ between a function and a map.
    """
    features = plan.normalized
    outputs: dict[str, tf.Tensor] = {}
    blocks, masks = [], []
    for feature in features:
        value, present = _dense(feature, inputs[feature.name])
        block = tf.reshape(tf.cast(value, tf.float64), [-1, elements(feature)])
        block = tf.math.log1p(block) if feature.log1p else block
        present = tf.broadcast_to(present[:, tf.newaxis], tf.shape(block))
        blocks.append(block)
        masks.append(_guarded(feature, block, present, constants))
        if feature.missing == "indicator":
            complete = tf.reduce_all(tf.math.is_finite(block) & present, axis=1)
            outputs[f"{model_name(feature.name)}_missing"] = tf.cast(~complete, tf.float32)
    table, present = tf.concat(blocks, axis=1), tf.concat(masks, axis=1)
    numeric = constants.numeric
    scores = tf.where(
        present & tf.math.is_finite(table), (table - numeric["center"]) * numeric["scale"], numeric["filled"]
    )
    clipped = [feature.nonfinite == "clip" for feature in features for _ in range(elements(feature))]
    if any(clipped):
        infinite = present & tf.math.is_inf(table) & tf.constant(clipped)
        scores = tf.where(infinite, tf.where(table > 0, numeric["highest"], numeric["lowest"]), scores)
    if any(feature.clip for feature in features):
        scores = tf.clip_by_value(scores, -numeric["bound"], numeric["bound"])
    parts = tf.split(tf.cast(scores, tf.float32), [elements(feature) for feature in features], axis=1)
    for feature, part in zip(features, parts, strict=True):
        outputs[model_name(feature.name)] = tf.reshape(part, [-1, *(feature.model_shape or ())])
    return outputs


def _dense(feature: Feature, value: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The values as a dense tensor [batch, *shape], and which rows have one, bool [batch]."""
    if not isinstance(value, tf.SparseTensor):
        squeezed = tf.squeeze(value, axis=1) if feature.shape == (1,) else value
        return squeezed, tf.ones([tf.shape(value)[0]], tf.bool)
    rows = tf.cast(value.dense_shape[0], tf.int64)
    index = value.indices[:, :1]
    dense = tf.scatter_nd(index, value.values, [rows]) if value.dtype != tf.string else _scatter_texts(value, rows)
    return dense, tf.scatter_nd(index, tf.ones_like(index[:, 0], tf.int32), [rows]) > 0


def _scatter_texts(value: tf.SparseTensor, rows: tf.Tensor) -> tf.Tensor:
    at = tf.scatter_nd(value.indices[:, :1], tf.range(1, tf.size(value.values) + 1), [rows])
    return tf.gather(tf.concat([[""], value.values], axis=0), at)


def _guarded(feature: Feature, block: tf.Tensor, present: tf.Tensor, constants: GraphConstants) -> tf.Tensor:
    """``present``, after the checks that the policies ``error`` ask for."""
    if feature.missing == "error":
        present = _checked(present, present, feature, constants, "is missing in a row; its policy is missing=error")
    if feature.nonfinite == "error":
        finite = tf.math.is_finite(block) | ~present
        present = _checked(present, finite, feature, constants, "is NaN or infinite; its policy is nonfinite=error")
    return present


def _checked(
    value: tf.Tensor, conditions: tf.Tensor, feature: Feature, constants: GraphConstants, problem: str
) -> tf.Tensor:
    """``value``, or an error that names the feature; no check where there is no analysis yet."""
    holds = tf.reduce_all(conditions) | ~constants.measured
    with tf.control_dependencies([tf.debugging.Assert(holds, [f"Feature {feature.name!r} {problem}."])]):
        return tf.identity(value)


def _present_label(feature: Feature, value: Any, constants: GraphConstants) -> tf.Tensor:
    label, present = _dense(feature, value)
    return _checked(label, present, feature, constants, "is the label and is missing in a row")


def _look_up(feature: Feature, value: Any, constants: GraphConstants) -> tf.Tensor:
    """Ids by binary search over the sorted keys; a text is compared as well, because fingerprints may collide."""
    lookup = constants.lookups[feature.name]
    dense, present = _dense(feature, value)
    is_text = lookup.texts is not None
    keys = fingerprint(dense) if is_text else dense
    at = tf.minimum(tf.searchsorted(lookup.keys, keys), tf.size(lookup.keys) - 1)
    same = tf.gather(lookup.texts, at) == dense if is_text else tf.gather(lookup.keys, at) == keys
    ids = tf.gather(lookup.ids, at)
    known = same & present
    if feature.role != "label":
        return tf.where(known, ids, tf.zeros([], tf.int64))
    return _checked(ids, known & (ids >= 0), feature, constants, "has a label that the training split lacks")
