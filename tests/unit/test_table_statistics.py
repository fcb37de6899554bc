from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.columns import SparseParts
from components.moments.table_statistics import KeyCounts, TableStatistics, analyzed, columns_read


def texts(*values: bytes) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def sparse(rows: int, where: list[int], values: npt.NDArray[Any]) -> SparseParts:
    return SparseParts(np.array([[row, 0] for row in where], np.int64).reshape(-1, 2), values, np.array([rows, 1]))


def statistics_of(feature: Feature, batch: Any) -> Any:
    return TableStatistics.of(FeaturePlan((feature,)), [batch]).features[feature.name]


def number(**options: Any) -> Feature:
    return Feature(
        **{"name": "x", "role": "z_score", "dtype": "float32", "shape": (), "dense": True, "axis": ()} | options
    )


def test_ignored_and_passed_on_features_are_not_analysed() -> None:
    roles = ["ignore", "z_score", "passthrough", "label", "category", "min_max", "robust", "weight", "z_score_per_key"]
    plan = FeaturePlan(tuple(Feature(role, role, "int64", (), True) for role in roles))
    expected = ["z_score", "label", "category", "min_max", "robust", "weight", "z_score_per_key"]
    assert [feature.name for feature in analyzed(plan)] == expected


def test_a_column_that_rows_are_grouped_by_is_read_whatever_its_role() -> None:
    roles = ["ignore", "z_score", "passthrough", "category"]
    columns = [Feature(role, role, "int64", (), True) for role in roles]
    grouped = Feature("x", "z_score_per_key", "float32", (), True, key="ignore")
    assert [feature.name for feature in columns_read(FeaturePlan((*columns, grouped)))] == [
        "ignore",
        "z_score",
        "category",
        "x",
    ]


def test_a_table_of_numbers_and_texts() -> None:
    plan = FeaturePlan(
        (number(), Feature("c", "category", "bytes", (), True), Feature("y", "label", "int64", (), True))
    )
    found = TableStatistics.of(plan, [np.float32([1, 3, np.nan]), texts(b"b", b"a", b"b"), np.int64([0, 1, 1])])
    assert found.rows == 3
    numbers, keys, label = (found.features[name] for name in ("x", "c", "y"))
    assert isinstance(numbers, Moments)
    assert isinstance(label, Moments)
    assert (numbers.count, numbers.mean, numbers.variance, numbers.nan) == (2, 2.0, 1.0, 1)
    assert keys == KeyCounts(Counter({b"b": 2, b"a": 1}), 0)
    assert (label.count, label.min, label.max) == (3, 0.0, 1.0)


def test_a_row_without_a_value_is_missing_and_not_zero() -> None:
    found = statistics_of(number(dense=False), sparse(5, [1, 4], np.float32([10, 12])))
    assert (found.count, found.missing, found.mean, found.min) == (2, 3, 11.0, 10.0)


def test_a_sparse_column_with_nan_keeps_its_variance() -> None:
    found = statistics_of(number(dense=False), sparse(6, [0, 2, 3, 5], np.float32([10, 12, np.nan, 14])))
    assert (found.mean.item(), found.variance.item(), found.nan, found.missing) == (12.0, 8 / 3, 1, 2)


def test_a_batch_without_any_value_counts_its_rows() -> None:
    found = statistics_of(number(dense=False, dtype="int64"), sparse(4, [], np.int64([])))
    assert (found.count, found.missing) == (0, 4)


def test_two_values_in_a_row_that_may_hold_one_are_an_error_that_names_the_feature() -> None:
    with pytest.raises(DataError, match=r"'x' must have at most one value a row"):
        statistics_of(
            number(dense=False), SparseParts(np.array([[0, 0], [0, 1]]), np.float32([1, 2]), np.array([1, 2]))
        )


