"""What the observer counts, that it changes nothing, and that training on another data's constants is stopped."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import constants_of, feature, plan_of
from training_process import OPTIONS, rows, write_table

from components import FrozenTransform
from components.trainer.fed import Observer
from components.trainer.fed_check import EDGES
from components.trainer.fitting import fit
from components.trainer.model import ModelSpec, build_model
from components.trainer.options import TrainingOptions
from components.trainer.streams import Streams
from components.transform.trace import frozen_graph
from components.verdict import CheckFailedError

# 640 rows are 13 batches and a third: the last one is filled up from the next pass.
TRAINING = TrainingOptions(**{**OPTIONS, "hidden_units": (8,), "epochs": 2, "batch_size": 48})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


def trained(table: Path, frozen: FrozenTransform, logs: Path, check: str) -> keras.Model:
    options = dataclasses.replace(TRAINING, fed_check=check)
    streams = Streams([f"{table}/train-*"], [f"{table}/eval-*"], frozen, options.batch_size, options.seed)
    keras.utils.set_random_seed(options.seed)
    model = build_model(ModelSpec(frozen.constants, "binary", options.learning_rate, (8,), options.dropout))
    fit(model, streams, options, "", str(logs))
    return model


def test_the_figures_are_numpy_s() -> None:
    plan = plan_of(
        feature("a", "FLOAT", "z_score", "clip=2"),
        feature("m", "FLOAT", "z_score", shape="3"),
        feature("b", "FLOAT", "robust"),
    )
    found = constants_of(plan, [{"a": x, "b": x, "m": [x, 1.0, -x]} for x in (0.0, 1.0, 5.0)])
    random = np.random.default_rng(3)
    values = {name: random.normal(0, 3, (70, 3) if name == "m" else 70).astype(np.float32) for name in "amb"}
    values["a"] = np.clip(values["a"], -2, 2)
    observer = Observer(found, rows=50)
    dataset = tf.data.Dataset.from_tensor_slices(({**values, "other": np.zeros(70)}, np.arange(70))).batch(20)
    passed = list(observer.watch(dataset))
    assert [int(label[0]) for _, label in passed] == [0, 20, 40, 60]
    seen = observer.seen()
    assert list(seen) == ["a", "m", "b"]
    for name, fed in seen.items():
        first = values[name][:50].ravel().astype(np.float64)
        assert fed.count == first.size
        assert (fed.min, fed.max) == (first.min(), first.max())
        np.testing.assert_allclose([fed.mean, fed.sigma], [first.mean(), first.std()], rtol=1e-12)
        expected, _ = np.histogram(np.clip(first, -8, 7.999), EDGES)
        assert fed.histogram == tuple(expected.tolist())
    assert seen["a"].at_bound == np.count_nonzero(np.abs(values["a"][:50]) >= 2)
    assert [len(fed.elements) for fed in seen.values()] == [0, 3, 0]
    for at, fed in enumerate(seen["m"].elements):
        column = values["m"][:50, at].astype(np.float64)
        assert (fed.count, fed.min, fed.max) == (50, column.min(), column.max())
        np.testing.assert_allclose([fed.mean, fed.sigma], [column.mean(), column.std()], rtol=1e-12)
    assert (seen["m"].at_bound, seen["b"].at_bound) == (0, 0)


def test_a_training_is_the_same_with_and_without_the_check_and_states_what_it_was_fed(
    table: Path, tmp_path: Path
) -> None:
    frozen = FrozenTransform.load(table)
    models = [trained(table, frozen, tmp_path / check, check) for check in ("block", "off")]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert one.tobytes() == other.tobytes()
    assert not (tmp_path / "off/fed.json").exists()
    verdict = json.loads((tmp_path / "block/fed.json").read_text())
    x = verdict["figures"]["features"]["x"]
    assert verdict["blessed"]
    assert x["count"] == 640 and sum(x["histogram"]) == 640
    assert abs(x["mean"]) < 1e-6 and abs(x["sigma"] - 1) < 1e-6


@pytest.mark.parametrize("scale", [2.0, 0.5])
def test_constants_of_other_rows_stop_the_training_behind_its_first_epoch(
    table: Path, tmp_path: Path, scale: float
) -> None:
    plan = FrozenTransform.load(table).plan
    other = [{**row, "x": scale * row["x"] + 1} for row in rows(640, 1)]
    frozen = FrozenTransform(frozen_graph(constants_of(plan, other)))
    with pytest.raises(CheckFailedError, match=r"(?s)fed_mean_off: feature 'x'.*fed_sigma_off: feature 'x'"):
        trained(table, frozen, tmp_path, "block")
    assert json.loads((tmp_path / "fed.json").read_text())["blessed"] is False
    trained(table, frozen, tmp_path, "warn")
