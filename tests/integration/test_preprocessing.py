"""Raw columns to model columns: every role and policy, against values worked out by hand."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, measured_constants, plan_of, tensors, transformed

from components.errors import DataError
from components.transform.preprocessing import apply_plan

# Mean 5, variance 4, sigma 2: nothing is rounded.
TEXTBOOK = [2, 4, 4, 4, 5, 5, 7, 9]
TEXTBOOK_SCORES = [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]
NAN, INF = float("nan"), float("inf")


def rows_of(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


def scores(declared: str, train: list[Any], values: list[Any] | None = None) -> dict[str, np.ndarray]:
    """Outputs for one feature called x."""
    return transformed(plan_of(declared), rows_of("x", train), rows_of("x", train if values is None else values))


@pytest.mark.parametrize("kind", ["FLOAT", "INT"])
@pytest.mark.parametrize("shape", [None, "", "1"])
def test_a_z_score_is_float32_of_one_value_a_row(kind: str, shape: str | None) -> None:
    train: list[Any] = [[value] for value in TEXTBOOK] if shape == "1" else TEXTBOOK
    found = scores(feature("x", kind, "z_score", shape=shape), train)["x"]
    assert found.dtype == np.float32
    assert found.tolist() == TEXTBOOK_SCORES


def test_z_scores_at_a_large_offset_are_within_an_ulp_of_exact_arithmetic() -> None:
    seen = np.random.default_rng(7).normal(1e6, 3.0, 500).astype(np.float32)
    exact = [Fraction(float(value)) for value in seen]
    mean = sum(exact) / len(exact)
    sigma = float(sum((value - mean) ** 2 for value in exact) / len(exact)) ** 0.5
    expected = np.array([float(value - mean) / sigma for value in exact])
    found = scores(feature("x", "FLOAT", "z_score"), seen.tolist())["x"]
    assert (np.abs(found - expected) <= np.spacing(np.abs(expected).astype(np.float32))).all()


def test_large_integers_are_exact() -> None:
    base = 2**53 - 20
    assert scores(feature("x", "INT", "z_score"), [base + value for value in TEXTBOOK])["x"].tolist() == TEXTBOOK_SCORES


def test_min_max_maps_the_training_range_to_0_and_1() -> None:
    found = scores(feature("x", "FLOAT", "min_max"), [-2, 0, 6], [-2, 0, 2, 6, 14, -10])["x"]
    assert found.tolist() == [0, 0.25, 0.5, 1, 2, -1]


def test_log1p_is_taken_before_the_statistics() -> None:
    found = scores(feature("x", "FLOAT", "z_score", "log1p"), [0, 1, 3])["x"]
    logs = np.log1p(np.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_max_ulp(found, ((logs - logs.mean()) / logs.std()).astype(np.float32), maxulp=1)


def test_clip_bounds_the_score_on_both_sides() -> None:
    found = scores(feature("x", "FLOAT", "z_score", "clip=1.25"), TEXTBOOK)["x"]
    assert found.tolist() == [-1.25, -0.5, -0.5, -0.5, 0, 0, 1, 1.25]


def test_clip_leaves_other_features_alone() -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", "clip=1"), feature("y", "FLOAT", "z_score"))
    found = transformed(plan, [{"x": value, "y": value} for value in TEXTBOOK])
    assert found["x"].min() == -1
    assert found["y"].tolist() == TEXTBOOK_SCORES


@pytest.mark.parametrize("value", [3.5, -1e30, 1e30, None, NAN, INF, -INF])
@pytest.mark.parametrize("tags", [("z_score",), ("min_max",), ("z_score", "missing=constant:9", "nonfinite=clip")])
def test_a_feature_without_spread_is_0_whatever_comes(tags: tuple[str, ...], value: float | None) -> None:
    assert scores(feature("x", "FLOAT", *tags), [3.5, 3.5], [value])["x"].tolist() == [0]


def test_a_missing_value_scores_as_the_mean() -> None:
    found = scores(feature("x", "FLOAT", "z_score", "missing=mean"), [None, *TEXTBOOK])["x"]
    assert found.tolist() == [0, *TEXTBOOK_SCORES]


def test_a_missing_value_of_min_max_is_the_mean_too() -> None:
    assert scores(feature("x", "FLOAT", "min_max"), [0, 1, 1, 2, 16], [None])["x"].tolist() == [0.25]


@pytest.mark.parametrize("absent", [None, NAN, INF, -INF])
def test_a_missing_value_scores_as_the_constant_of_the_schema(absent: float | None) -> None:
    found = scores(feature("x", "FLOAT", "z_score", "missing=constant:8"), [absent, *TEXTBOOK])["x"]
    assert found.tolist() == [1.5, *TEXTBOOK_SCORES]


def test_the_constant_for_missing_values_is_raw_also_under_log1p() -> None:
    found = scores(feature("x", "FLOAT", "z_score", "log1p", "missing=constant:3"), [0, 1, 3], [None, 3])["x"]
    assert found[0] == found[1]


@pytest.mark.parametrize("shape", [None, ""])
@pytest.mark.parametrize("absent", [NAN, INF])
def test_an_indicator_flags_what_has_no_finite_value(absent: float, shape: str | None) -> None:
    found = scores(feature("x", "FLOAT", "z_score", "missing=indicator", shape=shape), [absent, *TEXTBOOK])
    assert found["x"].tolist() == [0, *TEXTBOOK_SCORES]
    assert found["x_missing"].dtype == np.float32
    assert found["x_missing"].tolist() == [1] + [0] * 8


def test_an_indicator_flags_an_absent_value() -> None:
    found = scores(feature("x", "INT", "z_score", "missing=indicator"), [None, *TEXTBOOK])
    assert found["x"].tolist() == [0, *TEXTBOOK_SCORES]
    assert found["x_missing"].tolist() == [1] + [0] * 8


def test_an_error_for_a_missing_value_names_the_feature() -> None:
    declared = feature("x", "FLOAT", "z_score", "missing=error")
    assert scores(declared, TEXTBOOK)["x"].tolist() == TEXTBOOK_SCORES
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'x' is missing in a row"):
        scores(declared, TEXTBOOK, [1, None])
    with pytest.raises(DataError, match="Feature 'x' is missing in 1 place"):
        scores(declared, [1, None])


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_an_error_for_a_non_finite_value_names_the_feature(value: float) -> None:
    declared = feature("x", "FLOAT", "z_score", "nonfinite=error")
    assert scores(declared, TEXTBOOK, [5, None])["x"].tolist() == [0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'x' is NaN or infinite"):
        scores(declared, TEXTBOOK, [5, value])
    with pytest.raises(DataError, match="Feature 'x' is NaN or infinite in 1 place"):
        scores(declared, [*TEXTBOOK, value])


def test_non_finite_values_are_missing_by_default_and_enter_no_statistic() -> None:
    found = scores(feature("x", "FLOAT", "z_score"), [NAN, INF, -INF, *TEXTBOOK])["x"]
    assert found.tolist() == [0, 0, 0, *TEXTBOOK_SCORES]


def test_clipped_infinities_score_as_the_extremes_of_the_training_split() -> None:
    found = scores(feature("x", "FLOAT", "z_score", "nonfinite=clip"), TEXTBOOK, [-INF, INF, NAN, None, 100])["x"]
    assert found.tolist() == [-1.5, 2, 0, 0, 47.5]


def test_the_bound_holds_for_clipped_infinities_too() -> None:
    declared = feature("x", "FLOAT", "z_score", "nonfinite=clip", "clip=1.75")
    assert scores(declared, TEXTBOOK, [-INF, INF])["x"].tolist() == [-1.5, 1.75]


def test_every_element_has_its_own_statistics_by_default() -> None:
    train = [[0, 10, 5], [2, 30, 5]]
    assert scores(feature("x", "FLOAT", "z_score", shape="3"), train)["x"].tolist() == [[-1, -1, 0], [1, 1, 0]]


def test_one_statistic_for_all_elements() -> None:
    train = [TEXTBOOK[:4], TEXTBOOK[4:]]
    found = scores(feature("x", "FLOAT", "z_score", "axis=all", shape="4"), train)["x"]
    assert found.tolist() == [TEXTBOOK_SCORES[:4], TEXTBOOK_SCORES[4:]]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        # Kept rows: {0, 2, 4, 6} has mean 3 and sigma sqrt(5), {1, 1, 3, 3} has mean 2 and sigma 1.
        ("0", [[[-3 / 5**0.5, -1 / 5**0.5], [-1, -1]], [[1 / 5**0.5, 3 / 5**0.5], [1, 1]]]),
        # Kept columns: {0, 4, 1, 3} has mean 2 and sigma sqrt(2.5), {2, 6, 1, 3} mean 3 and sigma sqrt(3.5).
        ("1", [[[-2 / 2.5**0.5, -1 / 3.5**0.5], [-1 / 2.5**0.5, -2 / 3.5**0.5]]]),
    ],
)
def test_kept_axes_have_their_own_statistics(axis: str, expected: list[Any]) -> None:
    train = [[[0, 2], [1, 1]], [[4, 6], [3, 3]]]
    found = scores(feature("x", "FLOAT", "z_score", f"axis={axis}", shape="2,2"), train)["x"]
    np.testing.assert_array_max_ulp(found[: len(expected)], np.array(expected, np.float32), maxulp=1)


def test_one_element_that_is_nan_leaves_the_others_alone() -> None:
    train = [[0, 10], [2, 30], [NAN, 20]]
    found = scores(feature("x", "FLOAT", "z_score", shape="2"), train)["x"]
    np.testing.assert_allclose(found, [[-1, -1.2247449], [1, 1.2247449], [0, 0]], rtol=1e-7)


def test_features_of_different_widths_keep_their_places() -> None:
    plan = plan_of(
        feature("a", "INT", "z_score"), feature("b", "FLOAT", "z_score", shape="2"), feature("c", "FLOAT", "min_max")
    )
    found = transformed(plan, [{"a": 1, "b": [0, 10], "c": 7}, {"a": 3, "b": [2, 30], "c": 8}])
    assert {name: values.tolist() for name, values in found.items()} == {
        "a": [-1, 1],
        "b": [[-1, -1], [1, 1]],
        "c": [0, 1],
    }


X = feature("x", "FLOAT", "z_score")


def test_category_ids_go_by_falling_count_then_by_bytes() -> None:
    seen = ["b", "c", "c", "c", "a", "z", "z"]
    plan = plan_of(X, feature("k", "BYTES", "category"))
    train = [{"x": 1.0, "k": key.encode()} for key in seen]
    asked = [b"c", b"z", b"a", b"b", b"unknown", b"", None]
    found = transformed(plan, train, [{"k": key, "x": 1.0} for key in asked])["k"]
    assert found.dtype == np.int64
    assert found.tolist() == [1, 2, 3, 4, 0, 0, 0]


@pytest.mark.parametrize("shape", [None, ""])
def test_keys_keep_their_nul_bytes(shape: str | None) -> None:
    seen = [b"a", b"a", b"a", b"a\0", b"a\0", b"\0\0a", b""]
    plan = plan_of(X, feature("k", "BYTES", "category", shape=shape))
    rows = [{"x": 1.0, "k": key} for key in seen]
    found = transformed(plan, rows, [{"x": 1.0, "k": key} for key in [b"a", b"a\0", b"", b"\0\0a", b"a\0\0", b"\0"]])
    assert found["k"].tolist() == [1, 2, 3, 4, 0, 0]


def test_bytes_that_are_no_text_are_keys_as_well() -> None:
    plan = plan_of(X, feature("k", "BYTES", "category"))
    rows = [{"x": 1.0, "k": key} for key in [b"\xff\xfe", b"\xff\xfe", "zoë".encode(), b"\x80"]]
    assert transformed(plan, rows)["k"].tolist() == [1, 1, 2, 3]


def test_integer_categories() -> None:
    plan = plan_of(X, feature("k", "INT", "category"))
    largest = 2**63 - 1
    train = [{"x": 1.0, "k": key} for key in [-5, 0, 0, largest, largest, largest, None]]
    found = transformed(plan, train, [{"x": 1.0, "k": key} for key in [largest, 0, -5, 1, -(2**63), largest - 1, None]])
    assert found["k"].tolist() == [1, 2, 3, 0, 0, 0, 0]


def test_the_word_zero_padded_is_another_key() -> None:
    plan = plan_of(X, feature("k", "BYTES", "category"))
    found = transformed(plan, [{"x": 1.0, "k": b"1"}], [{"x": 1.0, "k": key} for key in [b"1", b"01", b"1 "]])
    assert found["k"].tolist() == [1, 0, 0]


def test_a_text_label_is_numbered_from_0_in_byte_order_whatever_its_counts() -> None:
    plan = plan_of(X, feature("y", "BYTES", "label", shape=""))
    found = transformed(plan, [{"x": 1.0, "y": label} for label in [b"b", b"b", b"a", b"Z", b"b"]])["y"]
    assert found.dtype == np.int64
    assert found.tolist() == [2, 2, 1, 0, 2]


@pytest.mark.parametrize("shape", [None, ""])
def test_a_label_that_the_training_split_lacks_is_an_error_that_names_it(shape: str | None) -> None:
    plan = plan_of(X, feature("species", "BYTES", "label", shape=shape))
    train = [{"x": 1.0, "species": label} for label in [b"a", b"b"]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'species' has a label that the training split"):
        transformed(plan, train, [{"x": 1.0, "species": b"c"}])


@pytest.mark.parametrize("kind", ["BYTES", "INT", "FLOAT"])
def test_a_missing_label_is_an_error_that_names_it(kind: str) -> None:
    plan = plan_of(X, feature("y", kind, "label"))
    seen = [b"a", b"b"] if kind == "BYTES" else [0, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature 'y' is the label and is missing in a row"):
        transformed(plan, [{"x": 1.0, "y": label} for label in seen], [{"x": 1.0, "y": None}])


@pytest.mark.parametrize(("kind", "dtype"), [("INT", np.int64), ("FLOAT", np.float32)])
def test_a_numeric_label_is_untouched(kind: str, dtype: type) -> None:
    plan = plan_of(X, feature("y", kind, "label"))
    found = transformed(plan, [{"x": 1.0, "y": label} for label in [7, -3, 100]])["y"]
    assert found.dtype == dtype
    assert found.tolist() == [7, -3, 100]


def test_passthrough_is_untouched_and_ignored_features_are_left_out() -> None:
    plan = plan_of(
        X,
        feature("id", "INT", "passthrough", shape=""),
        feature("pair", "FLOAT", "passthrough", shape="2"),
        feature("name", "BYTES", "ignore"),
    )
    found = transformed(plan, [{"x": 1.0, "id": 2**62 + 1, "pair": [1.5, NAN], "name": b"n"}])
    assert set(found) == {"x", "id", "pair"}
    assert found["id"].tolist() == [2**62 + 1]
    np.testing.assert_array_equal(found["pair"], np.array([[1.5, NAN]], np.float32))


def test_outputs_carry_names_that_a_model_can_use() -> None:
    plan = plan_of(
        feature("dep delay (min)", "FLOAT", "z_score", "missing=indicator"), feature("2nd/key", "INT", "category")
    )
    found = transformed(plan, [{"dep delay (min)": 1.0, "2nd/key": 4}])
    assert set(found) == {"dep_delay_min", "dep_delay_min_missing", "f_2nd_key"}


def test_before_an_analysis_the_graph_runs_and_checks_nothing() -> None:
    """tf.Transform traces the function with a placeholder of one element in the constants' place."""
    plan = plan_of(
        feature("x", "FLOAT", "z_score", "missing=error", shape=""),
        feature("k", "BYTES", "category"),
        feature("y", "BYTES", "label"),
    )
    rows = [{"x": 3.0, "k": b"a", "y": b"never seen"}, {"x": NAN, "k": None, "y": b"nor this"}]
    found = apply_plan(tensors(plan, rows), plan, lambda *_: tf.constant([b""]))
    assert found["x"].numpy().tolist() == [0, 0]
    assert found["k"].numpy().tolist() == [0, 0]


def test_an_empty_batch_gives_empty_columns() -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", shape="2"), feature("k", "BYTES", "category"))
    measured = measured_constants(plan, [{"x": [1.0, 2.0], "k": b"a"}])
    empty = {
        "x": tf.zeros([0, 2]),
        "k": tf.SparseTensor(tf.zeros([0, 2], tf.int64), tf.constant([], tf.string), [0, 1]),
    }
    found = apply_plan(empty, plan, lambda *_: measured)
    assert {name: tuple(values.shape) for name, values in found.items()} == {"x": (0, 2), "k": (0,)}
