"""normalized_dataset: raw tf.Examples in files to normalized batches."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, serialized, write_records, write_transform_graph

from components import FrozenTransform, normalized_dataset
from components.errors import ConfigError, DataError

PLAN = plan_of(
    feature("x", "FLOAT", "z_score"),
    feature("id", "INT", "passthrough", shape=""),
    feature("key", "BYTES", "category"),
    feature("y", "BYTES", "label"),
)
# x has mean 5 and sigma 2; b is the more frequent key.
TRAIN = [
    {"x": float(x), "id": i, "key": [b"a", b"b"][i % 3 > 0], "y": [b"no", b"yes"][x > 4]}
    for i, x in enumerate([2, 4, 4, 4, 5, 5, 7, 9])
]
ROWS = [{**TRAIN[i % 8], "id": i} for i in range(10)]
FEATURES = {"x", "id", "key"}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenTransform:
    return write_transform_graph(PLAN, TRAIN, tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_records(PLAN, ROWS[:4], folder / "a-0.tfrecord")
    write_records(PLAN, ROWS[4:7], folder / "a-1.tfrecord.gz")
    write_records(PLAN, ROWS[7:], folder / "a-2.tfrecord.gz")
    return folder


def ids(dataset: tf.data.Dataset) -> list[int]:
    return [int(row) for features, _ in dataset for row in features["id"]]


def test_batches_hold_model_features_and_the_label_apart(frozen: FrozenTransform, folder: Path) -> None:
    ((features, label),) = normalized_dataset(folder / "a-0.tfrecord", frozen, batch_size=4)
    assert set(features) == FEATURES
    assert features["x"].numpy().tolist() == [-1.5, -0.5, -0.5, -0.5]
    assert features["key"].numpy().tolist() == [2, 1, 1, 2]
    assert (label.dtype, label.numpy().tolist()) == (tf.int64, [0, 0, 0, 0])


def test_without_a_label_in_the_schema_batches_are_features_alone(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"))
    rows = [{"x": 1.0}, {"x": 3.0}]
    dataset = normalized_dataset(
        write_records(plan, rows, tmp_path / "r"), write_transform_graph(plan, rows, tmp_path), batch_size=2
    )
    (features,) = dataset
    assert {name: values.numpy().tolist() for name, values in features.items()} == {"x": [-1, 1]}


def test_gzip_and_plain_files_are_read_together(frozen: FrozenTransform, folder: Path) -> None:
    assert sorted(ids(normalized_dataset(folder / "a-*", frozen, batch_size=3))) == list(range(10))


def test_files_may_be_a_list_of_names_and_globs(frozen: FrozenTransform, folder: Path) -> None:
    given = [folder / "a-0.tfrecord", str(folder / "a-2*.gz")]
    assert sorted(ids(normalized_dataset(given, frozen, batch_size=3))) == [0, 1, 2, 3, 7, 8, 9]


@pytest.mark.parametrize(("drop_remainder", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_the_last_batch_is_smaller_or_dropped(
    frozen: FrozenTransform, folder: Path, drop_remainder: bool, sizes: list[int]
) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=4, drop_remainder=drop_remainder)
    assert [len(label) for _, label in dataset] == sizes


def test_without_a_shuffle_every_pass_has_the_same_order(frozen: FrozenTransform, folder: Path) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=1)
    assert ids(dataset) == ids(dataset)


def test_a_shuffle_is_repeatable_by_its_seed_and_new_in_each_pass(frozen: FrozenTransform, folder: Path) -> None:
    first, again, other = (
        normalized_dataset(folder / "a-*", frozen, batch_size=3, shuffle=True, seed=seed) for seed in (1, 1, 2)
    )
    passes = [ids(first), ids(first)]
    assert [ids(again), ids(again)] == passes
    assert passes[0] != passes[1]
    assert ids(other) != passes[0]
    assert [sorted(one) for one in passes] == [list(range(10))] * 2


def test_repeat_goes_on_after_the_last_record(frozen: FrozenTransform, folder: Path) -> None:
    dataset = normalized_dataset(folder / "a-0.tfrecord", frozen, batch_size=3, repeat=True)
    assert ids(dataset.take(3)) == [0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_batches_have_the_bits_of_an_eager_call(frozen: FrozenTransform, folder: Path) -> None:
    (mapped, label) = next(iter(normalized_dataset(folder / "a-*", frozen, batch_size=10)))
    rows = [ROWS[int(i)] for i in mapped["id"]]
    eager = frozen(frozen.parse(tf.constant([serialized(PLAN, row) for row in rows])))
    assert {name: values.numpy().tobytes() for name, values in {**mapped, "y": label}.items()} == {
        name: values.numpy().tobytes() for name, values in eager.items()
    }


def parallel_maps(dataset: tf.data.Dataset) -> list[Any]:
    serialized_graph = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset))
    graph = tf.compat.v1.GraphDef.FromString(serialized_graph.numpy())
    return [node for node in graph.node if node.op == "ParallelMapDatasetV2"]


def test_parsing_and_normalizing_are_one_parallel_map_that_captures_nothing(
    frozen: FrozenTransform, folder: Path
) -> None:
    (node,) = parallel_maps(normalized_dataset(folder / "a-*", frozen, batch_size=4))
    assert list(node.attr["Targuments"].list.type) == []
    # A captured input would show up in there:
    statistic = tf.Variable(1.0)
    (captured,) = parallel_maps(tf.data.Dataset.range(3).map(lambda _: statistic * 2, num_parallel_calls=2))
    assert len(captured.attr["Targuments"].list.type) == 1


def test_a_row_without_its_optional_values_is_read(frozen: FrozenTransform, tmp_path: Path) -> None:
    file = write_records(PLAN, [{"id": 7, "y": b"yes"}], tmp_path / "r")
    ((features, label),) = normalized_dataset(file, frozen, batch_size=4)
    found = {name: values.numpy().tolist() for name, values in features.items()}
    assert (found, label.numpy().tolist()) == ({"x": [0], "id": [7], "key": [0]}, [1])


def test_a_label_that_the_training_split_lacks_names_its_feature(frozen: FrozenTransform, tmp_path: Path) -> None:
    file = write_records(PLAN, [{**ROWS[0], "y": b"perhaps"}], tmp_path / "r")
    # TensorFlow escapes the quotes here.
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Feature \\?'y\\?' has a label that the training split"):
        list(normalized_dataset(file, frozen, batch_size=4))


@pytest.mark.parametrize("as_list", [False, True])
def test_no_matching_file_is_an_error(frozen: FrozenTransform, tmp_path: Path, as_list: bool) -> None:
    pattern = f"{tmp_path}/none-*"
    with pytest.raises(DataError, match=r"No TFRecord file matches .*none-\*"):
        normalized_dataset([pattern] if as_list else pattern, frozen, batch_size=4)


def test_a_model_fits_on_the_batches(frozen: FrozenTransform, folder: Path) -> None:
    import keras

    x = keras.Input((), name="x")
    model = keras.Model({"x": x}, keras.layers.Dense(2)(keras.layers.Reshape((1,))(x)))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = normalized_dataset(folder / "a-*", frozen, batch_size=4).map(lambda f, y: ({"x": f["x"]}, y))
    history = model.fit(data, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_every_worker_has_whole_files_where_there_are_enough(frozen: FrozenTransform, folder: Path) -> None:
    shards = [ids(normalized_dataset(folder / "a-*", frozen, batch_size=2, shard=(i, 3))) for i in range(3)]
    assert shards == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_every_worker_has_every_other_row_where_there_are_not(frozen: FrozenTransform, folder: Path) -> None:
    file = folder / "a-0.tfrecord"
    shards = [ids(normalized_dataset(file, frozen, batch_size=2, shard=(i, 3))) for i in range(3)]
    assert shards == [[0, 3], [1], [2]]


def test_sharded_by_batch_the_workers_see_together_what_one_process_sees(frozen: FrozenTransform, folder: Path) -> None:
    options: Any = {"batch_size": 2, "shuffle": True, "seed": 4, "repeat": True, "skip_batches": 2}
    whole = ids(normalized_dataset(folder / "a-*", frozen, **options).take(6))
    shares = [
        ids(normalized_dataset(folder / "a-*", frozen, shard=(i, 2), shard_by="batch", **options).take(3))
        for i in range(2)
    ]
    in_turns = np.stack([np.reshape(share, (3, 2)) for share in shares], axis=1)
    assert in_turns.ravel().tolist() == whole


@pytest.mark.parametrize("shard", [(3, 3), (-1, 2), (0, 0)])
def test_a_shard_that_there_is_not_is_an_error(frozen: FrozenTransform, folder: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"shard must be \(index, count\)"):
        normalized_dataset(folder / "a-*", frozen, batch_size=2, shard=shard)


@pytest.mark.parametrize(
    "option", [{"batch_size": 0}, {"skip_batches": -1}, {"private_threads": -1}, {"shard_by": "batches"}]
)
def test_an_option_out_of_its_range_is_an_error(frozen: FrozenTransform, folder: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} must be"):
        normalized_dataset(folder / "a-*", frozen, **{"batch_size": 2, **option})


@pytest.mark.parametrize("shuffle", [False, 3])
def test_the_size_of_a_batch_is_part_of_its_shapes_if_none_is_smaller(
    frozen: FrozenTransform, folder: Path, shuffle: bool | int
) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=4, drop_remainder=True, shuffle=shuffle)
    features, label = dataset.element_spec
    assert {tuple(spec.shape) for spec in [*features.values(), label]} == {(4,)}
    assert sorted(len(labels) for _, labels in dataset) == [4, 4]


def test_skipped_batches_are_the_first_of_the_same_stream(frozen: FrozenTransform, folder: Path) -> None:
    options: Any = {"batch_size": 3, "shuffle": True, "seed": 4, "repeat": True}
    whole = ids(normalized_dataset(folder / "a-*", frozen, **options).take(9))
    assert ids(normalized_dataset(folder / "a-*", frozen, skip_batches=5, **options).take(4)) == whole[15:]


@pytest.mark.parametrize("in_file", [False, True])
def test_a_cache_keeps_the_records_and_shuffles_them_anew(
    frozen: FrozenTransform, folder: Path, tmp_path: Path, in_file: bool
) -> None:
    for name in ("a-0.tfrecord", "a-1.tfrecord.gz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    cache = str(tmp_path / "cache") if in_file else True
    dataset = normalized_dataset(tmp_path / "a-*", frozen, batch_size=2, shuffle=True, seed=1, cache=cache)
    first = ids(dataset)
    for file in tmp_path.glob("a-*"):
        file.unlink()
    second = ids(dataset)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def test_a_saved_iterator_goes_on_where_it_stood(frozen: FrozenTransform, folder: Path, tmp_path: Path) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=2, shuffle=True, seed=2)
    iterator = iter(dataset)
    [next(iterator) for _ in range(2)]
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "checkpoint"))
    rest = [features["id"].numpy().tolist() for features, _ in iterator]
    another = iter(dataset)
    tf.train.Checkpoint(iterator=another).read(path)
    assert [features["id"].numpy().tolist() for features, _ in another] == rest
    assert len(rest) == 3


def test_threads_of_its_own_change_nothing(frozen: FrozenTransform, folder: Path) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=3, private_threads=2)
    assert dataset.options().threading.private_threadpool_size == 2
    assert ids(dataset) == ids(normalized_dataset(folder / "a-*", frozen, batch_size=3))


def test_tf_distribute_shards_by_file_by_itself(frozen: FrozenTransform, folder: Path) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=2)
    assert dataset.options().experimental_distribute.auto_shard_policy == tf.data.experimental.AutoShardPolicy.AUTO
    sharded = normalized_dataset(folder / "a-*", frozen, batch_size=2, shard=(0, 2))
    assert sharded.options().experimental_distribute.auto_shard_policy == tf.data.experimental.AutoShardPolicy.OFF


MIRRORED = """
import sys, keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from components import FrozenTransform, normalized_dataset
frozen = FrozenTransform.load(sys.argv[1])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    x = keras.Input((), name="x")
    model = keras.Model({"x": x}, keras.layers.Dense(2)(keras.layers.Reshape((1,))(x)))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for shuffle in (False, True):
    data = normalized_dataset(sys.argv[2], frozen, batch_size=4, shuffle=shuffle).map(lambda f, y: ({"x": f["x"]}, y))
    assert np.isfinite(model.fit(data, validation_data=data, epochs=2, verbose=0).history["val_loss"]).all()
