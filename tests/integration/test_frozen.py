"""FrozenTransform on a graph that tf.Transform itself analysed and wrote."""

import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, constants_of, feature, plan_of, serialized, tensors, write_transform_graph

from components import FrozenTransform, NormalizationConstants
from components.errors import DataError

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
PLAN = plan_of(
    feature("dep delay", "FLOAT", "z_score", "missing=indicator", "log1p"),
    feature("distance", "INT", "z_score", shape=""),
    feature("pair", "FLOAT", "z_score", "clip=1.5", shape="2"),
    feature("share", "FLOAT", "min_max", "nonfinite=clip"),
    feature("same", "FLOAT", "z_score"),
    feature("carrier", "BYTES", "category"),
    feature("month", "INT", "category", shape=""),
    feature("id", "INT", "passthrough", shape=""),
    feature("late", "BYTES", "label", shape=""),
)


def table(rows: int) -> list[Row]:
    """Rows with every irregularity that the plan allows."""
    random = np.random.default_rng(11)
    carriers = [b"UA", b"UA\0", b"\xff", b"", None]
    made = []
    for i in range(rows):
        share = float(random.choice([0.25, 0.5, np.nan, np.inf, -np.inf, 3.75]))
        made.append(
            {
                "dep delay": None if i % 7 == 0 else float(random.gamma(2, 20)),
                "distance": int(random.integers(100, 3000)),
                "pair": [float(x) for x in random.normal(1e5, 1, 2)],
                "share": share,
                "same": 4.25,
                "carrier": carriers[int(random.choice(5, p=[0.4, 0.25, 0.15, 0.1, 0.1]))],
                "month": int(random.integers(1, 13)),
                "id": i,
                "late": bytes(random.choice([b"no", b"yes"])),
            }
        )
    return made


TRAIN = table(300)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a transform graph, analysed and written by tf.Transform on Beam."""
    import apache_beam as beam
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam

    from components.transform.preprocessing import preprocessing_fn

    folder = tmp_path_factory.mktemp("graph")
    feature_spec = {
        item.name: tf.io.FixedLenFeature(item.shape, _dtype(item.dtype))
        if item.dense
        else tf.io.VarLenFeature(_dtype(item.dtype))
        for item in PLAN.features
    }
    metadata = tft.DatasetMetadata.from_feature_spec(feature_spec)
    with (
        beam.Pipeline(argv=[RUNNER]) as pipeline,
        tft_beam.Context(temp_dir=str(folder / "tmp"), desired_batch_size=64),
    ):
        raw = pipeline | "Create" >> beam.Create([_instance(row) for row in TRAIN])
        function = functools.partial(preprocessing_fn, custom_config={"feature_plan": PLAN.to_json()})
        analysed = (raw, metadata) | "Analyze" >> tft_beam.AnalyzeDataset(function)
        _ = analysed | "Write" >> tft_beam.WriteTransformFn(str(folder))
    return folder


def _dtype(name: str) -> tf.DType:
    return tf.string if name == "bytes" else tf.dtypes.as_dtype(name)


def _instance(row: Row) -> dict[str, Any]:
    """The row as tf.Transform takes it: a list where a value may be absent."""
    return {
        item.name: row[item.name] if item.dense else [] if row[item.name] is None else [row[item.name]]
        for item in PLAN.features
    }


@pytest.fixture(scope="module")
def frozen(graph: Path) -> FrozenTransform:
    return FrozenTransform.load(graph)


def bits(outputs: Mapping[str, tf.Tensor]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    arrays = {name: np.asarray(output) for name, output in outputs.items()}
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in arrays.items()}


def records(rows: Sequence[Row]) -> tf.Tensor:
    return tf.constant([serialized(PLAN, row) for row in rows])


@pytest.mark.beam
def test_constants_come_back_with_the_digest_of_a_direct_computation(frozen: FrozenTransform) -> None:
    direct = constants_of(PLAN, TRAIN)
    assert frozen.digest == direct.digest
    assert isinstance(frozen.constants, NormalizationConstants)
    assert frozen.constants.plan == frozen.plan == PLAN
    assert frozen.constants.rows == 300
    # By another library, and by hand:
    assert float(frozen.constants["distance"].mean) == np.mean([row["distance"] for row in TRAIN])
    np.testing.assert_allclose(
        frozen.constants["pair"].sigma,
        np.std(np.float32([row["pair"] for row in TRAIN]), axis=0, dtype=np.float64),
        rtol=1e-9,
    )
    assert [key for key, _ in frozen.constants["carrier"].vocabulary] == [b"UA", b"UA\0", b"\xff", b""]
    assert int(frozen.constants["dep delay"].missing) == 43


@pytest.mark.beam
def test_nothing_is_captured_and_nothing_has_state(frozen: FrozenTransform) -> None:
    assert frozen.captured_inputs == ()
    with_label = tf.function(lambda raw: frozen(raw)).get_concrete_function(tensors(PLAN, TRAIN[:2]))
    assert with_label.captured_inputs == []
    operations = with_label.graph.get_operations()
    assert not with_label.graph.as_graph_def().library.function
    # The checks of the ``error`` policies, here of an unseen label, are the one thing allowed.
    assert {op.type for op in operations if op.op_def.is_stateful} - {"Placeholder"} == {"Assert"}
    types = {op.type for op in operations}
    assert {"Const", "Placeholder"} < types
    assert not {name for name in types if any(word in name for word in ("Variable", "Table", "PyFunc", "VarHandle"))}
    # What was decoded from the analyzer's strings is folded away.
    assert "DecodeRaw" not in types


@pytest.mark.beam
def test_no_division_by_a_constant_stands_in_the_graph(frozen: FrozenTransform) -> None:
    """TensorFlow's optimizer turns those into multiplications, with other bits in a map than in eager mode."""
    function = tf.function(lambda raw: frozen(raw)).get_concrete_function(tensors(PLAN, TRAIN[:2]))
    assert not {op.type for op in function.graph.get_operations()} & {"Div", "RealDiv", "TruncateDiv"}


