"""Raw tf.Examples -> normalized batches: one parallel map that parses and normalizes whole batches."""

import functools
from typing import Any, Literal

import tensorflow as tf
from absl import logging

from components.errors import ConfigError, DataError
from components.feature_plan import model_name
from components.frozen import FrozenTransform
from components.frozen.damage import Damage, find_damage
from components.frozen.record_files import Files, matching_files
from components.trainer.sound_images import with_images

# Records held for shuffling: about 100 MB of tabular tf.Examples.
_SHUFFLE_RECORDS = 200_000
_READ_BYTES = 8 << 20
# Records that a reader hands over at once: handing over one at a time costs more than parsing it.
_BLOCK = 256
# Images held for shuffling: about 200 MB of photographs.
_SHUFFLE_IMAGES = 2_000
# Normalized images that are made at once; as many again wait to be used.
IMAGE_BYTES = 256 << 20
_MANY = 64  # batches that need no bound
# Damaged records that are named in the log; all are counted.
_LOGGED = 20
# Files read side by side: enough to hide the latency of remote storage.
_MOST_READERS = 16


def normalized_dataset(
    files_or_pattern: Files,
    frozen: FrozenTransform,
    *,
    batch_size: int,
    shuffle: bool | int = False,
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
    (dict, None, weight). Unshuffled, several files take turns in blocks of records. A record whose image cannot be
    decoded is left out if the image is tagged corrupt=skip. The iterator can be saved by
    ``tf.train.Checkpoint(iterator=...)``.

    Args:
      files_or_pattern: TFRecord files of tf.Examples, or one glob; names that end in ``.gz`` are gzip.
      frozen: the transform.
      batch_size: rows a batch; the last may be smaller unless ``drop_remainder``.
      shuffle: shuffles files and records anew in each pass; a number is how many records are held for it, 200,000 for
        True, which is about 100 MB of a table; 2,000 where there are images.
      seed: makes the shuffle repeatable.
      repeat: without end.
      deterministic: keeps the order of batches whatever finishes first.
      drop_remainder: drops the last, smaller batch; the batch's size is then part of the shapes.
      shard: (index, count) of this worker. It switches TensorFlow's own sharding off; without it, ``tf.distribute`` and
        the ``tf.data`` service shard as they are told.
      shard_by: "file": a worker reads files of its own where there are at least ``count``, and every count-th record
        otherwise. "batch": it reads all and takes every count-th batch, so that the workers see together, in each step,
        what one process would see.
      cache: keeps the records as read, before shuffle and parsing: True in memory, or in a file of this name.
      skip_batches: leaves out the first batches (of all workers, if sharded by batch) before they are parsed, to go on
        where another iterator stopped.
      skip_corrupt: reads all files once, record by record, and leaves out what cannot be read; their number and the
        first of them are logged, and ``find_damage`` lists them. Otherwise such a record is TensorFlow's own error, but
        for a gzip file that was cut between records or within a header: TensorFlow takes it for complete.
      private_threads: size of a thread pool of the dataset's own; 0 shares TensorFlow's.

    Raises:
      DataError: no file matches, or with ``skip_corrupt`` no file has a first record that can be read.
      ConfigError: an option out of its range.
    """
    _check(batch_size, shard, shard_by, skip_batches, private_threads)
    files = matching_files(files_or_pattern)
    index, count = shard
    by_batch = shard_by == "batch"
    by_file = not by_batch and 1 < count <= len(files)
    by_record = not by_batch and not by_file and count > 1
    files = files[index::count] if by_file else files
    damages = _damages(files, frozen) if skip_corrupt else []
    dataset = _blocks(files, damages, bool(shuffle), seed, deterministic)
    if doubtful := [feature for feature in frozen.plan.images if feature.image and feature.image.corrupt == "skip"]:
        dataset = with_images(dataset.unbatch(), frozen, doubtful, deterministic).batch(_BLOCK)
    one_by_one = bool(shuffle) or by_record
    if cache:
        dataset = dataset.cache("" if cache is True else cache)
    if one_by_one:
        dataset = dataset.unbatch()
    if by_record:
        dataset = dataset.shard(count, index)
    if shuffle:
        usual = _SHUFFLE_IMAGES if frozen.plan.images else _SHUFFLE_RECORDS
        dataset = dataset.shuffle(usual if shuffle is True else shuffle, seed=seed)
    if repeat:
        dataset = dataset.repeat()
    in_batches = dataset.batch if one_by_one else dataset.rebatch
    batches = in_batches(batch_size, drop_remainder=drop_remainder)
    if skip_batches:
        batches = batches.skip(skip_batches)
    if by_batch:
        batches = batches.shard(count, index)
    at_once = batches_at_once(frozen, batch_size)
    return (
        batches.map(_model_batch(frozen, batch_size), num_parallel_calls=at_once, deterministic=deterministic)
        .prefetch(tf.data.AUTOTUNE if at_once == tf.data.AUTOTUNE else 1)
        .with_options(_options(deterministic, private_threads, is_sharded=count > 1))
    )


def _check(batch_size: int, shard: tuple[int, int], shard_by: str, skip_batches: int, private_threads: int) -> None:
    least = {"batch_size": (batch_size, 1), "skip_batches": (skip_batches, 0), "private_threads": (private_threads, 0)}
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise ConfigError(f"{name} must be at least {smallest} but is {value}.")
    index, count = shard
    if not 0 <= index < count:
        raise ConfigError(f"shard must be (index, count) with 0 <= index < count but is {shard}.")
    if shard_by not in ("file", "batch"):
        raise ConfigError(f"shard_by must be 'file' or 'batch' but is {shard_by!r}.")


def _damages(files: list[str], frozen: FrozenTransform) -> list[Damage]:
    damages = list(find_damage(files, frozen.parse))
    for damage in damages[:_LOGGED]:
        logging.warning("Left out: %s", damage)
    if damages:
        logging.warning("%d records of %d files are left out because they cannot be read.", len(damages), len(files))
    if len({damage.file for damage in damages if damage.rest_lost and damage.record == 0}) == len(files):
        raise DataError(f"None of the {len(files)} files can be read; the first: {damages[0]}")
    return damages


def batches_at_once(frozen: FrozenTransform, batch_size: int) -> int:
    """As many batches as TensorFlow likes, but of images no more than are allowed: decoding uses all cores for one."""
    if not frozen.plan.images:
        return tf.data.AUTOTUNE
    constants = [frozen.constants[feature.name] for feature in frozen.plan.images]
    samples = sum(int(found.count.sum()) for found in constants) / max(1, frozen.constants.rows)
    size = batch_size * samples * tf.float32.size
    at_once = int(IMAGE_BYTES / size) if size else _MANY
    return tf.data.AUTOTUNE if at_once >= _MANY else max(1, at_once)


def _model_batch(frozen: FrozenTransform, batch_size: int) -> Any:
    label, weight = frozen.plan.label, frozen.plan.weight
    # Images of one size: a batch of several has no others.
    of_one_size = batch_size > 1 or all(feature.image and feature.image.size for feature in frozen.plan.images)
    transform: Any = frozen
    if frozen.plan.images and of_one_size and tf.test.is_built_with_xla():
        transform = functools.partial(frozen, compiled=True)

    @tf.autograph.experimental.do_not_convert
    def model_batch(serialized: tf.Tensor) -> Any:
        features = transform(frozen.parse(serialized))
        for tensor in features.values():
            if isinstance(tensor, tf.Tensor):
                tensor.set_shape([serialized.shape[0], *tensor.shape[1:]])
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
