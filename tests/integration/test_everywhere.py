"""The same bits in every place where TensorFlow runs a graph, with either Keras, in either order of imports."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import everywhere
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, feature, plan_of, serialized, write_records, write_transform_graph
from worker_pool import free_port

from components import FrozenTransform

REPOSITORY = Path(__file__).resolve().parents[2]
PLAN = plan_of(
    feature("dep delay", "FLOAT", "z_score", "missing=indicator", "log1p"),
    feature("distance", "INT", "z_score", shape=""),
    feature("pair", "FLOAT", "z_score", "clip=1.5", shape="2"),
    feature("share", "FLOAT", "min_max", "nonfinite=clip"),
    feature("fare", "FLOAT", "robust"),
    feature("taxi", "FLOAT", "z_score_per_key:carrier"),
    feature("same", "FLOAT", "z_score"),
    feature("carrier", "BYTES", "category"),
    feature("month", "INT", "category", shape=""),
    feature("id", "INT", "passthrough", shape=""),
    feature("late", "BYTES", "label", shape=""),
)
PLACES = {
    "eager": {"eager", "tf.function", "first map", "second map", "evaluation map", "tf.data service"},
    "graph": {"one-shot iterator", "initializable iterator"},
}
CELLS = [(keras, order) for keras in ("keras", "tf_keras") for order in ("keras first", "components first")]
# One cell of the matrix for every day; all of them by ``make prove``.
EVERY_DAY = ("tf_keras", "components first")
MATRIX = [pytest.param(*cell, marks=() if cell == EVERY_DAY else pytest.mark.prove) for cell in CELLS]
SECONDS = 300

SERVE = """
import json, sys
sys.path.insert(0, sys.argv[3])
import everywhere
import tensorflow as tf
assert "components" not in sys.modules
serve = tf.saved_model.load(sys.argv[1]).signatures["transform_features"]
batches = [serve(examples=batch) for batch in tf.data.TFRecordDataset(sys.argv[2]).batch(everywhere.BATCH)]
print(json.dumps(everywhere.digest(batches)))
"""


def table(rows: int) -> list[Row]:
    random = np.random.default_rng(5)
    shares = [0.25, 0.5, np.nan, np.inf, -np.inf, 3.75]
    return [
        {
            "dep delay": None if i % 7 == 0 else float(random.gamma(2, 20)),
            "distance": int(random.integers(100, 3000)),
            "pair": [float(x) for x in random.normal(1e5, 1, 2)],
            "share": float(random.choice(shares)),
            "fare": float(random.lognormal(3, 1)),
            "taxi": float(random.normal(1e4, 1)),
            "same": 4.25,
            "carrier": [b"UA", b"AA\0", b"\xff", None][i % 4],
            "month": int(random.integers(1, 13)),
            "id": i,
            "late": [b"no", b"yes"][i % 2],
        }
        for i in range(rows)
    ]


ROWS = table(97)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenTransform:
    folder = tmp_path_factory.mktemp("graph")
    frozen = write_transform_graph(PLAN, table(300), folder)
    frozen.save(folder / "frozen")
    return frozen


@pytest.fixture(scope="module")
def folder(frozen: FrozenTransform, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("frozen")
    frozen.save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_records(PLAN, ROWS, tmp_path_factory.mktemp("records") / "rows"))


def expected(frozen: FrozenTransform, rows: list[Row], *, label: bool = True) -> str:
    """One eager call here, of all rows at once."""
    texts = tf.constant([serialized(PLAN, row) for row in rows])
    return everywhere.digest([frozen(frozen.parse(texts, label=label))])


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "tests" / "support" / "everywhere.py"), *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> Mapping[str, Any]:
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err[-3000:]
    found: Mapping[str, Any] = json.loads(out.splitlines()[-1])
    return found


@pytest.mark.parametrize(("keras", "order"), MATRIX)
@pytest.mark.parametrize("where", list(PLACES))
def test_a_fresh_process_has_the_same_bits(
    where: str, keras: str, order: str, frozen: FrozenTransform, folder: str, records: str
) -> None:
    found = answer(start(where, keras, order, folder, records))
    assert found == dict.fromkeys(PLACES[where], expected(frozen, ROWS))


@pytest.mark.parametrize(("keras", "order"), MATRIX)
def test_two_workers_have_the_same_bits_each_of_its_half(
    keras: str, order: str, frozen: FrozenTransform, folder: str, records: str
) -> None:
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    processes = [
        start(
            *("worker", keras, order, folder, records),
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}),
        )
        for i in range(2)
    ]
    for i, found in enumerate(map(answer, processes)):
        assert found == {f"worker {i} of MultiWorkerMirroredStrategy": expected(frozen, ROWS[i::2])}


@pytest.mark.parametrize("library", ["keras", pytest.param("tf_keras", marks=pytest.mark.prove)])
def test_a_served_model_has_the_same_bits_where_there_is_tensorflow_only(
    library: str, frozen: FrozenTransform, records: str, tmp_path: Path
) -> None:
    """A SavedModel around the transform alone, so that a model of either Keras may stand beside it."""
    module = tf.Module()
    keras = __import__(library)
    module.model = keras.Sequential([keras.layers.Dense(1)])
    module.model(tf.ones([1, 2]))
    serve = tf.function(lambda examples: frozen(frozen.parse(examples, label=False)), autograph=False)
    signature = serve.get_concrete_function(examples=tf.TensorSpec([None], tf.string))
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"transform_features": signature})
    command = [
        sys.executable,
        "-I",
        "-c",
        SERVE,
        str(tmp_path / "model"),
        records,
        str(Path(everywhere.__file__).parent),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == expected(frozen, ROWS, label=False)
