"""Numbers to normalized numbers: ``(x - center) * scale`` in float64, then every policy, then float32.

No division by a constant and no chain of constant operations, which TensorFlow's graph optimizer rewrites, so that the
bits would differ between a function and a map.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan, model_name
from components.moments.wire import by_element, elements
from components.transform.forms import as_dense, checked, stacked_columns
from components.transform.graph_constants import GraphConstants
from components.transform.lookup import look_up

TensorMap = Mapping[str, Any]
Rows = Mapping[str, tf.Tensor]
_MISSING = "is missing in a row; its policy is missing=error"


def normalize(raw: TensorMap, plan: FeaturePlan, constants: GraphConstants) -> dict[str, tf.Tensor]:
    """The normalized features and their ``<name>_missing`` flags, by model name."""
    fixed = [feature for feature in by_element(plan) if feature.shape is not None]
    places = _places(plan)
    outputs = _fixed(fixed, raw, places, constants) if fixed else {}
    for feature in plan.normalized:
        if feature.key:
            key = next(column for column in plan.features if column.name == feature.key)
            outputs.update(_per_key(feature, key, raw, constants))
        elif feature.shape is None:
            outputs[model_name(feature.name)] = _variable(feature, raw[feature.name], places, constants)
    return outputs


def _fixed(
    features: Sequence[Feature], raw: TensorMap, places: Mapping[str, list[int]], constants: GraphConstants
) -> dict[str, tf.Tensor]:
    """All scalars as one block [scalars, batch], all others as one block [batch, elements]: a handful of wide ops.

    Scalars lie in rows, so that stacking them and cutting them apart again copies whole columns, or nothing.
    """
    outputs: dict[str, tf.Tensor] = {}
    blocks: list[tf.Tensor] = []
    masks: list[tf.Tensor | None] = []
    order: list[Feature] = []
    for group in _stackable(features, raw):
        block, mask = stacked_columns([raw[feature.name] for feature in group])
        blocks.append(_logarithm(group[0], block))
        masks.append(mask)
        order += group
    stacked = set(order)
    shaped: list[tuple[Feature, tf.Tensor, tf.Tensor]] = []
    for feature in (f for f in features if f not in stacked):
        block, present = _block(feature, raw[feature.name], constants)
        outputs.update(_flag(feature, block, present))
        if feature.model_shape == ():
            blocks.append(tf.reshape(block, [1, -1]))
            masks.append(tf.reshape(present, [1, -1]))
            order.append(feature)
        else:
            shaped.append((feature, block, present))
    if order:
        rows = {name: row[:, tf.newaxis] for name, row in _rows_of(order, places, constants).items()}
        scores = _scores(_joined(blocks, axis=0), _mask(masks, blocks), rows, order, axis=0)
        pieces = tf.unstack(scores, num=len(order), axis=0)
        outputs.update({model_name(feature.name): piece for feature, piece in zip(order, pieces, strict=True)})
    if shaped:
        ordered = [feature for feature, _, _ in shaped]
        scores = _scores(
            _joined([block for _, block, _ in shaped], axis=1),
            _joined([present for _, _, present in shaped], axis=1),
            _rows_of(ordered, places, constants),
            ordered,
        )
        parts = tf.split(scores, [elements(feature) for feature in ordered], axis=1) if len(shaped) > 1 else [scores]
        for feature, part in zip(ordered, parts, strict=True):
            outputs[model_name(feature.name)] = tf.reshape(part, [-1, *(feature.model_shape or ())])
    return outputs


def _joined(blocks: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
    return blocks[0] if len(blocks) == 1 else tf.concat(blocks, axis=axis)


def _rows_of(
    features: Sequence[Feature], places: Mapping[str, list[int]], constants: GraphConstants
) -> dict[str, tf.Tensor]:
    columns = [column for feature in features for column in places[feature.name]]
    return {name: tf.gather(row, columns) for name, row in constants.numeric.items()}


def _stackable(features: Sequence[Feature], raw: TensorMap) -> list[list[Feature]]:
    """Scalars without a flag or a check of their own, by type, form and logarithm."""
    groups: dict[tuple[str, bool, bool], list[Feature]] = {}
    for feature in features:
        plain = feature.missing not in ("indicator", "error") and feature.nonfinite != "error"
        if plain and feature.model_shape == ():
            column = raw[feature.name]
            is_sparse = isinstance(column, tf.SparseTensor)
            groups.setdefault((column.dtype.name, is_sparse, feature.log1p), []).append(feature)
    return list(groups.values())


def _mask(masks: Sequence[tf.Tensor | None], blocks: Sequence[tf.Tensor]) -> tf.Tensor | None:
    """Where values are present, for all blocks together; None where they always are."""
    if all(mask is None for mask in masks):
        return None
    spelled = [tf.ones_like(b, tf.bool) if m is None else m for m, b in zip(masks, blocks, strict=True)]
    return _joined(spelled, axis=0)


def _per_key(feature: Feature, key: Feature, raw: TensorMap, constants: GraphConstants) -> dict[str, tf.Tensor]:
    """One feature by its key's own constants; the last entry of the table is for a key that was not seen."""
    index, known = look_up(constants.lookups[feature.name], key, raw[key.name])
    block, present = _block(feature, raw[feature.name], constants)
    if feature.unseen == "error":
        needed = present[:, 0] & tf.math.is_finite(block[:, 0])  # the analysis, too, looks at keys of such values only
        problem = f"has a key of {key.name!r} that the training split lacks"
        index = checked(index, known | ~needed, feature, constants, problem)
    table = constants.by_key[feature.name]
    index = tf.where(known, index, tf.size(table["center"], tf.int64) - 1)
    rows = {name: tf.gather(row, index)[:, tf.newaxis] for name, row in table.items()}
    scores = _scores(block, present, rows, [feature])
    return {model_name(feature.name): scores[:, 0], **_flag(feature, block, present)}


