"""Normalized batches -> batches whose images are flipped and moved at random, for training only.

It stands behind the map that normalizes, so that it changes no constant, and behind the check of what was fed. The
random numbers are a function of seed and number of the batch alone (stateless operations): the same seed gives the same
batches, also where a training goes on from a checkpoint.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.errors import ConfigError
from components.feature_plan import Feature, FeaturePlan, model_name
from components.trainer.augment_options import Augmentation


def augmented(
    batches: tf.data.Dataset,
    plan: FeaturePlan,
    augmentation: Augmentation,
    seed: int,
    *,
    first: int = 0,
    step: int = 1,
) -> tf.data.Dataset:
    """The same batches with every image varied; all other tensors, label and weight stay as they are.

    Args:
      batches: of (dict of model tensors, ...).
      plan: which of the tensors are images.
      augmentation: what to do.
      seed: of the training.
      first: number of the first batch, counted over all workers from the beginning of the training.
      step: from one batch to the next, the number of workers.

    Raises:
      ConfigError: there is no image.
    """
    images = plan.images
    if not images:
        raise ConfigError("trainer.augment varies images, but the schema tags no feature as 'image'. Leave it out.")

    @tf.autograph.experimental.do_not_convert
    def vary(number: tf.Tensor, batch: Any) -> Any:
        features, *rest = batch if isinstance(batch, tuple) else (batch,)
        varied = dict(features) | _varied(features, images, augmentation, tf.stack([seed, first + step * number]))
        return (varied, *rest) if isinstance(batch, tuple) else varied

    numbered = batches.enumerate().map(
        lambda number, batch: vary(number, batch), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return numbered.prefetch(tf.data.AUTOTUNE)


def _varied(
    features: Mapping[str, tf.Tensor], images: Sequence[Feature], augmentation: Augmentation, seed: tf.Tensor
) -> dict[str, tf.Tensor]:
    found = {}
    for at, feature in enumerate(images):
        assert feature.image is not None
        height = 1 if feature.image.layout == "NHWC" else 2
        values = features[model_name(feature.name)]
        seeds = tf.random.split(tf.random.fold_in(tf.cast(seed, tf.int32), at), 3)
        if augmentation.flip:
            values = _flipped(values, height + 1, seeds[0])
        if augmentation.crop:
            values = _moved(values, height, augmentation.crop, seeds[1])
            values = _moved(values, height + 1, augmentation.crop, seeds[2])
        found[model_name(feature.name)] = values
    return found


def _flipped(images: tf.Tensor, axis: int, seed: tf.Tensor) -> tf.Tensor:
    chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5
    return tf.where(chosen, tf.reverse(images, [axis]), images)


def _moved(images: tf.Tensor, axis: int, most: int, seed: tf.Tensor) -> tf.Tensor:
    """Along one axis, each image by its own number of pixels from -most to most."""
    shape = tf.shape(images)
    offsets = tf.random.stateless_uniform([shape[0], 1], seed, 0, 2 * most + 1, tf.int32)
    padded = tf.pad(images, [[most, most] if at == axis else [0, 0] for at in range(4)])
    front = tf.experimental.numpy.moveaxis(padded, axis, 1)
    moved = tf.gather(front, offsets + tf.range(shape[axis]), axis=1, batch_dims=1)
    found = tf.experimental.numpy.moveaxis(moved, 1, axis)
    found.set_shape(images.shape)
    return found