@pytest.mark.beam
def test_the_same_bits_eagerly_in_functions_and_in_maps(frozen: FrozenTransform) -> None:
    rows = table(97)
    raw = frozen.parse(records(rows))
    expected = bits(frozen(raw))
    assert len(expected) == 10

    def in_map(calls: int) -> dict[str, Any]:
        batches = tf.data.Dataset.from_tensors(records(rows)).repeat(3)
        mapped = list(batches.map(lambda texts: frozen(frozen.parse(texts)), num_parallel_calls=calls))
        first, second, third = map(bits, mapped)
        assert first == second == third
        return first

    assert bits(tf.function(lambda: frozen(raw))()) == expected
    assert bits(tf.function(lambda texts: frozen(frozen.parse(texts)))(records(rows))) == expected
    assert in_map(tf.data.AUTOTUNE) == expected
    assert in_map(2) == expected


@pytest.mark.beam
def test_a_row_alone_has_the_bits_that_it_has_in_a_batch(frozen: FrozenTransform) -> None:
    rows = table(9)
    batch = frozen(tensors(PLAN, rows))
    for i, row in enumerate(rows):
        assert bits(frozen(tensors(PLAN, [row]))) == bits({name: values[i : i + 1] for name, values in batch.items()})


@pytest.mark.beam
def test_the_bits_are_those_of_tf_transforms_own_graph(frozen: FrozenTransform, graph: Path) -> None:
    import tensorflow_transform as tft

    raw = tensors(PLAN, table(97))
    assert bits(frozen(raw)) == bits(tft.TFTransformOutput(str(graph)).transform_raw_features(raw))


@pytest.mark.beam
def test_values_are_those_of_numpy(frozen: FrozenTransform) -> None:
    found = frozen(tensors(PLAN, TRAIN))
    distance = np.array([row["distance"] for row in TRAIN], np.float64)
    np.testing.assert_array_max_ulp(
        found["distance"].numpy(), ((distance - distance.mean()) / distance.std()).astype(np.float32), maxulp=2
    )
    assert not found["same"].numpy().any()
    assert found["dep_delay_missing"].numpy().tolist() == [float(i % 7 == 0) for i in range(300)]
    assert found["carrier"].numpy().tolist() == [
        {b"UA": 1, b"UA\0": 2, b"\xff": 3, b"": 4, None: 0}[row["carrier"]] for row in TRAIN
    ]
    assert found["late"].numpy().tolist() == [int(row["late"] == b"yes") for row in TRAIN]


@pytest.mark.beam
def test_the_label_may_be_left_out(frozen: FrozenTransform) -> None:
    rows = table(5)
    with_label, without = frozen(tensors(PLAN, rows)), frozen(tensors(PLAN, rows, label=False))
    assert set(with_label) - set(without) == {"late"}
    assert bits(without) == {name: value for name, value in bits(with_label).items() if name != "late"}
    unlabelled = [{name: value for name, value in row.items() if name != "late"} for row in rows]
    assert bits(frozen(frozen.parse(records(unlabelled), label=False))) == bits(without)


@pytest.mark.beam
def test_columns_that_the_plan_does_not_know_are_ignored(frozen: FrozenTransform) -> None:
    raw = tensors(PLAN, table(3))
    assert bits(frozen({**raw, "unknown": tf.constant([1, 2, 3])})) == bits(frozen(raw))


