"""Models trained by our own parts, exported, and served by a process that has TensorFlow and nothing of ours."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, constants_of, feature, plan_of, serialized, write_records, write_transform_graph

from components import FeaturePlan, FrozenTransform, normalized_dataset
from components.errors import DataError
from components.trainer.model import ModelSpec, build_model
from components.trainer.serving import export

FEATURES = (
    feature("temp (F)", "FLOAT", "z_score"),
    feature("wind", "INT", "z_score", "missing=indicator"),
    feature("pair", "FLOAT", "min_max", shape="2"),
    feature("carrier", "BYTES", "category"),
    feature("month", "INT", "category"),
    feature("share", "FLOAT", "passthrough", shape=""),
    feature("hour", "INT", "passthrough", shape=""),
)
LABELS = {
    "binary": ("INT", [0, 1]),
    "text_binary": ("BYTES", [b"no", b"yes"]),
    "multiclass": ("BYTES", [b"gamma", b"alpha", b"beta\0"]),
    "regression": ("FLOAT", [100.0, 250.0, 340.0]),
}
# The vocabulary's order is that of the bytes.
VOCABULARY = {"text_binary": ["no", "yes"], "multiclass": ["alpha", "beta\0", "gamma"]}

# Runs in a process of its own. What is ours, and what we build with, cannot be imported there.
SERVER = """
import importlib.abc, json, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"components", "pipeline", "schemas", "tfx", "tensorflow_transform", "apache_beam"}:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
try:
    import components
    raise SystemExit("components can be imported")
except ImportError:
    pass
import tensorflow as tf

job = json.load(sys.stdin)
answers = {}
for name, folder in job["models"].items():
    model = tf.saved_model.load(folder)
    for asked, texts in job["requests"].items():
        examples = tf.constant([bytes.fromhex(text) for text in texts], tf.string)
        for signature in ("serving_default", "transform_features"):
            outputs = model.signatures[signature](examples=examples)
            answers[f"{name} {asked} {signature}"] = {
                key: [value.dtype.name, value.shape.as_list(), [
                    x.decode() if isinstance(x, bytes) else x for x in value.numpy().ravel().tolist()
                ]]
                for key, value in outputs.items()
            }
