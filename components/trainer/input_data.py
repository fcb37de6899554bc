"""Raw tf.Examples -> normalized batches: one parallel map that parses and normalizes whole batches."""

from typing import Any

import tensorflow as tf

from components.feature_plan import model_name
from components.frozen import FrozenTransform
from components.frozen.record_files import Files, matching_files

# Records held for shuffling: about 100 MB of tabular tf.Examples.
_SHUFFLE_RECORDS = 200_000


def normalized_dataset(
    files_or_pattern: Files,
    frozen: FrozenTransform,
    *,
    batch_size: int,
    shuffle: bool = False,
    seed: int | None = None,
    repeat: bool = False,
    deterministic: bool = True,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """A dataset of (dict of model features, label[, weight]), or of the dict alone where the plan has no label.

    Records are batched before they are parsed, so that parsing and normalizing are one call a batch, in a
    ``ParallelMapDataset`` whose function holds the statistics as constants. Without a label, a weight stands third too:
    (dict, None, weight).

    Args:
      files_or_pattern: TFRecord files of tf.Examples, or one glob; names that end in ``.gz`` are gzip.
      frozen: the transform.
      batch_size: rows a batch; the last may be smaller unless ``drop_remainder``.
      shuffle: shuffles files and records anew in each pass.
      seed: makes the shuffle repeatable.
      repeat: without end.
      deterministic: keeps the order of batches whatever finishes first.
      drop_remainder: drops the last, smaller batch.

    Raises:
      DataError: no file matches.
    """
    files = matching_files(files_or_pattern)
    label, weight = frozen.plan.label, frozen.plan.weight

    @tf.autograph.experimental.do_not_convert
    def model_batch(serialized: tf.Tensor) -> Any:
        features = frozen(frozen.parse(serialized))
        answer = None if label is None else features.pop(model_name(label.name))
        if weight is not None:
            return features, answer, features.pop(model_name(weight.name))
        return features if label is None else (features, answer)

    options = tf.data.Options()
    options.deterministic = deterministic
    dataset = tf.data.Dataset.from_tensor_slices(files)
    if shuffle:
        dataset = dataset.shuffle(len(files), seed=seed)
    dataset = dataset.interleave(
        _records, cycle_length=min(len(files), 16), num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    )
    if shuffle:
        dataset = dataset.shuffle(_SHUFFLE_RECORDS, seed=seed)
    if repeat:
        dataset = dataset.repeat()
    return (
        dataset.batch(batch_size, drop_remainder=drop_remainder)
        .map(model_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )


def _records(file: tf.Tensor) -> tf.data.Dataset:
    # TFRecordDataset reads one compression a dataset, but takes its name as a tensor.
    gzip = tf.strings.regex_full_match(file, r".*\.gz")
    return tf.data.TFRecordDataset(file, compression_type=tf.where(gzip, "GZIP", ""), buffer_size=8 << 20)
