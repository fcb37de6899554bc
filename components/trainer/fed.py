"""What a training was really fed: statistics of the normalized numbers in the batches of its first epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.constants import NormalizationConstants
from components.feature_plan import model_name
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
        width = len(features)
        self._clips = tf.constant([[feature.clip or np.inf] for feature in features], tf.float32)
        self._left = tf.Variable(rows, dtype=tf.int64, trainable=False)
        self._sums = tf.Variable(tf.zeros([3, width], tf.float64), trainable=False)  # of 1, x and x * x
        self._extremes = tf.Variable(tf.fill([2, width], tf.constant(-np.inf, tf.float32)), trainable=False)  # -x, x
        self._at_bound = tf.Variable(tf.zeros([width], tf.int64), trainable=False)
        self._bins = tf.Variable(tf.zeros([width * _BINS], tf.int64), trainable=False)

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
        count, total, squares = self._sums.numpy()
        low, high = self._extremes.numpy() * np.array([[-1], [1]], np.float32)
        bins = self._bins.numpy().reshape(-1, _BINS)
        at_bound = self._at_bound.numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            sigma = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
        return {
            name: Fed(
                int(count[i]),
                float(mean[i]),
                float(sigma[i]),
                float(low[i]),
                float(high[i]),
                int(at_bound[i]),
                tuple(bins[i].tolist()),
            )
            for i, name in enumerate(self._names)
        }

    def _count(self, features: Mapping[str, tf.Tensor]) -> tf.Operation:
        # One operation for all tensors with as many values a row: thousands of columns are no thousands of reductions.
        count = tf.minimum(self._left, tf.shape(features[self._names[0]], tf.int64)[0])
        groups: dict[tuple[Any, ...], list[int]] = {}
        for at, name in enumerate(self._names):
            shape = tuple(features[name].shape[1:])
            groups.setdefault((name,) if None in shape else shape, []).append(at)
        done = [self._left.assign_sub(count)]
        for members in groups.values():
            values = tf.stack([tf.reshape(features[self._names[at]][:count], [-1]) for at in members])
            done += self._take(values, tf.constant(members, tf.int64))
        return tf.group(done)

    def _take(self, values: tf.Tensor, at: tf.Tensor) -> list[Any]:
        """``values`` float32 [tensors, values of each], whose places are ``at``."""
        wide = tf.cast(values, tf.float64)
        number = tf.fill(tf.shape(at), tf.cast(tf.shape(values)[1], tf.float64))
        sums = tf.stack([number, tf.reduce_sum(wide, axis=1), tf.reduce_sum(wide * wide, axis=1)], axis=1)
        extremes = tf.stack([tf.reduce_max(-values, axis=1), tf.reduce_max(values, axis=1)], axis=1)
        bound = tf.math.count_nonzero(tf.abs(values) >= tf.gather(self._clips, at), axis=1)
        bins = tf.clip_by_value((values - EDGES[0]) * (_BINS / (EDGES[-1] - EDGES[0])), 0, _BINS - 1)
        places = tf.where(tf.math.is_nan(bins), 0.0, bins)
        flat = tf.cast(places, tf.int64) + at[:, tf.newaxis] * _BINS
        counted = tf.math.bincount(
            tf.cast(tf.reshape(flat, [-1]), tf.int32), minlength=self._bins.shape[0], maxlength=self._bins.shape[0]
        )
        rows = at[:, tf.newaxis]
        width = tf.shape(self._at_bound, tf.int64)
        return [
            self._sums.assign_add(tf.transpose(tf.scatter_nd(rows, sums, [width[0], 3]))),
            self._extremes.assign(tf.maximum(self._extremes, _spread(rows, extremes, width[0]))),
            self._at_bound.assign_add(tf.scatter_nd(rows, bound, width)),
            self._bins.assign_add(tf.cast(counted, tf.int64)),
        ]


def _spread(rows: tf.Tensor, extremes: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """[2, width] with -inf where there is no row."""
    full = tf.tensor_scatter_nd_update(tf.fill([width, 2], tf.constant(-np.inf, tf.float32)), rows, extremes)
    return tf.transpose(full)
