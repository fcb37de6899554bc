import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.finish import finish
from components.moments.table_statistics import FeatureStatistics, KeyCounts, TableStatistics


def number(**options: Any) -> Feature:
    return Feature(
        **{"name": "x", "role": "z_score", "dtype": "float32", "shape": (), "dense": True, "axis": ()} | options
    )


def category(**options: Any) -> Feature:
    return Feature(**{"name": "c", "role": "category", "dtype": "bytes", "shape": (), "dense": True} | options)


def finished(feature: Feature, statistics: FeatureStatistics, rows: int = 9) -> Any:
    return finish(FeaturePlan((feature,)), TableStatistics(rows, {feature.name: statistics}))[feature.name]


def refusal(feature: Feature, statistics: FeatureStatistics) -> str:
    with pytest.raises(DataError) as caught:
        finished(feature, statistics)
    assert repr(feature.name) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_moments_become_constants() -> None:
    values = np.float32([[2, 1], [4, np.nan], [4, np.inf], [4, 1], [5, -np.inf], [5, 1], [7, 1], [9, 1]])
    found = finished(number(shape=(2,), axis=(0,)), Moments.of(values))
    assert (found.mean.tolist(), found.variance.tolist(), found.sigma.tolist()) == ([5, 1], [4, 0], [2, 0])
    assert (found.min.tolist(), found.max.tolist()) == ([2, 1], [9, 1])
    assert (found.count.tolist(), found.missing.tolist(), found.nan.tolist()) == ([8, 5], [0, 0], [0, 1])
    assert (found.pos_inf.tolist(), found.neg_inf.tolist(), found.vocabulary) == ([0, 1], [0, 1], ())


def test_constants_keep_plan_order_and_rows() -> None:
    plan = FeaturePlan((category(), number(name="b"), Feature("i", "ignore", "bytes", None, False), number(name="a")))
    moments = Moments.of(np.float32([1]))
    statistics = TableStatistics(1, {"a": moments, "b": moments, "c": KeyCounts(Counter({b"k": 1}))})
    found = finish(plan, statistics)
    assert (list(found), found.rows, found.plan) == (["c", "b", "a"], 1, plan)


def test_a_split_without_a_row_is_refused() -> None:
    plan = FeaturePlan((number(),))
    with pytest.raises(DataError, match="no row"):
        finish(plan, TableStatistics.empty(plan))


@pytest.mark.parametrize("values", [[np.nan, np.inf], []])
def test_a_feature_without_a_finite_value_is_refused(values: list[float]) -> None:
    assert "no finite value" in refusal(number(), Moments.of(np.float32(values)))


def test_an_element_without_a_finite_value_is_named() -> None:
    moments = Moments.of(np.float32([[[1, 2], [3, np.nan]]]))
    assert "at [1, 1]" in refusal(number(shape=(2, 2), axis=(0, 1)), moments)


def test_a_variance_beyond_float64_is_refused() -> None:
    assert "variance" in refusal(number(), Moments.of(np.float64([1.7e308, -1.7e308])))


ONE_MISSING = Moments.of(np.float32([1, 2, 3]), mask=[True, False, True])


def test_the_policy_error_counts_what_is_missing() -> None:
    message = refusal(number(missing="error"), ONE_MISSING)
    assert re.search("missing in 1 place.*missing=error", message)
    for policy in ("mean", "indicator", "constant:0"):
        assert finished(number(missing=policy), ONE_MISSING).missing == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_policy_error_counts_what_is_not_finite(value: float) -> None:
    moments = Moments.of(np.float32([1, value, value]))
    message = refusal(number(nonfinite="error"), moments)
    assert re.search("NaN or infinite in 2 place.*nonfinite=error", message)
    for policy in ("missing", "clip"):
        assert finished(number(nonfinite=policy), moments).count == 1


def test_a_nan_is_no_missing_value_for_the_policies() -> None:
    assert finished(number(missing="error"), Moments.of(np.float32([1, np.nan]))).nan == 1
    assert finished(number(nonfinite="error"), ONE_MISSING).missing == 1


def test_a_numeric_label_must_be_there_and_finite() -> None:
    label = number(name="y", role="label", axis=None, missing="error")
    assert "which a label does not allow" in refusal(label, ONE_MISSING)
    assert "which a label does not allow" in refusal(label, Moments.of(np.float32([1, np.nan])))


def test_a_text_label_must_be_there() -> None:
    label = category(name="y", role="label", missing="error")
    assert "missing in 2 place(s)" in refusal(label, KeyCounts(Counter({b"a": 1}), 2))


KEYS = Counter({b"rare": 1, b"b": 3, b"a": 3, b"often": 5, b"\xff": 3})


def test_a_vocabulary_is_by_falling_count_then_by_bytes() -> None:
    found = finished(category(), KeyCounts(KEYS, 4))
    assert found.vocabulary == ((b"often", 5), (b"a", 3), (b"b", 3), (b"\xff", 3), (b"rare", 1))
    assert (found.count, found.missing, found.nan) == (15, 4, 0)
    assert np.isnan([found.mean, found.variance, found.min, found.max]).all()


def test_the_vocabulary_of_a_label_is_by_bytes() -> None:
    found = finished(category(name="y", role="label"), KeyCounts(KEYS))
    assert [key for key, _ in found.vocabulary] == [b"a", b"b", b"often", b"rare", b"\xff"]


def test_more_keys_than_max_keys_are_an_error_and_no_cut() -> None:
    assert len(finished(category(max_keys=5), KeyCounts(KEYS)).vocabulary) == 5
    message = refusal(category(max_keys=4), KeyCounts(KEYS))
    assert "more than max_keys=4 distinct values (5 so far)" in message


def test_a_category_that_is_always_missing_has_an_empty_vocabulary() -> None:
    found = finished(category(), KeyCounts(Counter(), 9))
    assert (found.vocabulary, found.count, found.missing) == ((), 0, 9)
