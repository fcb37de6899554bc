"""Two sets of constants beside each other, against numbers computed by hand."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hand_constants import number, set_of, table_by_key, words

from components.constants import FeatureConstants
from components.drift.changes import FeatureChange
from components.drift.compare import compare

INF = math.inf


def change_of(before: FeatureConstants, after: FeatureConstants) -> FeatureChange:
    (change,) = compare(set_of(before), set_of(after)).features
    return change


def moments_of(before: Any, after: Any) -> list[float]:
    """Shift, its error, ratio and its error of scalar features with these counts, means and variances."""
    names = ("count", "mean", "variance")
    change = change_of(number(**dict(zip(names, before, strict=True))), number(**dict(zip(names, after, strict=True))))
    assert change.moments is not None
    found = change.moments
    return [float(x) for x in (found.mean_shift, found.mean_shift_error, found.sigma_ratio, found.sigma_ratio_error)]


def test_a_shift_is_in_sigmas_of_the_first_set_and_has_a_standard_error() -> None:
    # sigma 2 and 4; |7 - 10| / 2; sqrt(4 / 100 + 16 / 400) / 2; 4 / 2; 2 * sqrt(1 / 200 + 1 / 800)
    expected = [1.5, math.sqrt(0.08) / 2, 2.0, 2 * math.sqrt(0.00625)]
    assert moments_of((100, 10.0, 4.0), (400, 7.0, 16.0)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((10, 3.0, 0.0), (10, 3.0, 0.0), [0, 0, 1]),
        ((10, 3.0, 0.0), (10, 3.5, 0.0), [INF, 0, 1]),
        ((10, 3.0, 0.0), (10, 3.0, 0.5), [0, INF, INF]),
        ((10, 3.0, 4.0), (10, 3.0, 0.0), [0, math.sqrt(0.4) / 2, 0]),
    ],
    ids=["both constant", "constant and moved", "spread appeared", "spread gone"],
)
def test_no_spread_makes_no_nan(before: Any, after: Any, expected: list[float]) -> None:
    assert moments_of(before, after)[:3] == pytest.approx(expected)


def test_two_samples_of_one_population_are_about_one_standard_error_apart() -> None:
    random = np.random.default_rng(11)
    scores = []
    for _ in range(400):
        one, other = (random.normal(5, 3, n) for n in (200, 800))
        found = moments_of((200, one.mean(), one.var()), (800, other.mean(), other.var()))
        scores.append((found[0] / found[1], (found[2] - 1) / found[3]))
    shifts, ratios = np.array(scores).T
    assert np.sqrt((shifts**2).mean()) == pytest.approx(1, abs=0.1)
    assert ratios.std() == pytest.approx(1, abs=0.1)


def test_every_statistic_of_a_feature_is_compared() -> None:
    before = number(shape=(2,), axis=(0,), count=[4, 4], mean=[0, 1], variance=[1, 4], low=[-2, 0], high=[2, 3])
    after = number(shape=(2,), axis=(0,), count=[4, 4], mean=[0, 5], variance=[1, 4], low=[-2, 1], high=[2, 9])
    found = change_of(before, after).moments
    assert found is not None
    assert (found.mean_shift.tolist(), found.sigma_ratio.tolist()) == ([0, 2], [1, 1])
    assert (found.min_change.tolist(), found.max_change.tolist()) == ([0, 1], [0, 6])


def test_rates_are_shares_of_all_values() -> None:
    change = change_of(number(count=90, absent=9, nan=1), number(count=50, absent=25, nan=25))
    assert [rate.item() for rate in change.missing_rate] == [0.09, 0.25]
    assert [rate.item() for rate in change.nonfinite_rate] == [0.01, 0.25]
    assert change.size == pytest.approx(0.24)


def test_categories_that_are_new_or_gone_are_named() -> None:
    change = change_of(words("w", {b"a": 6, b"b": 4}), words("w", {b"b": 15, b"c": 5}))
    assert change.moments is None and change.keys is not None
    assert (change.keys.new, change.keys.gone, change.keys.common) == ((b"c",), (b"a",), (b"b",))
    assert change.keys.share_change == pytest.approx(0.6)  # of a: 6 / 10 to none


def test_a_vocabulary_that_was_empty_is_compared() -> None:
    change = change_of(words("w", {}, missing=3), words("w", {b"a": 3}))
    assert change.keys is not None
    assert (change.keys.new, change.keys.share_change) == ((b"a",), 1.0)


def test_a_per_key_feature_is_compared_key_by_key() -> None:
    before = number("x", role="z_score_per_key", key="k", by_key=table_by_key({b"a": (4, 1.0, 4.0), b"b": (4, 0, 1)}))
    after = number("x", role="z_score_per_key", key="k", by_key=table_by_key({b"c": (8, 0.0, 1.0), b"a": (8, 2, 1)}))
    keys = change_of(before, after).keys
    assert keys is not None and keys.moments is not None
    assert (keys.new, keys.gone, keys.common) == ((b"c",), (b"b",), (b"a",))
    assert (keys.moments.mean_shift.tolist(), keys.moments.sigma_ratio.tolist()) == ([0.5], [0.5])


def test_no_common_key_is_no_error() -> None:
    sides = [table_by_key({key: (4, 1.0, 4.0)}) for key in (b"a", b"b")]
    change = change_of(*(number(role="z_score_per_key", key="k", by_key=side) for side in sides))
    assert change.keys is not None and change.keys.moments is not None
    assert change.keys.moments.size == 0
    assert change.size == 1.0  # all of the share went to another key


def test_quartiles_shift_in_sigmas_too() -> None:
    before = number(role="robust", variance=4.0, quartiles=[1, 2, 3])
    after = number(role="robust", variance=4.0, quartiles=[1, 2, 6])
    shift = change_of(before, after).quartile_shift
    assert shift is not None and shift.tolist() == [0, 0, 1.5]


def test_what_the_plans_say_differently_is_listed() -> None:
    change = change_of(number(unit="m"), number(unit="ft", role="min_max", dtype="int64"))
    expected = {"role": ("z_score", "min_max"), "dtype": ("float32", "int64"), "unit": ("m", "ft")}
    assert change.settings == expected
    assert change.size == INF


def test_policies_are_no_difference() -> None:
    change = change_of(number(), number(clip=3.0, missing="indicator", nonfinite="clip"))
    assert not change.differs


@pytest.mark.parametrize(
    "after",
    [number(log1p=True), number(shape=(2,), axis=(0,), count=[1, 1], mean=[0, 0], variance=[1, 1])],
    ids=["logarithm", "axis"],
)
def test_statistics_of_different_things_are_not_compared(after: FeatureConstants) -> None:
    change = change_of(number(), after)
    assert change.moments is None
    assert change.size == INF


def test_equal_sets_are_equal_and_name_nothing() -> None:
    comparison = compare(set_of(number(), words("w", {b"a": 1})), set_of(number(clip=2.0), words("w", {b"a": 1})))
    assert comparison.equal
    assert comparison.changed == comparison.only_before == comparison.only_after == ()


def test_what_differs_most_comes_first() -> None:
    before = [number(name) for name in ("same", "little", "much", "spread")]
    moved = [number("little", mean=0.1), number("much", mean=5.0), number("spread", variance=math.e**2)]
    comparison = compare(set_of(*before), set_of(before[0], *moved))
    assert not comparison.equal
    assert [change.name for change in comparison.changed] == ["much", "spread", "little"]


def test_features_on_one_side_only_are_named() -> None:
    comparison = compare(set_of(number("a"), number("b")), set_of(number("b"), number("c")))
    assert (comparison.only_before, comparison.only_after) == (("a",), ("c",))
    assert not comparison.equal and comparison.changed == ()


def test_another_order_is_another_set() -> None:
    comparison = compare(set_of(number("a"), number("b")), set_of(number("b"), number("a")))
    assert not comparison.equal and comparison.changed == ()


@pytest.mark.parametrize("field", ["count", "missing", "nan", "min", "max", "mean", "variance"])
def test_any_statistic_makes_a_feature_differ(field: str) -> None:
    before = number()
    after = dataclasses.replace(before, **{field: getattr(before, field) + 1})
    assert [change.name for change in compare(set_of(before), set_of(after)).changed] == ["x"]
