"""The convolutional network: what it learns, takes, refuses and serves."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import constants_of, feature, plan_of, serialized, write_records, write_transform_graph
from pictures import arrays, png, schema

from components import analyze, normalized_dataset
from components.errors import DataError, SchemaError
from components.feature_plan import FeaturePlan
from components.trainer.cnn import build_model
from components.trainer.model import ModelSpec
from components.trainer.serving import export

IMAGE = feature("picture", "FLOAT", "z_score", shape="8,8,3")
LABEL = feature("y", "INT", "label", shape="")


def rows(n: int = 64, shape: tuple[int, ...] = (8, 8, 3)) -> list[dict[str, Any]]:
    """Noise; a third of the first channel is brighter where the label is 1."""
    random = np.random.default_rng(4)
    made = []
    for i in range(n):
        picture = random.normal(100, 10, shape)
        picture[..., 0] += 60 * (i % 2)
        made.append({"picture": picture.tolist(), "y": i % 2})
    return made


def spec_of(plan: Any, train: Any, task: Any = "binary", hidden_units: tuple[int, ...] = (8,)) -> ModelSpec:
    return ModelSpec(constants_of(plan, train), task, 0.01, hidden_units, 0.0)


def test_a_separable_set_is_learned_and_served(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    plan, train = plan_of(IMAGE, LABEL), rows()
    frozen = write_transform_graph(plan, train, tmp_path)
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (8,), 0.0))
    batches = normalized_dataset(
        write_records(plan, train, tmp_path / "r"), frozen, batch_size=16, shuffle=True, seed=1, repeat=True
    )
    history = model.fit(batches, steps_per_epoch=40, verbose=0).history
    assert set(history) == {"loss", "auc", "accuracy"}
    export(model, frozen, "binary", str(tmp_path / "model"), str(tmp_path / "scratch"))
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    fresh = rows(80)[64:]
    answer = served(examples=tf.constant([serialized(plan, {**row, "y": None}) for row in fresh]))
    assert answer["classes"].numpy().tolist() == [row["y"] for row in fresh]


@pytest.mark.parametrize(
    ("task", "kind", "labels", "outputs"),
    [("binary", "INT", [0, 1], 1), ("multiclass", "BYTES", [b"a", b"b", b"c"], 3), ("regression", "FLOAT", [7, 9], 1)],
)
def test_the_output_is_that_of_the_task(task: Any, kind: str, labels: list[Any], outputs: int) -> None:
    plan = plan_of(IMAGE, feature("y", kind, "label", shape=""))
    train = [{**row, "y": labels[i % len(labels)]} for i, row in enumerate(rows(6))]
    found = build_model(spec_of(plan, train, task))({"picture": np.zeros((5, 8, 8, 3), np.float32)})
    assert (found.shape, found.dtype) == ((5, outputs), tf.float32)
    # A regression starts at the label's mean of 8, give or take its sigma of 1.
    if task == "regression":
        assert np.abs(found - 8).max() < 3


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 2), (5, 7, 1), (32, 32, 3)])
def test_any_size_of_image_is_taken(shape: tuple[int, int, int]) -> None:
    plan = plan_of(feature("picture", "FLOAT", "z_score", shape=",".join(map(str, shape))), LABEL)
    model = build_model(spec_of(plan, rows(4, shape)))
    assert model({"picture": np.zeros((2, *shape), np.float32)}).shape == (2, 1)


def test_the_models_configuration_makes_it_again() -> None:
    model = build_model(spec_of(plan_of(IMAGE, LABEL), rows(4)))
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize(
    ("features", "x", "found"),
    [
        ((feature("x", "FLOAT", "z_score", shape="8,8"),), np.zeros((8, 8)).tolist(), r"'x' of shape \(8, 8\)"),
        ((IMAGE, feature("x", "FLOAT", "z_score", shape="")), 1.0, r"'picture' of .* 'x' of shape \(\)"),
        ((IMAGE, feature("x", "BYTES", "category", shape="")), b"a", r"'picture' of .* 'x' of shape \(\)"),
        ((feature("x", "FLOAT", "z_score", shape="variable"),), [1.0], "'x' of shape None"),
    ],
)
def test_other_inputs_are_refused_by_name(features: tuple[str, ...], x: Any, found: str) -> None:
    plan = plan_of(*features, LABEL)
    train = [{**row, "x": x} for row in rows(4)]
    with pytest.raises(SchemaError, match=rf"one input: an image .* The schema has {found}"):
        build_model(spec_of(plan, train))


def test_an_encoded_image_is_an_input_of_its_own_size_or_of_any(tmp_path: Path) -> None:
    """And one of another layout is refused."""
    photos = [png(photo) for photo in arrays(4, size=(6, 9))]
    for options, refused in (((), False), (("size=5x1",), False), (("size=8x8", "layout=NCHW"), True)):
        described = schema(*options)
        rows = [{"photo": photo, "y": at % 2} for at, photo in enumerate(photos)]
        path = write_records(FeaturePlan.from_schema(described), rows, tmp_path / "train")
        spec = ModelSpec(analyze(path, described).constants, "binary", 0.01, (4,), 0.0)
        if refused:
            with pytest.raises(SchemaError, match=r"an image \(layout NHWC\).* has 'photo' of shape \(3, 8, 8\)"):
                build_model(spec)
            continue
        model = build_model(spec)
        for size in ((6, 9), (1, 40)) if not options else ((5, 1),):
            assert model({"photo": np.zeros((2, *size, 3), np.float32)}).shape == (2, 1)


def test_an_ignored_feature_is_no_input() -> None:
    plan = plan_of(IMAGE, feature("name", "BYTES", "ignore", shape=""), LABEL)
    assert build_model(spec_of(plan, rows(4)))({"picture": np.zeros((2, 8, 8, 3), np.float32)}).shape == (2, 1)


def test_a_label_that_the_task_cannot_use_is_refused() -> None:
    train = [{**row, "y": 1} for row in rows(4)]
    with pytest.raises(DataError, match="has one value only"):
        build_model(spec_of(plan_of(IMAGE, LABEL), train))
