"""Samples of images to normalized images: ``(x - center) * scale`` in float64 by channel, then float32."""

from collections.abc import Mapping

import tensorflow as tf

from components.feature_plan import Feature
from components.frozen.image_decoding import WIDENING, pixels


def normalized_image(
    feature: Feature, images: tf.Tensor, rows: Mapping[str, tf.Tensor], bits: Mapping[str, tf.Tensor]
) -> tf.Tensor:
    """float32 [batch, *model_shape].

    Args:
      feature: of the role ``image``.
      images: samples, uint8 or uint16 [batch, height, width, channels], of as many bits as those analysed; or encoded,
        tf.string [batch], as tf.Transform has them.
      rows: float64 [channels], ``center`` and ``scale``, in samples.
      bits: int64 scalar by feature, those of the samples analysed.
    """
    if images.dtype == tf.string:
        deep = tf.cast(pixels(feature, images, 16), tf.int32)
        images = tf.where(bits[feature.name] == 16, deep, deep // WIDENING)
    shape = tf.shape(images)
    width = shape[2] if images.shape[2] is None else images.shape[2]
    # Rows of pixels, so that the constants repeat along a row only: operations on a last axis of 3 are slow.
    table = tf.cast(tf.reshape(images, tf.stack([shape[0] * shape[1], width * shape[3]])), tf.float64)
    center, scale = (tf.tile(rows[name], [width]) for name in ("center", "scale"))
    scores = tf.reshape(tf.cast((table - center) * scale, tf.float32), shape)
    scores.set_shape(images.shape)
    assert feature.image is not None
    return scores if feature.image.layout == "NHWC" else tf.transpose(scores, [0, 3, 1, 2])
