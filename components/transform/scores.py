"""Numbers to normalized numbers: ``(x - center) * scale`` in float64, then every policy, then float32.

No division by a constant and no chain of constant operations, which TensorFlow's graph optimizer rewrites, so that the
bits would differ between a function and a map.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan, model_name
from components.moments.wire import by_element, elements
from components.transform.forms import as_dense, both, checked, finite, stacked_columns
from components.transform.graph_constants import GraphConstants
from components.transform.image_scores import normalized_image
from components.transform.lookup import look_up

TensorMap = Mapping[str, Any]
Rows = Mapping[str, tf.Tensor]
_MISSING = "is missing in a row; its policy is missing=error"


@dataclasses.dataclass(frozen=True)
class _Block:
    """Numbers of one or several features.

    Attributes:
      features: in the order of the block.
      values: float64, after the logarithm where asked.
      usable: bool, of the same shape: present and finite; None where every value is.
    """

    features: tuple[Feature, ...]
    values: tf.Tensor
    usable: tf.Tensor | None

    def in_rows(self) -> "_Block":
        """A scalar's [batch, 1] as [1, batch]."""
        usable = None if self.usable is None else tf.reshape(self.usable, [1, -1])
        return _Block(self.features, tf.reshape(self.values, [1, -1]), usable)


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
    for feature in plan.images:
        rows = {name: tf.gather(constants.numeric[name], places[feature.name]) for name in ("center", "scale")}
        outputs[model_name(feature.name)] = normalized_image(feature, raw[feature.name], rows, constants.bits)
    return outputs


def _fixed(
    features: Sequence[Feature], raw: TensorMap, places: Mapping[str, list[int]], constants: GraphConstants
) -> dict[str, tf.Tensor]:
    """All scalars as one block [scalars, batch], all others as one block [batch, elements]: a handful of wide ops.

    Scalars lie in rows, so that stacking them and cutting them apart again copies whole columns, or nothing.
    """
    outputs: dict[str, tf.Tensor] = {}
    scalars: list[_Block] = []
    shaped: list[_Block] = []
    groups = _stackable(features, raw)
    for group in groups:
        values, present = stacked_columns([raw[feature.name] for feature in group])
        scalars.append(_block(tuple(group), values, present))
    stacked = {feature for group in groups for feature in group}
    for feature in (f for f in features if f not in stacked):
        block = _checked_block(feature, raw[feature.name], constants)
        outputs.update(_flag(feature, block))
        if feature.model_shape == ():
            scalars.append(block.in_rows())
        else:
            shaped.append(block)
    if scalars:
        block = _joined(scalars, axis=0)
        rows = {name: row[:, tf.newaxis] for name, row in _rows_of(block.features, places, constants).items()}
        pieces = tf.unstack(_scores(block, rows, axis=0), num=len(block.features), axis=0)
        names = [model_name(feature.name) for feature in block.features]
        outputs.update(zip(names, pieces, strict=True))
    if shaped:
        block = _joined(shaped, axis=1)
        scores = _scores(block, _rows_of(block.features, places, constants))
        sizes = [elements(feature) for feature in block.features]
        parts = tf.split(scores, sizes, axis=1) if len(sizes) > 1 else [scores]
        for feature, part in zip(block.features, parts, strict=True):
            outputs[model_name(feature.name)] = tf.reshape(part, [-1, *(feature.model_shape or ())])
    return outputs


def _joined(blocks: Sequence[_Block], axis: int) -> _Block:
    if len(blocks) == 1:
        return blocks[0]
    usable = None
    if any(block.usable is not None for block in blocks):
        masks = [tf.ones_like(b.values, tf.bool) if b.usable is None else b.usable for b in blocks]
        usable = tf.concat(masks, axis=axis)
    features = tuple(feature for block in blocks for feature in block.features)
    return _Block(features, tf.concat([block.values for block in blocks], axis=axis), usable)


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


def _per_key(feature: Feature, key: Feature, raw: TensorMap, constants: GraphConstants) -> dict[str, tf.Tensor]:
    """One feature by its key's own constants; the last entry of the table is for a key that was not seen."""
    index, known = look_up(constants.lookups[feature.name], key, raw[key.name])
    block = _checked_block(feature, raw[feature.name], constants)
    if feature.unseen == "error":
        # The analysis, too, looks at the keys of usable values only.
        right = known if block.usable is None else known | ~block.usable[:, 0]
        problem = f"has a key of {key.name!r} that the training split lacks"
        index = checked(index, right, feature, constants, problem)
    table = constants.by_key[feature.name]
    index = tf.where(known, index, tf.size(table["center"], tf.int64) - 1)
    rows = {name: tf.gather(row, index)[:, tf.newaxis] for name, row in table.items()}
    return {model_name(feature.name): _scores(block, rows)[:, 0], **_flag(feature, block)}