@pytest.mark.beam
def test_ragged_columns_are_taken_as_sparse(frozen: FrozenTransform) -> None:
    rows = table(20)
    raw = tensors(PLAN, rows)
    assert bits(frozen({**raw, "share": tf.RaggedTensor.from_sparse(raw["share"])})) == bits(frozen(raw))


@pytest.mark.beam
def test_missing_features_are_named(frozen: FrozenTransform) -> None:
    raw = tensors(PLAN, table(3))
    del raw["distance"], raw["dep delay"]
    with pytest.raises(ValueError, match=r"needs the features \['dep delay', 'distance'\]"):
        frozen(raw)


@pytest.mark.parametrize("shape", ["", "1", "3"])
def test_an_absent_value_of_a_complete_column_follows_its_policy(tmp_path: Path, shape: str) -> None:
    def values(x: float) -> Any:
        return np.full([int(shape)] if shape else [], x).tolist()

    def parsed(policy: str, row: Row) -> dict[str, Any]:
        plan = plan_of(
            feature("x", "FLOAT", "z_score", f"missing={policy}", shape=shape),
            feature("k", "BYTES", "category", shape=""),
        )
        train = [{"x": values(x), "k": b"a"} for x in (1, 3)]
        frozen = write_transform_graph(plan, train, tmp_path / policy.replace(":", ""))
        outputs = frozen(frozen.parse(tf.constant([serialized(plan, row)])))
        return {name: np.unique(output.numpy()).tolist() for name, output in outputs.items()}

    assert parsed("mean", {}) == {"x": [0], "k": [0]}
    assert parsed("constant:5", {}) == {"x": [3], "k": [0]}
    assert parsed("indicator", {}) == {"x": [0], "x_missing": [1], "k": [0]}
    assert parsed("error", {"x": values(3), "k": b"a"}) == {"x": [1], "k": [1]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature: x"):
        parsed("error", {})


def test_one_transform_serves_two_maps(tmp_path: Path) -> None:
    """A preset Keras Normalization layer raises in its second map."""
    plan = plan_of(feature("x", "FLOAT", "z_score", shape=""))
    frozen = write_transform_graph(plan, [{"x": 1.0}, {"x": 3.0}], tmp_path)
    maps = [tf.data.Dataset.from_tensors({"x": [1.0, 3.0]}).map(frozen, num_parallel_calls=2) for _ in range(2)]
    assert [next(iter(one))["x"].numpy().tolist() for one in maps] == [[-1, 1], [-1, 1]]


def test_loading_takes_paths_with_and_without_a_trailing_slash(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", shape=""))
    digest = write_transform_graph(plan, [{"x": 1.0}, {"x": 3.0}], tmp_path).digest
    assert FrozenTransform.load(f"{tmp_path}/").digest == FrozenTransform.load(str(tmp_path)).digest == digest


def test_no_graph_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"No transform graph at {tmp_path}/none: there is neither"):
        FrozenTransform.load(tmp_path / "none")


@pytest.mark.parametrize("name", ["transform_fn", "other"])
def test_a_graph_without_our_constants_is_an_error(tmp_path: Path, name: str) -> None:
    module = tf.Module()
    function = tf.function(lambda raw: {"x": raw["x"] * 2.0}, [{"x": tf.TensorSpec([None], tf.float32)}])
    setattr(module, name, function)
    tf.saved_model.save(module, str(tmp_path / "transform_fn"))
    problem = "holds no normalization constants" if name == "transform_fn" else "holds no transform_fn"
    with pytest.raises(DataError, match=problem):
        FrozenTransform.load(tmp_path)


@pytest.mark.beam
def test_another_process_finds_the_same_digest_and_bits_without_tf_transform(
    frozen: FrozenTransform, graph: Path
) -> None:
    code = (
        "import sys, json, hashlib, tensorflow as tf\n"
        "from components import FrozenTransform\n"
        f"frozen = FrozenTransform.load({str(graph)!r})\n"
        f"raw = frozen.parse(tf.constant([bytes.fromhex(text) for text in json.load(sys.stdin)]))\n"
        "digests = {name: hashlib.sha256(x.numpy().tobytes()).hexdigest() for name, x in frozen(raw).items()}\n"
        "assert 'tensorflow_transform' not in sys.modules\n"
        "print(json.dumps([frozen.digest, digests]))"
    )
    texts = records(table(50))
    sent = json.dumps([text.hex() for text in texts.numpy()])
    answer = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    here = {name: hashlib.sha256(x.numpy().tobytes()).hexdigest() for name, x in frozen(frozen.parse(texts)).items()}
    assert json.loads(answer.stdout) == [frozen.digest, here]
