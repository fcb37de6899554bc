"""Records -> those whose images can be decoded, for images tagged corrupt=skip."""

from collections.abc import Sequence

import tensorflow as tf

from components.feature_plan import Feature
from components.frozen import FrozenTransform
from components.frozen.image_decoding import decoded

# Records that are tried side by side.
_AT_ONCE = 16


def with_images(
    records: tf.data.Dataset, frozen: FrozenTransform, features: Sequence[Feature], deterministic: bool
) -> tf.data.Dataset:
    """The records, tf.string scalars, whose images of these features can be decoded; in the same order.

    They are decoded for it, and again when they are normalized: a cache behind this saves the first. Errors of reading
    or of parsing a record stay errors.
    """

    @tf.autograph.experimental.do_not_convert
    def images(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = frozen.parse(record[tf.newaxis])
        return record, tf.stack([_one(parsed[feature.name]) for feature in features])

    @tf.autograph.experimental.do_not_convert
    def decode(record: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
        every = [
            decoded(feature, texts[at : at + 1], frozen.constants[feature.name].bits).values
            for at, feature in enumerate(features)
        ]
        with tf.control_dependencies(every):
            return tf.identity(record)

    @tf.autograph.experimental.do_not_convert
    def sound(record: tf.Tensor, texts: tf.Tensor) -> tf.data.Dataset:
        # A dataset of its own, so that no error but this one's is ignored.
        return tf.data.Dataset.from_tensors((record, texts)).map(decode).ignore_errors()

    return records.map(images, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic).interleave(
        sound, cycle_length=_AT_ONCE, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    )


def _one(column: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """The text of the one row, empty where there is none."""
    values = column.values if isinstance(column, tf.SparseTensor) else tf.reshape(column, [-1])
    return tf.concat([values, [""]], axis=0)[0]