@pytest.mark.parametrize(
    ("axis", "mean", "count"),
    [
        ((0, 1), [[4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], [[2, 2, 2], [2, 2, 2]]),
        ((0,), [5.0, 8.0], [6, 6]),
        ((1,), [5.5, 6.5, 7.5], [4, 4, 4]),
        ((), 6.5, 12),
    ],
)
def test_axis_says_what_is_measured_together(axis: tuple[int, ...], mean: Any, count: Any) -> None:
    rows = np.arange(1, 7, dtype=np.float32).reshape(2, 3) + np.float32([0, 6]).reshape(2, 1, 1)
    found = statistics_of(number(shape=(2, 3), axis=axis), rows)
    assert (found.mean.tolist(), found.count.tolist()) == (mean, count)


def test_axis_keeps_an_asymmetric_table_apart() -> None:
    rows = np.zeros((1, 2, 3), np.float32)
    rows[0, 1, 2] = 6
    assert statistics_of(number(shape=(2, 3), axis=(0,)), rows).mean.tolist() == [0, 2]
    assert statistics_of(number(shape=(2, 3), axis=(1,)), rows).mean.tolist() == [0, 0, 3]


def test_two_kept_axes_stay_in_their_order() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)  # over the middle axis: (0 + 3) / 2, (1 + 4) / 2, ...
    found = statistics_of(number(shape=(2, 2, 3), axis=(0, 2)), rows)
    assert found.mean.tolist() == [[1.5, 2.5, 3.5], [7.5, 8.5, 9.5]]


def test_no_row_is_the_neutral_element() -> None:
    plan = FeaturePlan((number(shape=(2, 3), axis=(1,)), Feature("c", "category", "bytes", (), True)))
    nothing = TableStatistics.of(plan, [np.zeros((0, 2, 3), np.float32), texts()])
    assert nothing.to_bytes() == TableStatistics.empty(plan).to_bytes()


def test_log1p_is_taken_in_float64_before_the_statistics() -> None:
    found = statistics_of(number(log1p=True), np.float32([0.0, 1e-10]))
    assert found.max.item() == pytest.approx(float(np.float32(1e-10)) * (1 - 5e-11), rel=1e-15)
    found = statistics_of(number(log1p=True), np.float32([0.0, np.nan, np.inf, -np.inf]))
    assert (found.count, found.nan, found.pos_inf, found.mean) == (1, 2, 1, 0.0)


def test_log1p_of_minus_one_and_less_names_the_feature_and_the_value() -> None:
    with pytest.raises(DataError, match="'x' holds -2, and its tag log1p needs values above -1"):
        statistics_of(number(log1p=True, dtype="int64"), np.int64([0, -1, -2, 0]))


def test_integers_are_never_rounded_through_float32() -> None:
    found = statistics_of(number(dtype="int64"), np.int64([2**53 + 1, 2**53 + 3]))
    assert found.total.item() == (2 * 2**53 + 4) << (1074 + 149)


def test_integer_categories_are_counted_as_decimal_text() -> None:
    feature = Feature("c", "category", "int64", (), True)
    found = statistics_of(feature, np.int64([-(2**63), 2**63 - 1, 7, 7]))
    assert found.counts == {b"-9223372036854775808": 1, b"9223372036854775807": 1, b"7": 2}


def test_a_category_of_shape_1_is_counted_by_row() -> None:
    column = texts(b"a", b"b", b"a").reshape(3, 1)
    assert statistics_of(Feature("c", "category", "bytes", (1,), True), column).counts == {b"a": 2, b"b": 1}


def test_a_missing_category_is_no_empty_text() -> None:
    found = statistics_of(Feature("c", "category", "bytes", (), False), sparse(4, [0, 2], texts(b"", b"a")))
    assert (found.counts, found.missing) == ({b"": 1, b"a": 1}, 2)


def test_bytes_hold_any_key() -> None:
    plan = FeaturePlan((Feature("c", "category", "bytes", (), True),))
    keys = [b"", b"\0", b"a\0", b"\xff\xfe", b"\xed\xa0\x80", b'"\\', "日本".encode(), b"\xc3"]
    found = TableStatistics.of(plan, [texts(*keys)])
    assert TableStatistics.from_bytes(found.to_bytes()).features["c"] == KeyCounts(Counter(keys), 0)


