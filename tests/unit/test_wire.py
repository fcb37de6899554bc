from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.constants import NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.finish import finish
from components.moments.table_statistics import KeyCounts, TableStatistics
from components.moments.wire import NUMERIC_ROWS, elements, encode, lookups, neutral


def keys_of(texts: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """Injective for texts of at most 7 bytes that end in no zero."""
    return np.array([int.from_bytes(text.ljust(7, b"\0"), "big") for text in texts], np.int64)


def number(name: str = "x", **options: Any) -> Feature:
    return Feature(
        **{"name": name, "role": "z_score", "dtype": "float32", "shape": (), "dense": True, "axis": ()} | options
    )


def constants_of(*columns: tuple[Feature, Any]) -> NormalizationConstants:
    """The first columns' statistics; arrays become moments and counters become vocabularies."""
    statistics = {
        feature.name: KeyCounts(data) if isinstance(data, Counter) else Moments.of(data) for feature, data in columns
    }
    return finish(FeaturePlan(tuple(feature for feature, _ in columns)), TableStatistics(8, statistics))


def numeric(*columns: tuple[Feature, Any]) -> dict[str, list[float]]:
    table = np.frombuffer(encode(constants_of(*columns), keys_of)[1], "<f8").reshape(len(NUMERIC_ROWS), -1)
    return dict(zip(NUMERIC_ROWS, table.tolist(), strict=True))


EIGHT = np.float32([2, 4, 4, 4, 5, 5, 7, 9])  # mean 5, sigma 2


def test_a_z_score_subtracts_the_mean_and_multiplies_by_one_over_sigma() -> None:
    assert numeric((number(), EIGHT)) == {
        "center": [5.0],
        "scale": [0.5],
        "filled": [0.0],
        "lowest": [-1.5],
        "highest": [2.0],
        "bound": [np.inf],
    }


def test_min_max_subtracts_the_minimum_and_a_missing_value_is_the_mean() -> None:
    rows = numeric((number(role="min_max"), np.float32([2, 10, 3, 5])))
    assert (rows["center"], rows["scale"], rows["filled"]) == ([2.0], [0.125], [0.375])
    assert (rows["lowest"], rows["highest"]) == ([0.0], [1.0])


def test_a_constant_stands_in_for_a_missing_value_as_if_it_had_come() -> None:
    assert numeric((number(missing="constant:-1"), EIGHT))["filled"] == [-3.0]
    assert numeric((number(missing="constant:1e2", role="min_max"), np.float32([2, 10])))["filled"] == [12.25]


def test_a_constant_is_a_raw_value_whose_log1p_is_taken() -> None:
    rows = numeric((number(missing="constant:0", log1p=True), np.float64([np.log(2.0), np.log(4.0)])))
    assert rows["filled"][0] == pytest.approx(-3.0, rel=1e-15)  # (0 - 1.5 ln 2) / (0.5 ln 2)


def test_a_feature_without_spread_is_scaled_by_zero() -> None:
    for role in ("z_score", "min_max"):
        rows = numeric((number(role=role, missing="constant:7"), np.full(5, 0.1, np.float32)))
        assert (rows["scale"], rows["filled"], rows["lowest"], rows["highest"]) == ([0.0], [0.0], [0.0], [0.0])


def test_a_bound_is_that_of_the_tag() -> None:
    rows = numeric((number(clip=2.5), EIGHT), (number("z"), EIGHT))
    assert rows["bound"] == [2.5, np.inf]


def test_statistics_of_kept_axes_are_repeated_over_the_others_in_row_order() -> None:
    means = np.float32([10, 20, 30])
    rows = numeric((number("a"), EIGHT), (number("b", shape=(2, 3), axis=(1,)), np.stack([means - 1, means + 1])))
    assert rows["center"] == [5, 10, 20, 30, 10, 20, 30]
    means = np.float32([10, 20])
    rows = numeric((number("b", shape=(2, 3), axis=(0,)), np.stack([means - 1, means + 1])))
    assert rows["center"] == [10, 10, 10, 20, 20, 20]
    rows = numeric((number("b", shape=(2, 2), axis=()), EIGHT))
    assert rows["center"] == [5, 5, 5, 5]


def test_elements_are_the_numbers_of_one_row() -> None:
    assert [elements(number(shape=shape)) for shape in ((), (1,), (2, 3))] == [1, 1, 6]


WORD = Feature("w", "category", "bytes", (), True)
CODE = Feature("n", "category", "int64", (), True)
TEXT_LABEL = Feature("y", "label", "bytes", (), True)


def integers(*columns: tuple[Feature, Any]) -> tuple[list[int], list[bytes]]:
    wire = encode(constants_of((number(), EIGHT), *columns), keys_of)
    return np.frombuffer(wire[2], "<i8").tolist(), wire[3:]


def test_a_category_has_ids_from_1_by_falling_count_under_rising_keys() -> None:
    flat, texts = integers((WORD, Counter({b"b": 5, b"a": 1, b"c": 3})))
    a, b, c = keys_of([b"a", b"b", b"c"]).tolist()
    assert flat == [4, a, b, c, c, 3, 1, 2, 0]
    assert texts == [b"a", b"b", b"c", b""]


def test_an_integer_category_needs_no_texts() -> None:
    flat, texts = integers((CODE, Counter({b"-9223372036854775808": 1, b"9223372036854775807": 2, b"-5": 3})))
    assert flat == [4, -(2**63), -5, 2**63 - 1, 2**63 - 1, 3, 1, 2, 0]
    assert texts == []


def test_a_text_label_has_ids_from_0_by_bytes() -> None:
    flat, texts = integers((TEXT_LABEL, Counter({b"yes": 5, b"no": 1})))
    no, yes = keys_of([b"no", b"yes"]).tolist()
    assert flat == [3, no, yes, yes, 0, 1, -1]
    assert texts == [b"no", b"yes", b""]


def test_an_empty_vocabulary_has_the_entry_that_nothing_finds() -> None:
    assert integers((WORD, Counter())) == ([1, 0, 0], [b""])


def test_lookups_follow_each_other_in_schema_order() -> None:
    columns = [(TEXT_LABEL, Counter({b"k": 1})), (CODE, Counter({b"7": 1})), (WORD, Counter({b"v": 1}))]
    flat, texts = integers(*columns)
    k, v = keys_of([b"k", b"v"]).tolist()
    assert flat == [2, k, k, 0, -1, 2, 7, 7, 1, 0, 2, v, v, 1, 0]
    assert texts == [b"k", b"", b"v", b""]
    plan = FeaturePlan((number(), *(feature for feature, _ in columns), Feature("z", "label", "int64", (), True)))
    assert [owner.name for owner, column in lookups(plan) if owner is column] == ["y", "n", "w"]


def test_two_texts_with_one_fingerprint_are_an_error_that_names_the_feature() -> None:
    constants = constants_of((number(), EIGHT), (WORD, Counter({b"a": 1, b"b": 1})))
    with pytest.raises(DataError, match="'w'"):
        encode(constants, lambda texts: np.zeros(len(texts), np.int64))


def test_the_first_element_gives_the_constants_back() -> None:
    constants = constants_of((number(), EIGHT), (WORD, Counter({b"\xff\0": 1})))
    again = NormalizationConstants.from_json(encode(constants, keys_of)[0])
    assert again.digest == constants.digest
    assert again["w"].vocabulary == ((b"\xff\0", 1),)


def test_the_neutral_form_has_the_layout_of_an_analysis_that_saw_no_key() -> None:
    columns = [(number(shape=(2,), axis=()), EIGHT), (WORD, Counter()), (CODE, Counter()), (TEXT_LABEL, Counter())]
    wire, nothing = encode(constants_of(*columns), keys_of), neutral(constants_of(*columns).plan)
    assert [len(element) for element in nothing[1:]] == [len(element) for element in wire[1:]]
    assert not np.frombuffer(nothing[1], "<f8").any()
    assert np.frombuffer(nothing[2], "<i8").tolist() == [1, 0, 0] * 3


def table_of(plan: FeaturePlan, *columns: Any) -> dict[str, list[float]]:
    wire = encode(finish(plan, TableStatistics.of(plan, list(columns))), keys_of)
    table = np.frombuffer(wire[1], "<f8").reshape(len(NUMERIC_ROWS), -1)
    return dict(zip(NUMERIC_ROWS, table.tolist(), strict=True))


def test_robust_is_the_median_and_one_over_the_distance_of_the_quartiles() -> None:
    plan = FeaturePlan((number(role="robust", missing="constant:0"), number("m", role="robust")))
    values = np.float32([1, 2, 3, 4, 5, 6, 7, 16])  # quartiles 2, 4, 6
    rows = table_of(plan, values, values)
    assert (rows["center"], rows["scale"], rows["filled"]) == ([4, 4], [0.25, 0.25], [-1, 0])
    assert (rows["lowest"], rows["highest"]) == ([-0.75] * 2, [3, 3])


def test_equal_quartiles_are_no_spread() -> None:
    rows = table_of(FeaturePlan((number(role="robust"),)), np.float32([1, 5, 5, 5, 9]))
    assert (rows["center"], rows["scale"], rows["filled"], rows["highest"]) == ([5], [0], [0], [0])


@pytest.mark.parametrize(
    ("unseen", "last"), [("global", (3.0, 1 / 5**0.5)), ("zero", (0.0, 0.0)), ("error", (3.0, 1 / 5**0.5))]
)
def test_numbers_by_key_follow_those_by_element_and_end_with_an_unseen_key(
    unseen: str, last: tuple[float, float]
) -> None:
    keyed = Feature("k", "z_score_per_key", "float32", (), True, axis=(), key="n", unseen=unseen)
    plan = FeaturePlan((keyed, Feature("n", "ignore", "int64", (), True), number()))
    rows = table_of(plan, np.float32([0, 2, 4, 6]), np.int64([7, 7, -5, -5]), np.float32([9, 11, 9, 11]))
    # Keys in byte order of their decimal text: -5, 7. The global variance of 0, 2, 4, 6 is 5.
    assert rows["center"] == [10, 5, 1, last[0]]
    assert rows["scale"] == pytest.approx([1, 1, 1, last[1]], rel=1e-15)
    assert rows["filled"] == [0, 0, 0, 0]


def test_the_ids_of_a_key_lookup_are_places_in_the_numbers() -> None:
    keyed = Feature("k", "z_score_per_key", "float32", (), True, axis=(), key="n")
    plan = FeaturePlan((keyed, Feature("n", "ignore", "int64", (), True)))
    constants = finish(plan, TableStatistics.of(plan, [np.float32([1, 2, 3]), np.int64([10, -5, 9])]))
    # Texts in byte order: -5, 10, 9; numbers in rising order: -5, 9, 10.
    assert np.frombuffer(encode(constants, keys_of)[2], "<i8").tolist() == [4, -5, 9, 10, 10, 0, 2, 1, 3]
    assert [len(element) for element in neutral(plan)] == [0, 48, 24]