def _variable(
    feature: Feature, value: tf.SparseTensor, places: Mapping[str, list[int]], constants: GraphConstants
) -> tf.SparseTensor:
    """A feature of variable length: each of its values by the one pair of constants; missing rows stay empty."""
    values = value.values
    if feature.missing == "error":
        rows_of_values = tf.unique(value.indices[:, 0])[0]
        complete = tf.size(rows_of_values, tf.int64) == value.dense_shape[0]
        values = checked(values, complete, feature, constants, _MISSING)
    block = _finite_or_error(_block((feature,), values[:, tf.newaxis], None), None, constants)
    rows = {name: tf.gather(row, places[feature.name]) for name, row in constants.numeric.items()}
    return tf.SparseTensor(value.indices, _scores(block, rows)[:, 0], value.dense_shape)


def _scores(block: _Block, rows: Rows, axis: int = 1) -> tf.Tensor:
    """float32 scores of a block, in its shape; ``rows`` broadcast to it; the features lie along ``axis``.

    The one cast stands right behind the product: rounding keeps the order of numbers, so that what follows may choose
    and clip in float32, with the same bits.
    """
    small = {name: tf.cast(row, tf.float32) for name, row in rows.items() if name not in ("center", "scale")}
    scores = tf.cast((block.values - rows["center"]) * rows["scale"], tf.float32)
    if block.usable is not None:
        scores = tf.where(block.usable, scores, small["filled"])
    clipped = [feature.nonfinite == "clip" for feature in block.features for _ in range(elements(feature))]
    if any(clipped):
        asked = tf.constant(clipped)
        # A value that is absent is no infinity in the block.
        infinite = tf.math.is_inf(block.values) & (asked if axis == 1 else asked[:, tf.newaxis])
        scores = tf.where(infinite, tf.where(block.values > 0, small["highest"], small["lowest"]), scores)
    if any(feature.clip for feature in block.features):
        scores = tf.clip_by_value(scores, -small["bound"], small["bound"])
    return scores


def _block(features: tuple[Feature, ...], values: tf.Tensor, present: tf.Tensor | None) -> _Block:
    """Numbers of features with one type and one choice of logarithm."""
    wide = tf.cast(values, tf.float64)
    if not features[0].log1p:
        return _Block(features, wide, both(present, finite(values)))
    logarithm = tf.math.log1p(wide)
    return _Block(features, logarithm, both(present, finite(logarithm)))


def _checked_block(feature: Feature, value: Any, constants: GraphConstants) -> _Block:
    """One feature's numbers [batch, elements], after the checks it asks for."""
    dense, present = as_dense(feature, value)
    table = tf.reshape(dense, [-1, elements(feature)])
    if present is not None:
        present = tf.broadcast_to(present[:, tf.newaxis], tf.shape(table))
    if feature.missing == "error":
        table = checked(table, present, feature, constants, _MISSING)
    return _finite_or_error(_block((feature,), table, present), present, constants)


def _finite_or_error(block: _Block, present: tf.Tensor | None, constants: GraphConstants) -> _Block:
    (feature,) = block.features
    if feature.nonfinite != "error" or block.usable is None:
        return block
    right = block.usable if present is None else block.usable | ~present
    problem = "is NaN or infinite; its policy is nonfinite=error"
    return dataclasses.replace(block, values=checked(block.values, right, feature, constants, problem))


def _flag(feature: Feature, block: _Block) -> dict[str, tf.Tensor]:
    if feature.missing != "indicator":
        return {}
    usable = tf.ones_like(block.values, tf.bool) if block.usable is None else block.usable
    return {f"{model_name(feature.name)}_missing": tf.cast(~tf.reduce_all(usable, axis=1), tf.float32)}


def _places(plan: FeaturePlan) -> dict[str, list[int]]:
    """The columns in the numeric rows of each feature without a key, and of each image."""
    places: dict[str, list[int]] = {}
    at = 0
    for feature in (*by_element(plan), *plan.images):
        places[feature.name] = list(range(at, at + elements(feature)))
        at += elements(feature)
    return places
