"""Model tensors back to raw values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, feature, plan_of, tensors, write_transform_graph

from components import FrozenTransform

PLAN = plan_of(
    feature("far (km)", "FLOAT", "z_score"),
    feature("count", "INT", "z_score", shape=""),
    feature("delay", "FLOAT", "z_score", "log1p", "missing=indicator"),
    feature("grid", "FLOAT", "z_score", "axis=1", shape="2,3"),
    feature("share", "FLOAT", "min_max"),
    feature("price", "FLOAT", "robust"),
    feature("same", "FLOAT", "z_score"),
    feature("taxi", "FLOAT", "z_score_per_key:carrier"),
    feature("speed", "FLOAT", "z_score_per_key:tail"),
    feature("by hour", "FLOAT", "z_score_per_key:hour"),
    feature("carrier", "BYTES", "category"),
    feature("tail", "BYTES", "ignore"),
    feature("hour", "INT", "passthrough", shape=""),
    feature("steps", "FLOAT", "z_score", shape="variable"),
    feature("late", "BYTES", "label", shape=""),
)


def rows() -> list[Row]:
    random = np.random.default_rng(2)
    return [
        {
            "far (km)": float(np.float32(random.normal(1e4, 5))),
            "count": int(random.integers(0, 1000)),
            "delay": float(np.float32(random.gamma(2, 20))),
            "grid": np.float32(random.normal(100, 3, (2, 3))).tolist(),
            "share": float(np.float32(random.uniform(2, 9))),
            "price": float(np.float32(random.lognormal(3, 1))),
            "same": 4.25,
            "taxi": float(np.float32(random.normal(10 * (i % 3), 1))),
            "speed": float(np.float32(random.normal(500, 9))),
            "by hour": float(np.float32(random.normal(5, 2))),
            "carrier": [b"UA", b"AA", b"\xff\0"][i % 3],
            "tail": [b"N1", b"N2"][i % 2],
            "hour": i % 4,
            "steps": np.float32(random.normal(7, 2, i % 3)).tolist(),
            "late": [b"no", b"yes"][i % 2],
        }
        for i in range(60)
    ]


TRAIN = rows()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenTransform:
    return write_transform_graph(PLAN, TRAIN, tmp_path_factory.mktemp("graph"))


def column(name: str) -> np.ndarray[Any, Any]:
    values = [row[name] for row in TRAIN]
    return np.array(values, object if isinstance(values[0], bytes) else None)  # NumPy's own bytes lose a final NUL


@pytest.fixture(scope="module")
def back(frozen: FrozenTransform) -> dict[str, Any]:
    raw = tensors(PLAN, TRAIN)
    model = frozen(raw)
    return frozen.inverse({**model, "tail": tf.constant(column("tail"))})


@pytest.mark.parametrize("name", ["far (km)", "count", "grid", "share", "price", "taxi", "speed", "by hour", "same"])
def test_numbers_come_back_to_the_rounding_of_the_score(back: dict[str, Any], name: str) -> None:
    assert back[name].dtype == tf.float64
    truth = column(name)
    spread = max(float(truth.max() - truth.min()), 1e-9)
    # A score below 8 has a spacing of at most 2**-21 in float32, and half of that is lost.
    assert np.abs(back[name].numpy() - truth).max() <= spread * 2.0**-21


def test_a_logarithm_is_undone(back: dict[str, Any]) -> None:
    np.testing.assert_allclose(back["delay"].numpy(), column("delay"), rtol=1e-5)


def test_keys_come_back_as_their_texts(back: dict[str, Any]) -> None:
    assert back["carrier"].numpy().tolist() == column("carrier").tolist()
    assert back["late"].numpy().tolist() == column("late").tolist()
    assert back["hour"].numpy().tolist() == column("hour").tolist()


def test_variable_lengths_keep_their_form(back: dict[str, Any]) -> None:
    flat = [x for row in TRAIN for x in row["steps"]]
    np.testing.assert_allclose(back["steps"].values.numpy(), flat, rtol=1e-6)


def test_by_hand(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("k", "INT", "category"))
    frozen = write_transform_graph(
        plan, [{"x": x, "k": k} for x, k in [(1.0, 7), (3.0, 7), (1.0, 9), (3.0, 7)]], tmp_path
    )
    found = frozen.inverse({"x": tf.constant([0.0, -1.0, 2.5]), "k": tf.constant([0, 1, 2], tf.int64)})
    assert found["x"].numpy().tolist() == [2.0, 1.0, 4.5]
    assert found["k"].numpy().tolist() == [-1, 7, 9]


def test_an_unseen_key_takes_the_global_statistics_or_zeros(tmp_path: Path) -> None:
    for unseen, expected in (("global", 2.0), ("zero", 0.0)):
        plan = plan_of(feature("x", "FLOAT", "z_score_per_key:k", f"unseen={unseen}"), feature("k", "INT", "ignore"))
        train = [{"x": x, "k": 1} for x in (1.0, 3.0)]
        frozen = write_transform_graph(plan, train, tmp_path / unseen)
        found = frozen.inverse({"x": tf.constant([0.0]), "k": tf.constant([99], tf.int64)})
        assert found["x"].numpy().tolist() == [expected]


def test_a_key_that_is_normalized_itself_is_rounded_back(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score_per_key:k"), feature("k", "INT", "z_score", shape=""))
    train = [{"x": x + 100 * k, "k": k} for k in (7, 90, 1000) for x in (1.0, 3.0)]
    frozen = write_transform_graph(plan, train, tmp_path)
    found = frozen.inverse(frozen(tensors(plan, train)))
    np.testing.assert_allclose(found["x"].numpy(), [row["x"] for row in train], rtol=1e-6)


def test_a_per_key_feature_without_its_key_is_an_error(frozen: FrozenTransform) -> None:
    with pytest.raises(ValueError, match="'taxi' was normalized by the values of 'carrier': give 'carrier' beside it"):
        frozen.inverse({"taxi": tf.zeros([1])})


def test_an_unknown_name_is_an_error(frozen: FrozenTransform) -> None:
    with pytest.raises(ValueError, match="No model tensor is named 'other'"):
        frozen.inverse({"other": tf.zeros([1])})


def test_it_works_in_a_function_and_captures_nothing(frozen: FrozenTransform) -> None:
    spec = {"far_km": tf.TensorSpec([None], tf.float32)}
    function = tf.function(frozen.inverse).get_concrete_function(spec)
    assert function.captured_inputs == []
    assert float(function({"far_km": tf.constant([0.0])})["far (km)"][0]) == float(frozen.constants["far (km)"].mean)
