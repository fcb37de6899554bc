"""What a training was really fed: statistics of the normalized numbers in the batches of its first epoch."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.constants import NormalizationConstants
from components.feature_plan import Feature, model_name
from components.trainer.fed_check import EDGES, Fed

_BINS = len(EDGES) - 1


class Observer:
    """Watches the first pass of a stream, in the order in which the training gets its rows.

    The stage stands behind the input pipeline, whose own maps stay without state.
    """

    def __init__(self, constants: NormalizationConstants, rows: int) -> None:
        """For normalized numbers of fixed shape and images; the first ``rows`` are counted, the rest passes by."""
        plan = constants.plan
        features = [feature for feature in (*plan.normalized, *plan.images) if feature.shape is not None]
        self._names = [model_name(feature.name) for feature in features]
        self._kept = [_kept_axes(feature) for feature in features]
        # Statistics of one tensor stand beside each other.
        self._sizes = [math.prod(feature.statistic_shape) for feature in features]
        self._starts = np.cumsum([0, *self._sizes])
        width, tensors = int(self._starts[-1]), len(features)
        self._clips = tf.constant([feature.clip or np.inf for feature in features], tf.float32)
        self._left = tf.Variable(rows, dtype=tf.int64, trainable=False)
        self._sums = tf.Variable(tf.zeros([3, width], tf.float64), trainable=False)  # of 1, x and x * x
        self._extremes = tf.Variable(tf.fill([2, width], tf.constant(-np.inf, tf.float32)), trainable=False)  # -x, x
        self._at_bound = tf.Variable(tf.zeros([width], tf.int64), trainable=False)
        self._bins = tf.Variable(tf.zeros([tensors * _BINS], tf.int64), trainable=False)

    def watch(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, in the same order."""
        if not self._names:
            return dataset

        def observed(features: Mapping[str, tf.Tensor], *rest: tf.Tensor) -> Any:
            tf.cond(self._left > 0, lambda: self._count(features), tf.no_op)
            return (features, *rest)

        return dataset.map(observed)

    def seen(self) -> dict[str, Fed]:
        """By model tensor what passed, as far as it was counted."""
        sums, at_bound = self._sums.numpy(), self._at_bound.numpy()
        low, high = self._extremes.numpy() * np.array([[-1], [1]], np.float32)
        bins = self._bins.numpy().reshape(-1, _BINS)
        found = {}
        for i, name in enumerate(self._names):
            at = slice(self._starts[i], self._starts[i + 1])
            parts = sums[:, at], low[at], high[at], at_bound[at]
            singles = [tuple(part[..., j : j + 1] for part in parts) for j in range(self._sizes[i])]
            elements = tuple(_fed(*single) for single in singles) if self._sizes[i] > 1 else ()
            found[name] = dataclasses.replace(_fed(*parts), histogram=tuple(bins[i].tolist()), elements=elements)
        return found

    def _count(self, features: Mapping[str, tf.Tensor]) -> tf.Operation:
        # One operation for all tensors of one form: thousands of columns are no thousands of reductions.
        count = tf.minimum(self._left, tf.shape(features[self._names[0]], tf.int64)[0])
        groups: dict[tuple[Any, ...], list[int]] = {}
        for at, name in enumerate(self._names):
            shape = tuple(features[name].shape[1:])
            form = (name,) if None in shape else (shape, self._kept[at])
            groups.setdefault(form, []).append(at)
        done = [self._left.assign_sub(count)]
        for members in groups.values():
            values = tf.stack([features[self._names[at]][:count] for at in members])
            done += self._take(values, members)
        return tf.group(done)

    def _take(self, values: tf.Tensor, members: list[int]) -> list[Any]:
        """``values`` float32 [tensors, rows, *shape] of these tensors, which keep the same axes."""
        axes = [axis for axis in range(1, values.shape.rank) if axis - 2 not in self._kept[members[0]]]
        wide = tf.cast(values, tf.float64)
        clips = tf.reshape(tf.gather(self._clips, members), [-1, *[1] * (values.shape.rank - 1)])
        total = tf.reduce_sum(wide, axis=axes)
        number = tf.fill(tf.shape(total), tf.cast(tf.size(values) / tf.size(total), tf.float64))
        sums = [tf.reshape(part, [-1]) for part in (number, total, tf.reduce_sum(wide * wide, axis=axes))]
        extremes = [tf.reshape(tf.reduce_max(part, axis=axes), [-1]) for part in (-values, values)]
        bound = tf.reshape(tf.math.count_nonzero(tf.abs(values) >= clips, axis=axes), [-1])
        places = np.concatenate([np.arange(self._starts[at], self._starts[at + 1]) for at in members])
        rows = tf.constant(places[:, np.newaxis], tf.int64)
        width = tf.shape(self._at_bound, tf.int64)
        return [
            self._sums.assign_add(tf.transpose(tf.scatter_nd(rows, tf.stack(sums, axis=1), [width[0], 3]))),
            self._extremes.assign(tf.maximum(self._extremes, _spread(rows, tf.stack(extremes, axis=1), width[0]))),
            self._at_bound.assign_add(tf.scatter_nd(rows, bound, width)),
            self._bins.assign_add(tf.cast(self._binned(values, members), tf.int64)),
        ]

    def _binned(self, values: tf.Tensor, members: list[int]) -> tf.Tensor:
        """int32 [tensors * bins]: how many of the values are in each bin."""
        flat = tf.reshape(values, [len(members), -1])
        bins = tf.clip_by_value((flat - EDGES[0]) * (_BINS / (EDGES[-1] - EDGES[0])), 0, _BINS - 1)
        found = tf.cast(tf.where(tf.math.is_nan(bins), 0.0, bins), tf.int64)
        at = tf.constant(members, tf.int64)[:, tf.newaxis]
        size = self._bins.shape[0]
        return tf.math.bincount(tf.cast(tf.reshape(found + at * _BINS, [-1]), tf.int32), minlength=size, maxlength=size)


def _kept_axes(feature: Feature) -> tuple[int, ...]:
    """The axes of one row of the model's tensor that have statistics of their own."""
    if feature.image is not None:
        return (2 if feature.image.layout == "NHWC" else 0,) if feature.axis else ()
    return (feature.axis or ()) if feature.raw_shape else ()


def _fed(sums: Any, low: Any, high: Any, at_bound: Any) -> Fed:
    """Of statistics, together: sums float64 [3, statistics], the others [statistics]; without a histogram."""
    count, total, squares = sums.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        sigma = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
    return Fed(int(count), float(mean), float(sigma), float(low.min()), float(high.max()), int(at_bound.sum()), ())


def _spread(rows: tf.Tensor, extremes: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """[2, width] with -inf where there is no row."""
    full = tf.tensor_scatter_nd_update(tf.fill([width, 2], tf.constant(-np.inf, tf.float32)), rows, extremes)
    return tf.transpose(full)