def _variable(
    feature: Feature, value: tf.SparseTensor, places: Mapping[str, list[int]], constants: GraphConstants
) -> tf.SparseTensor:
    """A feature of variable length: each of its values by the one pair of constants; missing rows stay empty."""
    at = places[feature.name]
    block = _logarithm(feature, tf.cast(value.values, tf.float64))[:, tf.newaxis]
    present = tf.ones_like(block, tf.bool)
    if feature.missing == "error":
        rows_of_values = tf.unique(value.indices[:, 0])[0]
        complete = tf.size(rows_of_values, tf.int64) == value.dense_shape[0]
        present = checked(present, complete, feature, constants, _MISSING)
    present = _finite_or_error(feature, block, present, constants)
    rows = {name: tf.gather(row, at) for name, row in constants.numeric.items()}
    scores = _scores(block, present, rows, [feature])
    return tf.SparseTensor(value.indices, scores[:, 0], value.dense_shape)


def _scores(
    block: tf.Tensor, present: tf.Tensor | None, rows: Rows, features: Sequence[Feature], axis: int = 1
) -> tf.Tensor:
    """float32 scores of a float64 block, in its shape; ``rows`` broadcast to it.

    The one cast stands right behind the product: rounding keeps the order of numbers, so that what follows may choose
    and clip in float32, with the same bits.
    """
    small = {name: tf.cast(row, tf.float32) for name, row in rows.items() if name not in ("center", "scale")}
    usable = tf.math.is_finite(block) if present is None else present & tf.math.is_finite(block)
    scores = tf.where(usable, tf.cast((block - rows["center"]) * rows["scale"], tf.float32), small["filled"])
    clipped = [feature.nonfinite == "clip" for feature in features for _ in range(elements(feature))]
    if any(clipped):
        asked = tf.constant(clipped)
        infinite = tf.math.is_inf(block) & (asked if axis == 1 else asked[:, tf.newaxis])
        infinite = infinite if present is None else present & infinite
        scores = tf.where(infinite, tf.where(block > 0, small["highest"], small["lowest"]), scores)
    if any(feature.clip for feature in features):
        scores = tf.clip_by_value(scores, -small["bound"], small["bound"])
    return scores


def _block(feature: Feature, value: Any, constants: GraphConstants) -> tuple[tf.Tensor, tf.Tensor]:
    """The feature's numbers, float64 [batch, elements], and where they are present, after the checks it asks for."""
    dense, present = as_dense(feature, value)
    block = _logarithm(feature, tf.reshape(tf.cast(dense, tf.float64), [-1, elements(feature)]))
    flags = tf.broadcast_to(present[:, tf.newaxis], tf.shape(block))
    if feature.missing == "error":
        flags = checked(flags, flags, feature, constants, _MISSING)
    return block, _finite_or_error(feature, block, flags, constants)


def _logarithm(feature: Feature, block: tf.Tensor) -> tf.Tensor:
    return tf.math.log1p(block) if feature.log1p else block


def _finite_or_error(feature: Feature, block: tf.Tensor, present: tf.Tensor, constants: GraphConstants) -> tf.Tensor:
    if feature.nonfinite != "error":
        return present
    finite = tf.math.is_finite(block) | ~present
    return checked(present, finite, feature, constants, "is NaN or infinite; its policy is nonfinite=error")


def _flag(feature: Feature, block: tf.Tensor, present: tf.Tensor) -> dict[str, tf.Tensor]:
    if feature.missing != "indicator":
        return {}
    complete = tf.reduce_all(tf.math.is_finite(block) & present, axis=1)
    return {f"{model_name(feature.name)}_missing": tf.cast(~complete, tf.float32)}


def _places(plan: FeaturePlan) -> dict[str, list[int]]:
    """The columns in the numeric rows of each feature without a key."""
    places: dict[str, list[int]] = {}
    at = 0
    for feature in by_element(plan):
        places[feature.name] = list(range(at, at + elements(feature)))
        at += elements(feature)
    return places