def test_bytes_hold_values_beyond_decimal_text() -> None:
    values = np.float32([1e-45, -3e38, 0.1])
    plan = FeaturePlan((number(),))
    again = TableStatistics.from_bytes(TableStatistics.of(plan, [values]).to_bytes()).features["x"]
    direct = Moments.of(values)
    assert isinstance(again, Moments)
    for one, other in ((again.mean, direct.mean), (again.variance, direct.variance), (again.min, direct.min)):
        assert one.tobytes() == other.tobytes()


def test_bytes_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read; b'TNS2' is required"):
        TableStatistics.from_bytes(b"TNS1 and more")


def test_columns_of_different_length_are_refused() -> None:
    plan = FeaturePlan((number(), number(name="z")))
    with pytest.raises(ValueError, match=r"equally many rows but have \[1, 2\]"):
        TableStatistics.of(plan, [np.float32([1]), np.float32([1, 2])])


def test_a_column_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        TableStatistics.of(FeaturePlan((number(), number(name="z"))), [np.float32([1])])


def lists(*rows: list[Any], dtype: Any = np.float32) -> SparseParts:
    where = [[row, at] for row, held in enumerate(rows) for at in range(len(held))]
    values = np.array([value for held in rows for value in held], dtype)
    return SparseParts(np.array(where, np.int64).reshape(-1, 2), values, np.array([len(rows), 9]))


def steps(**options: Any) -> Feature:
    return number(**{"shape": None, "dense": False} | options)


def test_a_variable_length_has_one_statistic_over_all_values_and_its_empty_rows_are_missing() -> None:
    found = statistics_of(steps(), lists([2, 4, 4], [], [4, 5, 5, np.nan], [np.inf], [7, 9], []))
    assert (found.mean.shape, found.mean.item(), found.variance.item()) == ((), 5.0, 4.0)
    assert (found.count, found.missing, found.nan, found.pos_inf, found.min, found.max) == (8, 2, 1, 1, 2, 9)


def test_a_variable_length_of_nothing_but_empty_rows_is_all_missing() -> None:
    found = statistics_of(steps(dtype="int64"), lists([], [], dtype=np.int64))
    assert (found.count, found.missing) == (0, 2)


def test_the_logarithm_of_a_variable_length_is_taken_of_each_value() -> None:
    found = statistics_of(steps(log1p=True), lists([0, 0], [], [0]))
    assert (found.count, found.missing, found.max) == (3, 1, 0.0)
    with pytest.raises(DataError, match="'x' holds -3"):
        statistics_of(steps(log1p=True), lists([0, -3]))


WEIGHT = Feature("w", "weight", "float32", (), True)


def test_a_weight_weighs_every_value_of_its_row() -> None:
    plan = FeaturePlan((steps(), number(name="z", shape=(2,), axis=()), WEIGHT))
    batch = [lists([1, 4], [], [9], [100]), np.float32([[1, 3], [5, 5], [0, 0], [7, 7]]), np.float32([2, 3, 1, 0])]
    found = TableStatistics.of(plan, batch).features
    x, z, w = (found[name] for name in "xzw")
    assert isinstance(x, Moments)
    assert isinstance(z, Moments)
    assert isinstance(w, Moments)
    # (2 * 1 + 2 * 4 + 9) / 5; the empty row weighs something, the last one does not.
    assert (x.mean.item(), x.count, x.missing, x.max) == (3.8, 3, 1, 9)
    assert (z.mean.item(), z.count) == ((2 * 4 + 3 * 10) / 12, 6)
    # The weight's own statistic weighs nothing.
    assert (w.mean, w.count, w.min, w.max) == (1.5, 4, 0, 3)


