"""Named tensors, the inverse signature, the Keras file and serve-check, on one exported model."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from graph_tables import Row, feature, plan_of, serialized, tensors, write_records, write_transform_graph
from tensorflow_metadata.proto.v0 import schema_pb2

from components import FeaturePlan, FrozenTransform, normalized_dataset
from components.frozen import graph_file
from components.parity.serve_check import serve_check as check
from components.trainer.model import ModelSpec, build_model
from components.trainer.serving import ServingModel, export
from components.trainer.serving import signatures as signatures_of
from pipeline.where import constants_at

REPOSITORY = Path(__file__).resolve().parents[2]
NAN = float("nan")
UNSERVED = feature("later", "FLOAT", "z_score").replace("annotation", 'not_in_environment: "SERVING" annotation', 1)
PLAN = FeaturePlan.from_schema(
    text_format.Parse(
        'default_environment: "SERVING"'
        + feature("temp (F)", "FLOAT", "z_score")
        + feature("wind", "INT", "z_score", "missing=indicator")
        + feature("pair", "FLOAT", "min_max", shape="2")
        + feature("taxi", "FLOAT", "z_score_per_key:tail")
        + feature("tail", "BYTES", "ignore")
        + feature("carrier", "BYTES", "category")
        + feature("month", "INT", "category")
        + feature("hour", "INT", "passthrough", shape="")
        + feature("whole", "INT", "z_score", shape="")
        + feature("steps", "FLOAT", "z_score", shape="variable")
        + UNSERVED
        + feature("y", "BYTES", "label", shape=""),
        schema_pb2.Schema(),
    )
)


def table() -> list[Row]:
    random = np.random.default_rng(3)
    return [
        {
            "temp (F)": None if i % 5 == 0 else float(random.normal(60, 15)),
            "wind": None if i % 4 == 0 else int(random.integers(0, 2**52)),
            "pair": [float(x) for x in random.uniform(0, 9, 2)],
            "taxi": None if i % 6 == 0 else float(random.normal(20, 3)),
            "tail": [b"N1", b"N2", None][i % 3],
            "carrier": [b"UA", b"AA", None][i % 3],
            "month": [1, 7, None][i % 3],
            "hour": i % 24,
            "whole": i * 1000,
            "steps": [float(x) for x in random.normal(3, 1, i % 4)],
            "later": float(random.normal(5, 1)),
            "y": [b"early", b"late"][i % 2],
        }
        for i in range(24)
    ]


ROWS = table()
# The values of serving_raw by hand: what a JSON request can say.
NAMED = {
    "temp_F": (tf.float32, [NAN if row["temp (F)"] is None else row["temp (F)"] for row in ROWS]),
    "wind": (tf.float64, [NAN if row["wind"] is None else float(row["wind"]) for row in ROWS]),
    "pair": (tf.float32, [row["pair"] for row in ROWS]),
    "taxi": (tf.float32, [NAN if row["taxi"] is None else row["taxi"] for row in ROWS]),
    "tail": (tf.string, [row["tail"] or b"" for row in ROWS]),
    "carrier": (tf.string, [row["carrier"] or b"" for row in ROWS]),
    "month": (tf.float64, [NAN if row["month"] is None else float(row["month"]) for row in ROWS]),
    "hour": (tf.float64, [float(row["hour"]) for row in ROWS]),
    "whole": (tf.float64, [float(row["whole"]) for row in ROWS]),
    "steps": (tf.float32, [[*row["steps"], *[NAN] * (3 - len(row["steps"]))] for row in ROWS]),
}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenTransform:
    return write_transform_graph(PLAN, ROWS, tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(PLAN, ROWS, tmp_path_factory.mktemp("records") / "rows.gz")


@pytest.fixture(scope="module")
def trained(frozen: FrozenTransform, records: Path) -> keras.Model:
    keras.utils.set_random_seed(5)
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    model.fit(normalized_dataset(records, frozen, batch_size=12), epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def exported(trained: keras.Model, frozen: FrozenTransform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(trained, frozen, "binary", str(folder / "model"), str(folder / "scratch"), keras_export=True)
    return folder / "model"


@pytest.fixture(scope="module")
def signatures(exported: Path) -> Any:
    return tf.saved_model.load(str(exported)).signatures


def named(rows: slice = slice(None)) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values[rows], dtype) for name, (dtype, values) in NAMED.items()}


def texts(rows: Sequence[Row] = ROWS, *without: str) -> tf.Tensor:
    kept = [{name: value for name, value in row.items() if name not in ("y", *without)} for row in rows]
    return tf.constant([serialized(PLAN, row) for row in kept])


def test_named_tensors_give_the_bits_of_tf_examples(signatures: Any) -> None:
    by_name, by_example = signatures["serving_raw"](**named()), signatures["serving_default"](examples=texts())
    assert by_name["scores"].numpy().tobytes() == by_example["scores"].numpy().tobytes()
    assert by_name["classes"].numpy().tolist() == by_example["classes"].numpy().tolist()


def test_what_is_asked_for_are_the_served_features_alone(signatures: Any) -> None:
    _, asked = signatures["serving_raw"].structured_input_signature
    assert set(asked) == set(NAMED)
    assert {name: spec.dtype for name, spec in asked.items()} == {name: dtype for name, (dtype, _) in NAMED.items()}


def test_a_feature_outside_the_serving_environment_is_taken_as_missing(signatures: Any) -> None:
    with_it, without = (signatures["transform_features"](examples=texts(ROWS, *left)) for left in ((), ("later",)))
    assert with_it["later"].numpy().tolist() == without["later"].numpy().tolist() == [0.0] * len(ROWS)


@pytest.mark.parametrize("value", [3.5, NAN])
def test_a_number_that_is_no_int64_is_refused_by_name(signatures: Any, value: float) -> None:
    wrong = {**named(slice(0, 1)), "hour": tf.constant([value], tf.float64)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Feature \\?'hour\\?' must be a whole number"):
        signatures["serving_raw"](**wrong)


def test_a_missing_number_that_has_to_be_there_is_refused_by_name(signatures: Any) -> None:
    wrong = {**named(slice(0, 2)), "whole": tf.constant([NAN, 1.0], tf.float64)}
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Feature \\?'whole\\?' must be a whole number and cannot be missing"
    ):
        signatures["serving_raw"](**wrong)


def test_the_inverse_signature_gives_raw_numbers_back(signatures: Any, frozen: FrozenTransform) -> None:
    served = signatures["transform_features"](examples=texts())
    _, asked = signatures["inverse"].structured_input_signature
    assert set(asked) == {"temp_F", "wind", "pair", "taxi", "whole", "later", "tail"}
    found = signatures["inverse"](
        **{name: served[name] for name in ("temp_F", "wind", "pair", "taxi", "whole", "later")}, tail=named()["tail"]
    )
    mean = float(frozen.constants["temp (F)"].mean)
    expected = [mean if row["temp (F)"] is None else row["temp (F)"] for row in ROWS]
    np.testing.assert_allclose(found["temp_F"].numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(found["pair"].numpy(), [row["pair"] for row in ROWS], rtol=1e-6)
    known = [i for i, row in enumerate(ROWS) if row["taxi"] is not None]
    np.testing.assert_allclose(found["taxi"].numpy()[known], [ROWS[i]["taxi"] for i in known], rtol=1e-6)


def test_the_keras_file_carries_the_normalization_and_goes_on_training(
    exported: Path, trained: keras.Model, frozen: FrozenTransform, tmp_path: Path
) -> None:
    code = (
        "import sys, json, numpy as np, keras\n"
        "import components.trainer.keras_export, components.trainer.model\n"
        "import tensorflow as tf\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "named = {n: tf.constant(v, d) for n, (d, v) in json.load(sys.stdin).items()}\n"
        "before = model(named).numpy().tolist()\n"
        "model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True), optimizer='sgd')\n"
        "model.fit(tf.data.Dataset.from_tensors((named, np.ones(24))), verbose=0)\n"
        "print(json.dumps([model.constants.digest, before, model(named).numpy().tolist() != before]))\n"
    )
    sent = json.dumps(
        {name: [d.name, tf.constant(v, d).numpy().tolist()] for name, (d, v) in NAMED.items()}, default=bytes.decode
    )
    file = str(exported / "assets.extra" / "model.keras")
    done = subprocess.run(
        [sys.executable, "-c", code, file], input=sent, capture_output=True, text=True, env=_environment()
    )
    assert done.returncode == 0, done.stderr[-3000:]
    digest, outputs, changed = json.loads(done.stdout.splitlines()[-1])
    assert (digest, changed) == (frozen.digest, True)
    raw = frozen.parse(texts(), label=False)
    np.testing.assert_allclose(outputs, trained(frozen(raw), training=False).numpy(), rtol=1e-6)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def serve_check(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", "serve-check", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_the_constants_of_a_model_are_found_in_it(exported: Path, frozen: FrozenTransform) -> None:
    assert constants_at(exported).digest == frozen.digest


def test_serve_check_passes_a_sound_model(exported: Path, records: Path, frozen: FrozenTransform) -> None:
    done = serve_check(str(exported), str(records.parent), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["digest"], found["rows"], found["failures"]) == (frozen.digest, 24, [])
    # Rounding to float32 costs half a unit; more would be another formula.
    assert max(found["ulps"].values()) <= 0.51
    assert {"temp_F", "wind", "wind_missing", "pair", "taxi", "carrier", "steps", "later"} <= set(found["ulps"])
    assert found["raw_scores_differ"] == {"scores": 0, "classes": 0}
    assert found["transformed_scores_differ"] == {}  # a model with a variable length cannot be asked


def test_serve_check_fails_a_model_with_another_ones_constants(
    exported: Path, trained: keras.Model, records: Path, tmp_path: Path
) -> None:
    """Both files of the assets come from another analysis: each fits the other, and the signatures fit neither."""
    moved = [{**row, "pair": [row["pair"][0] + 1e-4, row["pair"][1]]} for row in ROWS]
    write_transform_graph(PLAN, moved, tmp_path / "other").save(tmp_path / "assets")
    model = tmp_path / "model"
    subprocess.run(["cp", "-r", exported, model], check=True)
    for name in ("constants.json", "frozen_transform.pb"):
        (model / "assets" / name).write_bytes((tmp_path / "assets" / name).read_bytes())
    done = serve_check(str(model), str(records))
    assert done.returncode == 1
    assert "pair is " in done.stderr and "ulp from its constants" in done.stderr


def test_serve_check_fails_a_model_that_is_fed_something_else(tmp_path: Path) -> None:
    """``transform_features`` is right, and serving normalizes once more behind it."""
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("y", "INT", "label", shape=""))
    rows = [{"x": float(i), "y": i % 2} for i in range(8)]
    frozen = write_transform_graph(plan, rows, tmp_path / "graph")
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    model(frozen(tensors(plan, rows, label=False)))
    records = write_records(plan, rows, tmp_path / "rows")
    found = {}
    for name in ("right", "wrong"):
        module = ServingModel(model, graph_file.write(frozen.graph, str(tmp_path / "scratch")))
        made = signatures_of(model, frozen, "binary")
        if name == "wrong":
            again = lambda features, training=False: model({"x": features["x"] * 9.0 - 3.0})  # noqa: E731
            twice = signatures_of(again, frozen, "binary")
            made |= {key: twice[key] for key in ("serving_default", "serving_raw")}
        tf.saved_model.save(module, str(tmp_path / name), signatures=made)
        found[name] = check(str(tmp_path / name), str(records), 8)
    assert found["right"].failures == []
    assert set(found["right"].transformed_scores_differ) == {"scores", "classes"}
    assert found["wrong"].failures[0].startswith("scores of serving_default is not predict_transformed of")


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ("none", "rows.gz", "No transform graph at"),
        ("model", "none", "No TFRecord file matches"),
        ("model", "README.md", "Cannot read README.md: record 0 at byte 0"),
    ],
)
def test_bad_input_to_serve_check_is_one_line_and_status_2(
    exported: Path, records: Path, model: str, data: str, said: str
) -> None:
    where = str(exported if model == "model" else exported.parent / model)
    done = serve_check(where, str(records) if data == "rows.gz" else data)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""