print(json.dumps(answers))
"""


@dataclasses.dataclass(frozen=True)
class Trained:
    plan: FeaturePlan
    frozen: FrozenTransform
    model: keras.Model
    folder: Path


def plan_with_label(kind: str) -> FeaturePlan:
    return plan_of(*FEATURES, feature("y", kind, "label", shape=""))


def rows(labels: Sequence[Any], n: int = 24) -> list[Row]:
    random = np.random.default_rng(3)
    return [
        {
            "temp (F)": None if i % 5 == 0 else float(random.normal(60, 15)),
            "wind": None if i % 4 == 0 else int(random.integers(0, 360)),
            "pair": [float(x) for x in random.uniform(0, 9, 2)],
            "carrier": [b"UA", b"AA", b"B6", None][i % 4],
            "month": [1, 7, None][i % 3],
            "share": float(random.uniform()),
            "hour": i % 24,
            "y": labels[i % len(labels)],
        }
        for i in range(n)
    ]


def unlabelled(made: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "y"} for row in made]


ABSENT = {"pair": [1.0, 2.0], "share": 0.5, "hour": 3}
REQUESTS = {"full": unlabelled(rows([0], 6)), "one": unlabelled(rows([0], 1)), "absent": [ABSENT], "none": []}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    keras.utils.set_random_seed(5)
    found = {}
    for name, (kind, labels) in LABELS.items():
        folder = tmp_path_factory.mktemp(name)
        plan, train = plan_with_label(kind), rows(labels)
        frozen = write_transform_graph(plan, train, folder)
        task: Any = "binary" if "binary" in name else name
        model = build_model(ModelSpec(frozen.constants, task, 0.01, (4,), 0.1))
        data = normalized_dataset(write_records(plan, train, folder / "train.gz"), frozen, batch_size=12)
        history = model.fit(data, epochs=1, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        export(model, frozen, task, str(folder / "model"), str(folder / "scratch"))
        found[name] = Trained(plan, frozen, model, folder / "model")
    return found


@pytest.fixture(scope="module")
def served(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Answers by "<model> <request> <signature>": dtype, shape and values by output name."""
    plan = trained["binary"].plan
    job = {
        "models": {name: str(item.folder) for name, item in trained.items()},
        "requests": {name: [serialized(plan, row).hex() for row in asked] for name, asked in REQUESTS.items()},
    }
    process = subprocess.run(
        [sys.executable, "-I", "-c", SERVER],
        cwd=tmp_path_factory.mktemp("empty"),
        input=json.dumps(job),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    answers: dict[str, Any] = json.loads(process.stdout)
    return answers


def scores_and_classes(served: dict[str, Any], name: str, asked: str) -> tuple[np.ndarray, list[Any] | None]:
    answer = served[f"{name} {asked} serving_default"]
    assert set(answer) == ({"scores"} if name == "regression" else {"scores", "classes"})
    dtype, shape, values = answer["scores"]
    assert dtype == "float32"
    if name == "regression":
        return np.reshape(values, shape), None
    class_dtype, class_shape, classes = answer["classes"]
    assert class_dtype == ("string" if name in VOCABULARY else "int64")
    assert class_shape == [len(REQUESTS[asked])]
    return np.reshape(values, shape), classes


@pytest.mark.parametrize("name", ["binary", "text_binary"])
@pytest.mark.parametrize("asked", ["full", "one", "absent"])
def test_a_binary_model_serves_the_probability_of_class_1_and_the_class(
    served: dict[str, Any], name: str, asked: str
) -> None:
    scores, classes = scores_and_classes(served, name, asked)
    assert scores.shape == (len(REQUESTS[asked]),)
    assert ((scores > 0) & (scores < 1)).all()
    values = VOCABULARY.get(name, [0, 1])
    assert classes == [values[int(score > 0.5)] for score in scores]


@pytest.mark.parametrize("asked", ["full", "one", "absent"])
def test_a_multiclass_model_serves_a_probability_for_each_class_and_the_labels_own_text(
    served: dict[str, Any], asked: str
) -> None:
    scores, classes = scores_and_classes(served, "multiclass", asked)
    assert scores.shape == (len(REQUESTS[asked]), 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert classes == [VOCABULARY["multiclass"][int(at)] for at in scores.argmax(axis=1)]


@pytest.mark.parametrize("asked", ["full", "one", "absent"])
def test_a_regression_serves_values_in_the_labels_unit(served: dict[str, Any], asked: str) -> None:
    scores, _ = scores_and_classes(served, "regression", asked)
    assert scores.shape == (len(REQUESTS[asked]),)
    # After two steps the model is still near the label's mean of 230; its sigma is 99.
    assert (abs(scores - 230) < 1000).all()
    assert (abs(scores) > 1e-3).all()


@pytest.mark.parametrize("name", list(LABELS))
def test_an_empty_request_gets_an_empty_answer(served: dict[str, Any], name: str) -> None:
    scores, _ = scores_and_classes(served, name, "none")
    assert scores.size == 0


@pytest.mark.parametrize("name", list(LABELS))
def test_the_served_scores_are_those_of_the_model_in_training(
    trained: dict[str, Trained], served: dict[str, Any], name: str
) -> None:
    item = trained[name]
    texts = tf.constant([serialized(item.plan, row) for row in REQUESTS["full"]])
    outputs = np.asarray(item.model(item.frozen(item.frozen.parse(texts, label=False)), training=False), np.float64)
    expected = {
        "regression": lambda: outputs[:, 0],
        "multiclass": lambda: np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True),
    }.get(name, lambda: 1 / (1 + np.exp(-outputs[:, 0])))()
    scores, _ = scores_and_classes(served, name, "full")
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_the_served_features_have_the_bits_of_the_transform(
    trained: dict[str, Trained], served: dict[str, Any]
) -> None:
    item = trained["binary"]
    texts = tf.constant([serialized(item.plan, row) for row in REQUESTS["full"]])
    here = item.frozen(item.frozen.parse(texts, label=False))
    there = served["binary full transform_features"]
    assert set(there) == {"temp_F", "wind", "wind_missing", "pair", "carrier", "month", "share", "hour"}
    for name, values in here.items():
        dtype, shape, found = there[name]
        assert (dtype, shape) == (values.dtype.name, values.shape.as_list())
        assert np.array(found, dtype).tobytes() == values.numpy().tobytes()


def test_absent_values_follow_their_policies_in_serving(served: dict[str, Any]) -> None:
    answer = {name: values for name, (_, _, values) in served["binary absent transform_features"].items()}
    assert [answer[name] for name in ("temp_F", "wind", "wind_missing", "carrier", "month")] == [
        [0],
        [0],
        [1],
        [0],
        [0],
    ]


def test_the_label_signature_gives_the_label_as_the_model_learns_it(trained: dict[str, Trained]) -> None:
    item = trained["multiclass"]
    texts = tf.constant([serialized(item.plan, row) for row in rows(LABELS["multiclass"][1], 3)])
    (label,) = tf.saved_model.load(str(item.folder)).signatures["transform_label"](examples=texts).values()
    assert (label.dtype, label.numpy().tolist()) == (tf.int64, [2, 0, 1])


def test_the_exported_model_carries_the_constants(trained: dict[str, Trained]) -> None:
    from components import NormalizationConstants

    item = trained["binary"]
    assert NormalizationConstants.load(item.folder / "assets").digest == item.frozen.digest


@pytest.mark.parametrize(
    ("kind", "task", "labels", "problem"),
    [
        ("INT", "binary", [1], "has one value only"),
        ("BYTES", "binary", [b"a"], "has one value only"),
        ("INT", "binary", [0, 1, 2], "must be 0 and 1 or text, but goes from 0.0 to 2.0"),
        ("INT", "binary", [1, 2], "must be 0 and 1 or text"),
        ("BYTES", "binary", [b"a", b"b", b"c"], "must be 0 and 1 or text"),
        ("INT", "multiclass", [-1, 1], r"must be 0\.\.k-1 or text, but goes from -1.0 to 1.0"),
        ("FLOAT", "multiclass", [0.0, 1.0], r"must be 0\.\.k-1 or text"),
        ("FLOAT", "regression", [2.5], "has one value only"),
        ("BYTES", "regression", [b"1.5", b"2.5"], "must be a number, but the schema declares it BYTES"),
    ],
)
def test_a_label_that_the_task_cannot_use_is_an_error_that_names_it(
    kind: str, task: Any, labels: list[Any], problem: str
) -> None:
    constants = constants_of(plan_with_label(kind), rows(labels))
    with pytest.raises(DataError, match=f"The label 'y' .*{problem}"):
        build_model(ModelSpec(constants, task, 0.01, (4,), 0.0))


def test_a_model_of_every_role_trains_and_serves_without_label_and_weight(tmp_path: Path) -> None:
    """The key of a per-key feature is asked for, and is no input of the model, if its own role is ignore."""
    plan = plan_of(
        feature("delay", "FLOAT", "z_score_per_key:flight", "missing=indicator"),
        feature("flight", "INT", "ignore"),
        feature("price", "FLOAT", "robust"),
        feature("w", "FLOAT", "weight", shape=""),
        feature("y", "INT", "label", shape=""),
    )
    train = [{"delay": i % 5, "flight": i % 3, "price": i, "w": i % 2 + 0.5, "y": i % 2} for i in range(24)]
    frozen = write_transform_graph(plan, train, tmp_path)
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    assert model.get_config()["numbers"] == ["delay", "delay_missing", "price"]
    data = normalized_dataset(write_records(plan, train, tmp_path / "train"), frozen, batch_size=12)
    assert np.isfinite(model.fit(data, epochs=1, verbose=0).history["loss"]).all()
    export(model, frozen, "binary", str(tmp_path / "model"), str(tmp_path / "scratch"))
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    asked = [{"delay": 4, "flight": 2, "price": 7}, {"flight": 99}, {}]
    texts = tf.constant([serialized(plan, row) for row in asked])
    assert signatures["serving_default"](examples=texts)["scores"].shape == (3,)
    found = signatures["transform_features"](examples=texts)
    assert set(found) == {"delay", "delay_missing", "price"}
    assert found["delay_missing"].numpy().tolist() == [0, 1, 1]
    assert signatures["transform_label"](examples=tf.constant([serialized(plan, train[1])]))["tfx_norm_label"] == 1


def test_a_model_beside_a_variable_length_serves(tmp_path: Path) -> None:
    plan = plan_of(
        feature("x", "FLOAT", "z_score"),
        feature("steps", "FLOAT", "z_score", shape="variable"),
        feature("y", "INT", "label", shape=""),
    )
    train = [{"x": i, "steps": [float(at) for at in range(i % 4)], "y": i % 2} for i in range(24)]
    frozen = write_transform_graph(plan, train, tmp_path)
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    data = normalized_dataset(write_records(plan, train, tmp_path / "train"), frozen, batch_size=12)
    assert np.isfinite(model.fit(data, epochs=1, verbose=0).history["loss"]).all()
    export(model, frozen, "binary", str(tmp_path / "model"), str(tmp_path / "scratch"))
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    texts = tf.constant([serialized(plan, row) for row in (train[3], {})])
    assert signatures["serving_default"](examples=texts)["scores"].shape == (2,)
