"""Robust, per-key, weighted and variable-length features in the graph, against values worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import (
    constants_of,
    feature,
    measured_constants,
    plan_of,
    serialized,
    tensors,
    transformed,
    write_transform_graph,
)

from components import FrozenTransform
from components.errors import DataError
from components.transform.preprocessing import apply_plan
from components.transform.trace import frozen_graph

NAN, INF = float("nan"), float("inf")
# Mean 5, variance 4; quartiles 4, 4, 5.
TEXTBOOK = [2, 4, 4, 4, 5, 5, 7, 9]


def column(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


@pytest.mark.parametrize("kind", ["FLOAT", "INT"])
def test_robust_takes_the_median_and_the_distance_of_the_quartiles(kind: str) -> None:
    plan = plan_of(feature("x", kind, "robust"))
    found = transformed(plan, column("x", [1, 2, 3, 4, 5, 6, 7, 1000, None]), column("x", [0, 4, 8, 1000, None]))["x"]
    assert found.tolist() == [-1, 0, 1, 249, 0]


def test_robust_has_its_options() -> None:
    plan = plan_of(feature("x", "FLOAT", "robust", "clip=2", "nonfinite=clip", "missing=constant:6"))
    found = transformed(plan, column("x", [1, 2, 3, 4, 5, 6, 7, 8]), column("x", [NAN, None, INF, -INF, 100, -100]))
    assert found["x"].tolist() == [0.5, 0.5, 1, -0.75, 2, -2]


def test_robust_of_elements() -> None:
    plan = plan_of(feature("x", "FLOAT", "robust", shape="2"))
    found = transformed(plan, column("x", [[1, 0], [2, 10], [3, 20], [4, 30]]))["x"]
    assert found.tolist() == [[-0.5, -0.5], [0, 0], [0.5, 0.5], [1, 1]]


def per_key(*tags: str, key: str = "BYTES", role: str = "ignore", kind: str = "FLOAT", shape: str | None = None) -> Any:
    return plan_of(feature("x", kind, "z_score_per_key:k", *tags, shape=shape), feature("k", key, role, shape=shape))


def keyed_rows(keys: list[Any], values: list[Any]) -> list[dict[str, Any]]:
    return [{"x": value, "k": key} for key, value in zip(keys, values, strict=True)]


# a: mean 2, sigma 1; b: mean 40, sigma 10; c: no spread; all: mean 22.2
KEYS = [b"a", b"a", b"b", b"b", b"a\0"]
TRAIN = keyed_rows(KEYS, [1, 3, 30, 50, 27])


@pytest.mark.parametrize("shape", [None, "", "1"])
def test_a_score_is_by_the_rows_own_key(shape: str | None) -> None:
    def formed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: [value] for name, value in row.items()} for row in rows] if shape == "1" else rows

    asked = keyed_rows([b"a", b"b", b"a\0", b"b", b"a"], [4, 4, 99, 60, 2])
    found = transformed(per_key(shape=shape), formed(TRAIN), formed(asked))
    assert list(found) == ["x"]
    assert found["x"].tolist() == [2, -3.5999999046325684, 0, 2, 0]


def test_integer_keys_of_any_size() -> None:
    largest = 2**63 - 1
    train = keyed_rows([largest, largest, -(2**63), -(2**63), 9, 10], [1, 3, 30, 50, 5, 6])
    plan = per_key(key="INT", kind="INT", role="category")
    found = transformed(plan, train, keyed_rows([-(2**63), largest, 9, 10], [60, 4, 5, 6]))
    assert found["x"].tolist() == [2, 2, 0, 0]
    assert found["k"].tolist() == [1, 2, 4, 3]  # two of each: by the bytes of the decimal text, "-" before digits


GLOBAL = (4 - 22.2) / np.std([1, 3, 30, 50, 27])


@pytest.mark.parametrize(("policy", "expected"), [("global", GLOBAL), ("zero", 0.0)])
def test_an_unseen_key_and_a_row_without_one_follow_the_policy(policy: str, expected: float) -> None:
    asked = keyed_rows([b"never", None, b"", b"a"], [4, 4, 4, 4])
    found = transformed(per_key(f"unseen={policy}"), TRAIN, asked)["x"]
    np.testing.assert_allclose(found, [expected, expected, expected, 2], rtol=1e-6)
    infinite = transformed(per_key(f"unseen={policy}", "nonfinite=clip"), TRAIN, keyed_rows([None], [INF]))["x"]
    assert infinite.item() == pytest.approx(0 if policy == "zero" else (50 - 22.2) / np.std([1, 3, 30, 50, 27]))


@pytest.mark.parametrize("key", [b"never", None])
def test_an_unseen_key_may_be_an_error_that_names_the_feature(key: bytes | None) -> None:
    plan = per_key("unseen=error")
    assert transformed(plan, TRAIN)["x"].tolist() == [-1, 1, -1, 1, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'x' has a key of 'k' that the training split"):
        transformed(plan, TRAIN, keyed_rows([key], [1]))


def test_missing_values_are_filled_by_key() -> None:
    asked = keyed_rows([b"a", b"b", b"a", b"b"], [None, NAN, INF, -INF])
    assert transformed(per_key(), TRAIN, asked)["x"].tolist() == [0, 0, 0, 0]
    assert transformed(per_key("missing=constant:5"), TRAIN, asked)["x"].tolist() == [3, -3.5, 3, -3.5]
    clipped = transformed(per_key("nonfinite=clip", "clip=0.5", "missing=indicator"), TRAIN, asked)
    assert clipped["x"].tolist() == [0, 0, 0.5, -0.5]
    assert clipped["x_missing"].tolist() == [1, 1, 1, 1]


def test_a_key_with_few_values_is_drawn_to_the_global_ones() -> None:
    # Global: mean 2, variance 2. Key b: 4 and a pseudo-value of the global moments: mean 3, variance 2.
    train = keyed_rows([b"a", b"a", b"b"], [1, 1, 4])
    found = transformed(per_key("min_count=2"), train, keyed_rows([b"b", b"b"], [3, 5]))["x"]
    np.testing.assert_array_max_ulp(found, np.float32([0, 2 / 2**0.5]), maxulp=1)


def test_two_features_of_different_keys_keep_their_tables_apart() -> None:
    plan = plan_of(
        feature("x", "FLOAT", "z_score_per_key:k"),
        feature("e", "FLOAT", "z_score"),
        feature("y", "FLOAT", "z_score_per_key:m"),
        feature("k", "BYTES", "category"),
        feature("m", "INT", "passthrough", shape=""),
    )
    rows = [
        {"x": x, "e": e, "y": y, "k": k, "m": m}
        for x, e, y, k, m in [(1, 0, 5, b"a", 1), (3, 2, 7, b"a", 2), (5, 0, 9, b"b", 1), (9, 2, 17, b"b", 2)]
    ]
    found = transformed(plan, rows)
    assert found["x"].tolist() == [-1, 1, -1, 1]
    assert found["e"].tolist() == [-1, 1, -1, 1]
    assert found["y"].tolist() == [-1, -1, 1, 1]
    assert found["m"].tolist() == [1, 2, 1, 2]


STEPS = feature("x", "FLOAT", "z_score", shape="variable")
LISTS = column("x", [[2, 4, 4], [], [4, 5, 5, 7], [9], None])


def sparse_output(plan: Any, train: list[dict[str, Any]], rows: list[dict[str, Any]]) -> tf.SparseTensor:
    measured = measured_constants(plan, train)
    output = apply_plan(tensors(plan, rows), plan, lambda *_: measured)["x"]
    assert isinstance(output, tf.SparseTensor)
    assert output.dtype == tf.float32
    return output


def test_a_variable_length_comes_out_sparse_with_every_value_normalized() -> None:
    output = sparse_output(plan_of(STEPS), LISTS, LISTS)
    assert output.values.numpy().tolist() == [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]
    given = tensors(plan_of(STEPS), LISTS)["x"]
    assert output.indices.numpy().tolist() == given.indices.numpy().tolist()
    assert output.dense_shape.numpy().tolist() == [5, 4]


def test_a_variable_length_has_the_policies_value_by_value() -> None:
    tags = ("clip=1.25", "nonfinite=clip", "missing=constant:6")
    plan = plan_of(feature("x", "FLOAT", "z_score", *tags, shape="variable"))
    output = sparse_output(plan, LISTS, column("x", [[NAN, INF], [], [-INF, 9, 5]]))
    assert output.values.numpy().tolist() == [0.5, 1.25, -1.25, 1.25, 0]
    plan = plan_of(feature("x", "INT", "min_max", shape="variable"))
    assert sparse_output(plan, LISTS, column("x", [[2, 9], [16]])).values.numpy().tolist() == [0, 1, 2]
    plan = plan_of(feature("x", "FLOAT", "robust", shape="variable"))
    assert sparse_output(plan, LISTS, column("x", [[4, 5], [3]])).values.numpy().tolist() == [0, 1, -1]


def test_the_logarithm_of_a_variable_length() -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", "log1p", shape="variable"))
    logs = np.log1p([0.0, 1.0, 3.0])
    found = sparse_output(plan, column("x", [[0, 1], [3]]), column("x", [[3], [0, 1]])).values
    np.testing.assert_array_max_ulp(
        found.numpy(), ((logs - logs.mean()) / logs.std())[[2, 0, 1]].astype(np.float32), maxulp=1
    )


def test_an_empty_row_of_a_variable_length_is_refused_where_its_policy_is_error() -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", "missing=error", shape="variable"))
    full = column("x", [[1, 3], [5]])
    assert sparse_output(plan, full, full).values.shape == (3,)
    with pytest.raises(DataError, match="'x' is missing in 2 place"):
        constants_of(plan, LISTS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'x' is missing in a row"):
        sparse_output(plan, full, LISTS)


def test_other_features_keep_their_places_beside_a_variable_length() -> None:
    plan = plan_of(feature("a", "FLOAT", "z_score"), STEPS, feature("b", "FLOAT", "min_max", shape="2"))
    rows = [{"a": 1, "x": [10], "b": [0, 5]}, {"a": 3, "x": [20, 30], "b": [1, 7]}]
    found = transformed(plan, rows)
    assert found["a"].tolist() == [-1, 1]
    assert found["b"].tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(found["x"], [[-1.2247449, 0], [0, 1.2247449]], rtol=1e-6)


@pytest.mark.parametrize("traced", [True, False])
def test_sparse_ragged_and_whole_columns_of_one_content_give_the_same_bits(tmp_path: Path, traced: bool) -> None:
    plan = plan_of(STEPS)
    made = write_transform_graph(plan, LISTS, tmp_path)
    frozen = FrozenTransform(frozen_graph(constants_of(plan, LISTS))) if traced else made
    rows = column("x", [[1, 2], [3, 0]])
    given = tensors(plan, rows)["x"]
    outputs = [
        frozen({"x": form})["x"]
        for form in (given, tf.RaggedTensor.from_sparse(given), tf.constant([[1.0, 2.0], [3.0, 0.0]]))
    ]
    for output in outputs:
        assert output.values.numpy().tobytes() == outputs[0].values.numpy().tobytes()
        assert output.indices.numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert output.dense_shape.numpy().tolist() == [2, 2]
    lists = tensors(plan, LISTS)["x"]
    ragged = frozen({"x": tf.RaggedTensor.from_sparse(lists)})["x"]
    assert ragged.values.numpy().tobytes() == frozen({"x": lists})["x"].values.numpy().tobytes()


@pytest.mark.parametrize("kind", ["FLOAT", "INT"])
def test_a_weight_is_untouched_and_weighs_the_statistics(kind: str) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("w", kind, "weight"))
    rows = [{"x": x, "w": w} for x, w in [(1, 1), (3, 3), (1, 3), (3, 1), (1000, 0)]]
    found = transformed(plan, rows)
    assert found["w"].tolist() == [1, 3, 3, 1, 0]
    assert found["w"].dtype == (np.int64 if kind == "INT" else np.float32)
    assert found["x"].tolist() == [-1, 1, -1, 1, 998]


def test_a_missing_weight_is_an_error_that_names_it() -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("w", "FLOAT", "weight"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'w' is the weight and is missing in a row"):
        transformed(plan, [{"x": 1, "w": 1}, {"x": 2, "w": 1}], [{"x": 1, "w": None}])


EVERYTHING = plan_of(
    feature("x", "FLOAT", "z_score", "missing=indicator", shape=""),
    feature("i", "INT", "z_score", "missing=constant:3", shape=""),
    feature("r", "INT", "robust", shape="1"),
    feature("m", "FLOAT", "min_max"),
    feature("p", "FLOAT", "z_score_per_key:k", "unseen=zero", shape=""),
    feature("q", "INT", "z_score_per_key:c", shape=""),
    feature("v", "FLOAT", "z_score", shape="variable"),
    feature("k", "BYTES", "ignore", shape=""),
    feature("c", "INT", "category", shape=""),
    feature("w", "FLOAT", "weight", shape=""),
    feature("y", "BYTES", "label", shape=""),
)
ROWS = [
    {
        "x": i,
        "i": i + 1,
        "r": [i],
        "m": i,
        "p": i,
        "q": i,
        "v": [i] * i,
        "k": b"k",
        "c": i % 2,
        "w": 1 + i,
        "y": b"ab"[i % 2 :],
    }
    for i in range(4)
]


def test_an_empty_example_is_served_by_a_traced_graph() -> None:
    frozen = FrozenTransform(frozen_graph(constants_of(EVERYTHING, ROWS)))
    assert frozen.captured_inputs == ()
    found = frozen(frozen.parse(tf.constant([b"", serialized(EVERYTHING, ROWS[1])]), label=False))
    assert set(found) == {"x", "x_missing", "i", "r", "m", "p", "q", "v", "c"}
    empty = {name: values.numpy()[0].item() for name, values in found.items() if name != "v"}
    # i: weighted mean of 1..4 by 1..4 is 3, and so is the constant; m: weighted mean 2 of 0..3.
    assert empty == {
        "x": 0,
        "x_missing": 1,
        "i": 0,
        "r": 0,
        "m": np.float32(2 / 3),
        "p": 0,
        "q": 0,
        "c": 0,
    }
    assert found["x_missing"].numpy().tolist() == [1, 0]
    assert found["v"].indices.numpy().tolist() == [[1, 0]]


def test_a_traced_graph_has_the_bits_of_the_one_that_was_written(tmp_path: Path) -> None:
    written = write_transform_graph(EVERYTHING, ROWS, tmp_path)
    traced = FrozenTransform(frozen_graph(constants_of(EVERYTHING, ROWS)))
    assert traced.digest == written.digest
    raw = tensors(EVERYTHING, ROWS)
    one, other = traced(raw), written(raw)
    assert list(one) == list(other)
    for name, values in one.items():
        for left, right in zip(tf.nest.flatten(values, True), tf.nest.flatten(other[name], True), strict=True):
            assert left.numpy().tobytes() == right.numpy().tobytes(), name
