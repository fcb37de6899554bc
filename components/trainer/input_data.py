"""Raw tf.Examples -> normalized batches: one parallel map that parses and normalizes whole batches."""

from typing import Any, Literal

import tensorflow as tf
from absl import logging

from components.errors import ConfigError
from components.feature_plan import model_name
from components.frozen import FrozenTransform
from components.frozen.damage import Damage, find_damage
from components.frozen.record_files import Files, matching_files

# Records held for shuffling: about 100 MB of tabular tf.Examples.
_SHUFFLE_RECORDS = 200_000
_READ_BYTES = 8 << 20
# Records that a reader hands over at once: handing over one at a time costs more than parsing it.
_BLOCK = 256
# Files read side by side: enough to hide the latency of remote storage.
_MOST_READERS = 16


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
    shard: tuple[int, int] = (0, 1),
    shard_by: Literal["file", "batch"] = "file",
    cache: bool | str = False,
    skip_batches: int = 0,
    skip_corrupt: bool = False,
    private_threads: int = 0,
) -> tf.data.Dataset:
    """A dataset of (dict of model features, label[, weight]), or of the dict alone where the plan has no label.

    Records are batched before they are parsed, so that parsing and normalizing are one call a batch, in a
    ``ParallelMapDataset`` whose function holds the statistics as constants. Without a label, a weight stands third too:
    (dict, None, weight). Unshuffled, several files take turns in blocks of records. The iterator can be saved by
    ``tf.train.Checkpoint(iterator=...)``.

    Args:
      files_or_pattern: TFRecord files of tf.Examples, or one glob; names that end in ``.gz`` are gzip.
      frozen: the transform.
      batch_size: rows a batch; the last may be smaller unless ``drop_remainder``.
      shuffle: shuffles files and records anew in each pass.
      seed: makes the shuffle repeatable.
      repeat: without end.
      deterministic: keeps the order of batches whatever finishes first.
      drop_remainder: drops the last, smaller batch.
      shard: (index, count) of this worker. It switches TensorFlow's own sharding off; without it, ``tf.distribute`` and
        the ``tf.data`` service shard as they are told.
      shard_by: "file": a worker reads files of its own where there are at least ``count``, and every count-th record
        otherwise. "batch": it reads all and takes every count-th batch, so that the workers see together, in each step,
        what one process would see.
      cache: keeps the records as read, before shuffle and parsing: True in memory, or in a file of this name.
      skip_batches: leaves out the first batches (of all workers, if sharded by batch) before they are parsed, to go on
        where another iterator stopped.
      skip_corrupt: reads all files once, record by record, and leaves out what cannot be read; each is logged, and
        ``find_damage`` lists them. Otherwise such a record is TensorFlow's own error.
      private_threads: size of a thread pool of the dataset's own; 0 shares TensorFlow's.

    Raises:
      DataError: no file matches, or with ``skip_corrupt`` nothing can be read.
      ConfigError: ``shard`` is not (index, count) with 0 <= index < count.
    """
    files = matching_files(files_or_pattern)
    index, count = shard
    if not 0 <= index < count:
        raise ConfigError(f"shard must be (index, count) with 0 <= index < count but is {shard}.")
    by_batch = shard_by == "batch"
    by_file = not by_batch and 1 < count <= len(files)
    by_record = not by_batch and not by_file and count > 1
    files = files[index::count] if by_file else files
    damages = list(find_damage(files, frozen.parse)) if skip_corrupt else []
    dataset = _blocks(files, damages, shuffle, seed, deterministic)
    one_by_one = shuffle or by_record
    if cache:
        dataset = dataset.cache("" if cache is True else cache)
    if one_by_one:
        dataset = dataset.unbatch()
    if by_record:
        dataset = dataset.shard(count, index)
    if shuffle:
        dataset = dataset.shuffle(_SHUFFLE_RECORDS, seed=seed)
    if repeat:
        dataset = dataset.repeat()
    in_batches = dataset.batch if one_by_one else dataset.rebatch
    batches = in_batches(batch_size, drop_remainder=drop_remainder)
    if skip_batches:
        batches = batches.skip(skip_batches)
    if by_batch:
        batches = batches.shard(count, index)
    return (
        batches.map(_model_batch(frozen), num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options(deterministic, private_threads, is_sharded=count > 1))
    )


def _model_batch(frozen: FrozenTransform) -> Any:
    label, weight = frozen.plan.label, frozen.plan.weight

    @tf.autograph.experimental.do_not_convert
    def model_batch(serialized: tf.Tensor) -> Any:
        features = frozen(frozen.parse(serialized))
        answer = None if label is None else features.pop(model_name(label.name))
        if weight is not None:
            return features, answer, features.pop(model_name(weight.name))
        return features if label is None else (features, answer)

    return model_batch


def _blocks(
    files: list[str], damages: list[Damage], shuffle: bool, seed: int | None, deterministic: bool
) -> tf.data.Dataset:
    """The records of all files in blocks, several files side by side."""
    sources: Any = files
    if damages:
        for damage in damages:
            logging.warning("Left out: %s", damage)
        bad = [[d.record for d in damages if d.file == file and not d.rest_lost] for file in files]
        ends = [min([d.record for d in damages if d.file == file and d.rest_lost], default=-1) for file in files]
        sources = (files, ends, tf.ragged.constant(bad, tf.int64, ragged_rank=1, row_splits_dtype=tf.int64))
    dataset = tf.data.Dataset.from_tensor_slices(sources)
    if shuffle:
        dataset = dataset.shuffle(len(files), seed=seed)
    return dataset.interleave(
        _sound_blocks if damages else lambda file: _records_of(file).batch(_BLOCK),
        cycle_length=min(len(files), _MOST_READERS),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )


def _records_of(file: tf.Tensor) -> tf.data.Dataset:
    # TFRecordDataset reads one compression a dataset, but takes its name as a tensor.
    gzip = tf.strings.regex_full_match(file, r".*\.gz")
    return tf.data.TFRecordDataset(file, compression_type=tf.where(gzip, "GZIP", ""), buffer_size=_READ_BYTES)


def _sound_blocks(file: tf.Tensor, end: tf.Tensor, bad: tf.Tensor) -> tf.data.Dataset:
    """The records before ``end`` (-1: all) but the ``bad`` ones."""
    numbered = _records_of(file).take(tf.cast(end, tf.int64)).enumerate()
    return numbered.filter(lambda at, _: ~tf.reduce_any(bad == at)).map(lambda _, record: record).batch(_BLOCK)


def _options(deterministic: bool, private_threads: int, *, is_sharded: bool) -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = deterministic
    if private_threads:
        options.threading.private_threadpool_size = private_threads
    if is_sharded:
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