def test_a_weight_may_come_sparse_or_whole_and_weighs_a_numeric_label() -> None:
    label = Feature("y", "label", "int64", (), True)
    weight = Feature("w", "weight", "int64", (1,), True)
    found = TableStatistics.of(FeaturePlan((label, weight)), [np.int64([0, 1]), np.int64([[1], [3]])]).features["y"]
    assert isinstance(found, Moments)
    assert found.mean == 0.75
    weight = Feature("w", "weight", "float32", (), False)
    batch = [np.int64([0, 1]), sparse(2, [0, 1], np.float32([1, 3]))]
    found = TableStatistics.of(FeaturePlan((label, weight)), batch).features["y"]
    assert isinstance(found, Moments)
    assert found.mean == 0.75


@pytest.mark.parametrize(
    "weights",
    [np.float32([1, -1]), np.float32([1, np.nan]), np.float32([np.inf, 1]), sparse(2, [1], np.float32([1]))],
    ids=["negative", "nan", "infinite", "missing"],
)
def test_a_weight_that_is_none_is_an_error_that_names_it(weights: Any) -> None:
    with pytest.raises(DataError, match="The weight 'w' must be a number of at least 0 in every row"):
        TableStatistics.of(FeaturePlan((number(), WEIGHT)), [np.float32([1, 2]), weights])
    with pytest.raises(DataError, match="exact in float32"):
        batch = [np.float32([1, 2]), np.int64([2**24 + 1, 1])]
        TableStatistics.of(FeaturePlan((number(), Feature("w", "weight", "int64", (), True))), batch)


def test_a_row_of_weight_zero_enters_no_category_and_no_key_but_stays_in_the_labels_vocabulary() -> None:
    plan = FeaturePlan(
        (
            Feature("c", "category", "bytes", (), False),
            Feature("y", "label", "bytes", (), True),
            Feature("k", "z_score_per_key", "float32", (), True, axis=(), key="c"),
            number(role="robust"),
            WEIGHT,
        )
    )
    keys = sparse(5, [0, 1, 2], texts(b"a", b"b", b"a"))
    numbers = np.float32([1, 2, 4, 8, 16])
    batch = [keys, texts(b"n", b"u", b"y", b"n", b"u"), numbers, numbers, np.float32([2, 0, 0.5, 1, 0])]
    found: Any = TableStatistics.of(plan, batch).features
    assert found["c"] == KeyCounts(Counter({b"a": 2}), 1)
    assert found["y"] == KeyCounts(Counter({b"n": 2, b"u": 2, b"y": 1}), 0)
    assert (found["k"].keys, found["k"].by_key.mean.tolist()) == ((b"a",), [(2 * 1 + 0.5 * 4) / 2.5])
    assert found["x"].orders[0].quartiles()[0].tolist() == [1, 4, 8]


def test_quartiles_take_finite_values_of_each_element_or_of_all() -> None:
    rows = np.float32([[1, 10], [np.nan, 20], [2, np.inf], [-np.inf, 30], [3, 40]])
    apart = statistics_of(number(role="robust", shape=(2,), axis=(0,)), rows)
    assert [order.quartiles()[0].tolist() for order in apart.orders] == [[1, 2, 3], [10, 20, 30]]
    together = statistics_of(number(role="robust", shape=(2,), axis=()), rows)
    assert [order.quartiles()[0].tolist() for order in together.orders] == [[2, 10, 30]]
    assert (together.moments.nan, together.moments.pos_inf, together.moments.neg_inf) == (1, 1, 1)


def test_quartiles_of_a_variable_length() -> None:
    found = statistics_of(steps(role="robust"), lists([5, 1], [], [4, 2, 3]))
    assert found.orders[0].quartiles()[0].tolist() == [2, 3, 4]
    assert found.moments.missing == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "uint8", "int32", "bool"])
def test_a_tensor_of_another_type_inside_a_preprocessing_fn_is_taken_exactly(dtype: str) -> None:
    import ml_dtypes

    values = np.array([0, 1, 1, 0.5 if "float" in dtype else 1], ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    found = statistics_of(number(), values)
    exact = [Fraction(float(value)) for value in values]
    mean = sum(exact) / 4
    assert found.mean.item() == float(mean)
    assert found.variance.item() == float(sum((value - mean) ** 2 for value in exact) / 4)