print(strategy.num_replicas_in_sync)
"""


def test_keras_fits_under_a_mirrored_strategy(frozen: FrozenTransform, folder: Path, tmp_path: Path) -> None:
    frozen.save(tmp_path)
    command = [sys.executable, "-c", MIRRORED, str(tmp_path), f"{folder}/a-*"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["2"]


def test_the_statistics_in_the_maps_graph_have_exactly_the_constants_bits(
    frozen: FrozenTransform, folder: Path
) -> None:
    dataset = normalized_dataset(folder / "a-*", frozen, batch_size=4)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset)).numpy()
    graph = tf.compat.v1.GraphDef.FromString(text)
    (node,) = parallel_maps(dataset)
    function = next(f for f in graph.library.function if f.signature.name == node.attr["f"].func.name)
    values = {
        float(x).hex()
        for inner in function.node_def
        if inner.op == "Const" and inner.attr["dtype"].type == tf.float64.as_datatype_enum
        for x in tf.make_ndarray(inner.attr["value"].tensor).ravel()
    }
    # By hand: the mean of TRAIN's x is 5, sigma is 2.
    assert {(5.0).hex(), (0.5).hex()} <= values
    constants = frozen.constants["x"]
    assert {float(constants.mean).hex(), (1 / float(constants.sigma)).hex()} <= values


WEIGHTED = plan_of(
    feature("x", "FLOAT", "z_score"),
    feature("w eight", "FLOAT", "weight"),
    feature("y", "INT", "label", shape=""),
)
WEIGHTED_ROWS = [{"x": x, "w eight": w, "y": y} for x, w, y in [(1, 1, 0), (3, 3, 2), (1, 3, 0), (3, 1, 4), (9, 0, 50)]]


def test_a_weight_comes_third_and_as_it_was(tmp_path: Path) -> None:
    file = write_records(WEIGHTED, WEIGHTED_ROWS, tmp_path / "r")
    frozen = write_transform_graph(WEIGHTED, WEIGHTED_ROWS, tmp_path)
    ((features, label, weight),) = normalized_dataset(file, frozen, batch_size=5)
    assert {name: values.numpy().tolist() for name, values in features.items()} == {"x": [-1, 1, -1, 1, 7]}
    assert label.numpy().tolist() == [0, 2, 0, 4, 50]
    assert (weight.dtype, weight.numpy().tolist()) == (tf.float32, [1, 3, 3, 1, 0])


def test_a_weight_without_a_label_still_comes_third(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("w", "INT", "weight"))
    rows = [{"x": 1, "w": 2}, {"x": 3, "w": 2}]
    file = write_records(plan, rows, tmp_path / "r")
    ((features, label, weight),) = normalized_dataset(file, write_transform_graph(plan, rows, tmp_path), batch_size=2)
    assert (list(features), label, weight.numpy().tolist()) == (["x"], None, [2, 2])


@pytest.mark.parametrize("kind", ["FLOAT", "INT"])
def test_keras_takes_the_weight_as_the_rows_sample_weight(tmp_path: Path, kind: str) -> None:
    import keras

    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("w", kind, "weight"), feature("y", "FLOAT", "label"))
    rows = [{"x": x, "w": w, "y": y} for x, w, y in [(1, 1, 0), (3, 3, 2), (1, 3, 0), (3, 1, 4), (9, 0, 50)]]
    file = write_records(plan, rows, tmp_path / "r")
    data = normalized_dataset(file, write_transform_graph(plan, rows, tmp_path), batch_size=5)
    x = keras.Input((), name="x")
    zero = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Reshape((1,))(x))
    model = keras.Model({"x": x}, zero)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    # The prediction is 0: sum of w * y**2 over the 5 rows of the batch.
    assert model.evaluate(data, verbose=0) == pytest.approx((3 * 4 + 1 * 16) / 5)
    assert model.fit(data, verbose=0).history["loss"] == pytest.approx([(3 * 4 + 1 * 16) / 5])
