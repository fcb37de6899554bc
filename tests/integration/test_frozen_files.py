"""A frozen transform as files: written, read, moved, damaged, and inside an exported model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, serialized, tensors, write_transform_graph

from components import FrozenTransform, NormalizationConstants
from components.constants import DigestError
from components.errors import DataError, InputError, NotFrozenError
from components.trainer.model import ModelSpec, build_model
from components.trainer.serving import export

PLAN = plan_of(
    feature("x (m)", "FLOAT", "z_score"),
    feature("steps", "FLOAT", "z_score", shape="variable"),
    feature("k", "BYTES", "category"),
    feature("y", "INT", "label", shape=""),
)
TRAIN = [{"x (m)": x, "steps": [x, 2.0], "k": b"ab"[i % 2 : i % 2 + 1], "y": i % 2} for i, x in enumerate([1.0, 3, 8])]


@pytest.fixture
def frozen(tmp_path: Path) -> FrozenTransform:
    return write_transform_graph(PLAN, TRAIN, tmp_path / "graph")


@pytest.fixture
def folder(frozen: FrozenTransform, tmp_path: Path) -> Path:
    frozen.save(tmp_path / "frozen")
    return tmp_path / "frozen"


def values(frozen: FrozenTransform) -> dict[str, list[object]]:
    outputs = frozen(tensors(PLAN, TRAIN))
    dense = {n: tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x for n, x in outputs.items()}
    return {name: x.numpy().tolist() for name, x in dense.items()}


def test_two_files_are_the_whole_of_it(frozen: FrozenTransform, folder: Path, tmp_path: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == ["constants.json", "frozen_transform.pb"]
    folder.rename(tmp_path / "elsewhere")
    again = FrozenTransform.load(tmp_path / "elsewhere")
    assert (again.digest, again.plan, again.captured_inputs) == (frozen.digest, frozen.plan, ())
    assert values(again) == values(frozen)


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    FrozenTransform.load(folder).save(tmp_path / "again")
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_the_constants_name_the_graphs_sha256_which_is_no_part_of_their_digest(
    frozen: FrozenTransform, folder: Path
) -> None:
    found = NormalizationConstants.load(folder)
    assert json.loads((folder / "constants.json").read_text())["frozen_graph_sha256"] == found.graph_sha256
    assert found.digest == frozen.digest
    output = subprocess.run(["sha256sum", folder / "frozen_transform.pb"], capture_output=True, text=True, check=True)
    assert output.stdout.split()[0] == found.graph_sha256


def test_another_graph_beside_the_constants_is_refused(folder: Path, tmp_path: Path) -> None:
    other = [{**row, "x (m)": row["x (m)"] + 1} for row in TRAIN]
    write_transform_graph(PLAN, other, tmp_path / "other").save(tmp_path / "b")
    (folder / "frozen_transform.pb").write_bytes((tmp_path / "b" / "frozen_transform.pb").read_bytes())
    with pytest.raises(DigestError, match="One of them was edited or replaced"):
        FrozenTransform.load(folder)


def test_one_turned_bit_of_the_graph_is_refused(folder: Path) -> None:
    content = bytearray((folder / "frozen_transform.pb").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "frozen_transform.pb").write_bytes(content)
    with pytest.raises(DigestError):
        FrozenTransform.load(folder)


def test_an_edited_constant_is_refused(folder: Path) -> None:
    text = (folder / "constants.json").read_text()
    assert '"mean": 4.0' in text
    (folder / "constants.json").write_text(text.replace('"mean": 4.0', '"mean": 4.5'))
    with pytest.raises(DigestError, match=r"'x \(m\)' has mean 4\.5"):
        FrozenTransform.load(folder)


def test_a_graph_without_its_constants_is_an_error(folder: Path) -> None:
    (folder / "constants.json").unlink()
    with pytest.raises(DataError, match=r"No constants at .*constants\.json"):
        FrozenTransform.load(folder)


def test_an_exported_model_gives_its_transform_back(frozen: FrozenTransform, tmp_path: Path) -> None:
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    model(frozen(tensors(PLAN, TRAIN, label=False)))
    export(model, frozen, "binary", str(tmp_path / "model"), str(tmp_path / "scratch"))
    again = FrozenTransform.load(tmp_path / "model")
    assert values(again) == values(frozen)
    assert NormalizationConstants.load(tmp_path / "model" / "assets").digest == frozen.digest


def test_without_eager_execution_a_saved_transform_loads_and_a_transform_graph_says_what_to_do(
    frozen: FrozenTransform, folder: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, tensorflow as tf\n"
        "tf.compat.v1.disable_eager_execution()\n"
        "from components import FrozenTransform\n"
        "from components.errors import DataError\n"
        "print(FrozenTransform.load(sys.argv[1]).digest)\n"
        "try:\n    FrozenTransform.load(sys.argv[2])\nexcept DataError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "graph")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    digest, error = done.stdout.splitlines()
    assert digest == frozen.digest
    assert "Write it once in a process with eager execution by FrozenTransform.load(...).save(folder)" in error


def _table_lookup(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return TABLE.lookup(raw["k"])


def _variable(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return raw["x"] * STATISTIC


def _python(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.ensure_shape(tf.py_function(lambda x: x, [raw["x"]], tf.float32), [None])


def _random(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return raw["x"] + tf.random.uniform([])


TABLE = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([b"a"], [1]), 0)
STATISTIC = tf.Variable(2.0)


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (_table_lookup, "LookupTableFindV2 "),
        (_variable, "ReadVariableOp "),
        (_python, "EagerPyFunc "),
        (_random, "RandomUniform "),
    ],
)
def test_a_transform_graph_with_state_is_refused_by_the_name_of_each_op(
    tmp_path: Path, function: object, op: str
) -> None:
    module = tf.Module()
    module.table, module.statistic = TABLE, STATISTIC
    spec = {"x": tf.TensorSpec([None], tf.float32), "k": tf.TensorSpec([None], tf.string)}
    module.transform_fn = tf.function(lambda raw: {"x": raw["x"], "y": function(raw)}, [spec])  # type: ignore[operator]
    tf.saved_model.save(module, str(tmp_path / "transform_fn"))
    with pytest.raises(NotFrozenError) as caught:
        FrozenTransform.load(tmp_path)
    assert op in str(caught.value)
    assert isinstance(caught.value, InputError)


def test_a_sparse_float_column_may_be_given_to_a_graph_that_takes_it_dense(frozen: FrozenTransform) -> None:
    from components.transform.trace import frozen_graph

    traced = FrozenTransform(frozen_graph(frozen.constants))
    assert len(traced.graph.inputs["x (m)"]) == 1
    raw = tensors(PLAN, [TRAIN[0], {"y": 1}, {"k": b"zz", "y": 0}])
    assert isinstance(raw["x (m)"], tf.SparseTensor)
    outputs, expected = traced(raw), frozen(raw)
    for name in ("x_m", "k"):
        assert outputs[name].numpy().tobytes() == expected[name].numpy().tobytes()


def test_a_traced_transform_reads_an_empty_example(frozen: FrozenTransform) -> None:
    from components.transform.trace import frozen_graph

    traced = FrozenTransform(frozen_graph(frozen.constants))
    outputs = traced(traced.parse(tf.constant([serialized(PLAN, {})]), label=False))
    assert outputs["x_m"].numpy().tolist() == [0]
    assert outputs["k"].numpy().tolist() == [0]
    assert outputs["steps"].values.shape == (0,)
