"""What assert_frozen has nothing against."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, write_records, write_transform_graph

from components import assert_frozen, normalized_dataset

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
IMAGES = np.zeros((4, 6, 6, 3), np.float32)
Data = tf.data.Dataset


def rows() -> tf.data.Dataset:
    return Data.from_tensor_slices(ROWS)


def seeded() -> tf.data.Dataset:
    return Data.zip((Data.from_tensor_slices(IMAGES), Data.counter()))


def augmented(image: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    seed = [1, number]
    image = tf.image.stateless_random_crop(image, [4, 4, 3], seed=seed)
    image = tf.image.stateless_random_flip_left_right(image, seed=seed)
    image = tf.image.stateless_random_contrast(image, 0.5, 1.5, seed=seed)
    return image + tf.random.stateless_normal([4, 4, 3], seed=seed)


def decoded(file: tf.Tensor) -> tf.Tensor:
    contents = tf.io.read_file(file)
    jpeg = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    png = tf.io.decode_png(contents, channels=3)
    return tf.image.resize(tf.cond(tf.io.is_jpeg(contents), lambda: jpeg, lambda: png), [4, 4]) / 255.0


def parsed(texts: tf.Tensor) -> Any:
    spec = {
        "a": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]),
        "b": tf.io.VarLenFeature(tf.int64),
        "c": tf.io.RaggedFeature(tf.string),
    }
    return tf.io.parse_example(texts, spec)


def checked(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x >= 0), [x]), tf.debugging.assert_rank(x, 1)]):
        return tf.debugging.check_numerics(tf.identity(x), "x")


CASES: dict[str, Callable[[], tf.data.Dataset]] = {
    "shuffle": lambda: rows().shuffle(3).shuffle(3, seed=1, reshuffle_each_iteration=True).map(lambda x: x * 2.0),
    "seeded shuffle in interleave": lambda: rows().interleave(lambda x: rows().shuffle(3, seed=1).cache().repeat(2)),
    "cache, repeat, take, skip": lambda: rows().cache().repeat(2).take(3).skip(1).prefetch(1).enumerate(),
    "options": lambda: rows().map(lambda x: x * 2.0, num_parallel_calls=2).with_options(tf.data.Options()),
    "batches": lambda: rows().batch(2).unbatch().padded_batch(2).unbatch().ragged_batch(2),
    "zip and concatenate": lambda: Data.zip((rows(), rows().concatenate(rows()))).shard(2, 0),
    "windows": lambda: rows().window(2).flat_map(lambda window: window.batch(2)),
    "buckets": lambda: rows().bucket_by_sequence_length(lambda x: tf.shape(x)[0], [2], [2, 2]),
    "sampled datasets": lambda: Data.sample_from_datasets([rows(), rows()], [0.5, 0.5], seed=1),
    "chosen datasets": lambda: Data.choose_from_datasets([rows(), rows()], Data.range(2)),
    "resampled": lambda: rows().rejection_resample(lambda x: tf.cast(x[0] > 4, tf.int32), [0.5, 0.5], seed=1),
    "random numbers as data": lambda: Data.zip((rows(), Data.random(seed=1))).map(lambda x, seed: x),
    "captured dataset": lambda: (lambda other: rows().flat_map(lambda x: other))(rows().map(lambda x: x + 1.0)),
    "a reduction over a dataset": lambda: rows().map(lambda x: Data.range(3).reduce(x, lambda s, _: s * 2.0)),
    "generator": lambda: Data.from_generator(lambda: iter(ROWS), output_signature=tf.TensorSpec([3])).batch(2),
    "generators in interleave": lambda: rows().interleave(
        lambda x: Data.from_generator(lambda: iter(ROWS), output_signature=tf.TensorSpec([3]))
    ),
    "text files": lambda: Data.list_files("/etc/host*", shuffle=True).interleave(tf.data.TextLineDataset),
    "records": lambda: (
        tf.data.TFRecordDataset(["none.gz"], compression_type="GZIP", num_parallel_reads=2).batch(2).map(parsed)
    ),
    "parsed to sparse and ragged": lambda: (
        Data.from_tensors(b"").batch(1).map(lambda x: tf.sparse.to_dense(parsed(x)["b"]))
    ),
    "images": lambda: Data.from_tensor_slices(["a.png"]).map(decoded, num_parallel_calls=2).batch(2),
    "stateless augmentation": lambda: seeded().map(augmented, num_parallel_calls=2).batch(2),
    "strings": lambda: Data.from_tensor_slices(["1 2"]).map(
        lambda x: tf.strings.to_number(tf.strings.split(tf.strings.regex_replace(x, "2", "3")))
    ),
    "sparse and ragged": lambda: (
        rows().batch(2).map(lambda x: tf.RaggedTensor.from_tensor(tf.sparse.to_dense(tf.sparse.from_dense(x))))
    ),
    "checks": lambda: rows().map(checked),
    "cond and while": lambda: rows().map(
        lambda x: tf.while_loop(lambda y: y[0] < 9, lambda y: [y + 1], [tf.cond(x[0] > 0, lambda: x, lambda: -x)])[0]
    ),
    "case and switch": lambda: rows().map(lambda x: tf.switch_case(tf.cast(x[0], tf.int32), [lambda: x, lambda: -x])),
    "map_fn": lambda: rows().batch(2).map(lambda x: tf.map_fn(lambda row: row / 2.0, x)),
    "tf.function in a map": lambda: rows().map(tf.function(lambda x: x * 2.0)),
    "numpy arrays": lambda: rows().batch(2).map(lambda x: (x - ROWS.mean(0)) / ROWS.std(0)),
    "scan": lambda: rows().scan(np.int64(0), lambda count, x: (count + 1, (count, x))),
    "large arrays": lambda: Data.from_tensor_slices(np.zeros((2000, 10), np.float32)).batch(2).map(lambda x: x * 2.0),
}


@pytest.mark.parametrize("case", CASES)
def test_it_passes(case: str) -> None:
    assert assert_frozen(CASES[case]()) is None


@pytest.mark.parametrize("options", [{}, {"shuffle": True, "seed": 3, "repeat": True, "drop_remainder": True}])
def test_the_projects_own_datasets_pass(tmp_path: Path, options: Any) -> None:
    plan = plan_of(
        feature("a", "FLOAT", "z_score", "missing=indicator"),
        feature("b", "FLOAT", "min_max", "nonfinite=clip", shape="2"),
        feature("c", "BYTES", "category"),
        feature("d", "FLOAT", "z_score_per_key:c"),
        feature("e", "FLOAT", "robust", "missing=error", shape=""),
        feature("y", "BYTES", "label", shape=""),
    )
    table = [
        {
            "a": float(i),
            "b": [float(i), 1.0],
            "c": b"ab"[i % 2 : i % 2 + 1],
            "d": i / 3,
            "e": i / 7,
            "y": b"xy"[i % 2 : i % 2 + 1],
        }
        for i in range(6)
    ]
    frozen = write_transform_graph(plan, table, tmp_path)
    assert_frozen(frozen)
    files = [str(write_records(plan, table, tmp_path / name)) for name in ("1.tfrecord.gz", "2.tfrecord")]
    assert_frozen(normalized_dataset(files, frozen, batch_size=2, **options))


def test_reading_a_dataset_changes_nothing_of_it() -> None:
    given = rows().shuffle(4, seed=1).batch(2).map(lambda x: x * 2.0)
    before = [batch.numpy().tolist() for batch in rows().shuffle(4, seed=1).batch(2).map(lambda x: x * 2.0)]
    assert_frozen(given)
    assert [batch.numpy().tolist() for batch in given] == before


def test_keras_layers_without_statistics_pass() -> None:
    import keras

    rescaling = keras.layers.Rescaling(1 / 255.0)
    assert_frozen(rows().batch(2).map(rescaling))
    assert_frozen(rows().batch(2).map(lambda x: rescaling(x)))


def test_stored_datasets_pass(tmp_path: Path) -> None:
    rows().save(str(tmp_path / "saved"))
    assert_frozen(Data.load(str(tmp_path / "saved")).map(lambda x: x * 2.0))
    assert_frozen(rows().snapshot(str(tmp_path / "snapshot")).map(lambda x: x * 2.0))
