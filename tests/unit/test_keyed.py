"""Moments by key, each against the moments of its own rows in exact arithmetic."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.columns import SparseParts
from components.moments.finish import finish
from components.moments.keyed import KeyedMoments, drawn_to_global
from components.moments.table_statistics import TableStatistics, columns_read

Array = npt.NDArray[Any]


def texts(values: list[bytes]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def keyed(values: Array, keys: Array, weights: Array | None = None) -> KeyedMoments:
    usable = np.isfinite(values) if weights is None else np.isfinite(values) & (weights > 0)
    return KeyedMoments.of(Moments.of(values, weights), values, usable, keys, weights)


def truth(values: list[Any], weights: list[Any] | None = None) -> tuple[Fraction, Fraction]:
    exact = [Fraction(value) for value in values]
    shares = [Fraction(1)] * len(exact) if weights is None else [Fraction(weight) for weight in weights]
    mean = sum((w * x for w, x in zip(shares, exact, strict=True)), Fraction()) / sum(shares)
    return mean, sum((w * (x - mean) ** 2 for w, x in zip(shares, exact, strict=True)), Fraction()) / sum(shares)


rng = np.random.default_rng(20130104)
KEYS = [b"", b"\0", b"a", b"a\0", b"a\0\0", b"\xff\xfe", "é".encode()]
VALUES = {
    "float32": rng.normal(1e4, 1, 400).astype(np.float32),
    "float32 of all exponents": (10.0 ** rng.uniform(-44, 38, 400)).astype(np.float32),
    "float64": rng.normal(1e8, 1, 400),
    "int64": rng.integers(-(2**62), 2**62, 400),
}
WEIGHTS = rng.choice(np.float32([0, 0.1, 1, 7.5]), 400)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_each_key_has_the_exact_moments_of_its_rows(values: Array, weights: Array | None) -> None:
    group = rng.integers(0, len(KEYS), 400)
    found = keyed(values, texts([KEYS[at] for at in group]), weights)
    assert found.keys == tuple(sorted(KEYS))
    for at, key in enumerate(found.keys):
        mine = group == KEYS.index(key)
        if weights is not None:
            mine &= weights > 0
        mean, variance = truth(values[mine].tolist(), None if weights is None else weights[mine].tolist())
        assert (found.by_key.mean[at], found.by_key.variance[at]) == (float(mean), float(variance))
        assert (found.by_key.min[at], found.by_key.max[at]) == (float(values[mine].min()), float(values[mine].max()))
        assert found.by_key.count[at] == mine.sum()


def test_integer_keys_are_decimal_texts_in_byte_order() -> None:
    keys = np.int64([10, -3, 9, 2**63 - 1, -(2**63), 10])
    found = keyed(np.float32([1, 2, 3, 4, 5, 3]), keys)
    assert found.keys == (b"-3", b"-9223372036854775808", b"10", b"9", b"9223372036854775807")
    assert found.by_key.mean.tolist() == [2, 5, 2, 3, 4]
    assert found.by_key.count.tolist() == [1, 1, 2, 1, 1]


def test_only_finite_values_of_a_weight_make_a_key() -> None:
    values, keys = np.float32([np.nan, 1, np.inf, 5, 3]), texts([b"n", b"a", b"i", b"w", b"a"])
    found = keyed(values, keys, np.float32([1, 1, 1, 0, 3]))
    assert (found.keys, found.by_key.mean.tolist()) == ((b"a",), [2.5])
    assert (found.moments.nan, found.moments.pos_inf, found.moments.count) == (1, 1, 2)


def test_parts_with_different_keys_merge_to_the_whole() -> None:
    values = rng.normal(1e4, 1, 60).astype(np.float32)
    keys = [KEYS[i % 3] if i < 20 else KEYS[2 + i % 4] if i < 40 else KEYS[i % 7] for i in range(60)]
    parts = [keyed(values[at : at + 20], texts(keys[at : at + 20])) for at in (0, 20, 40)]
    whole = keyed(values, texts(keys))
    for a, b, c in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        for merged in (parts[a].merge(parts[b]).merge(parts[c]), parts[a].merge(parts[b].merge(parts[c]))):
            again = KeyedMoments.empty().merge(merged).merge(KeyedMoments.empty())
            assert again.keys == whole.keys
            assert again.by_key.squares.tolist() == whole.by_key.squares.tolist()
            assert again.by_key.lowest.tolist() == whole.by_key.lowest.tolist()
            assert again.moments.total.tolist() == whole.moments.total.tolist()


def test_a_hot_key_leaves_the_others_exact() -> None:
    values = rng.normal(1e6, 1, 70_000).astype(np.float32)
    group = np.where(rng.random(70_000) < 0.9, 0, rng.integers(1, 500, 70_000))
    found = keyed(values, group)
    at = found.keys.index(b"0")
    exact = [Fraction(value) for value in values[group == 0].tolist()]
    assert found.by_key.mean[at] == float(sum(exact) / len(exact))
    at = found.keys.index(b"77")
    assert (found.by_key.mean[at], found.by_key.variance[at]) == tuple(map(float, truth(values[group == 77].tolist())))


def test_few_values_are_drawn_to_the_global_mean_and_variance_by_the_documented_formula() -> None:
    values = np.float32([1, 2, 4, 8, 16, 0.1])
    found = keyed(values, texts([b"few", b"few", b"many", b"many", b"many", b"one"]))
    mean, variance = truth(values.tolist())
    drawn = drawn_to_global(found.by_key, found.moments, 3)
    for key, own in ((b"few", [1, 2]), (b"many", [4, 8, 16]), (b"one", [values[-1].item()])):
        n, (own_mean, own_variance) = len(own), truth(own)
        pseudo = max(0, 3 - n)
        center = (n * own_mean + pseudo * mean) / (n + pseudo)
        inner = n * (own_variance + (own_mean - center) ** 2) + pseudo * (variance + (mean - center) ** 2)
        at = found.keys.index(key)
        assert drawn.mean[at] == float(center)
        assert drawn.variance[at] == float(inner / (n + pseudo))
        assert drawn.count[at] == n
    # By hand, in small numbers: global mean 2, variance 2; one value 4, one pseudo-value.
    found = keyed(np.float32([1, 1, 4]), texts([b"a", b"a", b"b"]))
    drawn = drawn_to_global(found.by_key, found.moments, 2)
    assert (drawn.mean.tolist(), drawn.variance.tolist()) == ([1, 3], [0, 2])


def test_a_pseudo_value_has_the_average_weight() -> None:
    values, weights = np.float32([1, 1, 4]), np.float32([1, 2, 3])
    found = keyed(values, texts([b"a", b"a", b"b"]), weights)
    mean, variance = truth(values.tolist(), weights.tolist())
    assert (mean, variance) == (Fraction(5, 2), Fraction(9, 4))
    drawn = drawn_to_global(
        found.by_key, found.moments, 2
    )  # b: 4 with weight 3, and 5/2 with weight 2 and variance 9/4
    center = Fraction(3 * 4 + 2 * mean) / 5
    assert drawn.mean[1] == float(center)
    assert drawn.variance[1] == float((3 * (4 - center) ** 2 + 2 * (variance + (mean - center) ** 2)) / 5)


def per_key(key_dtype: str = "bytes", **options: Any) -> FeaturePlan:
    x = {"name": "x", "role": "z_score_per_key", "dtype": "float32", "shape": (), "dense": True, "axis": (), "key": "k"}
    return FeaturePlan((Feature(**{**x, **options}), Feature("k", "ignore", key_dtype, (), False)))  # type: ignore[arg-type]


def test_a_row_without_a_key_enters_the_global_statistics_alone() -> None:
    keys = SparseParts(np.array([[0, 0], [2, 0]]), texts([b"a", b"a"]), np.array([4, 1]))
    plan = per_key()
    assert [feature.name for feature in columns_read(plan)] == ["x", "k"]
    found = finish(plan, TableStatistics.of(plan, [np.float32([1, 10, 3, 30]), keys]))["x"]
    assert (found.mean.item(), found.count.item()) == (11.0, 4)
    assert found.by_key is not None
    assert (found.by_key.keys, found.by_key.mean.tolist(), found.by_key.count.tolist()) == ((b"a",), [2], [2])
    assert found.by_key.sigma.tolist() == [1]
    assert list(finish(plan, TableStatistics.of(plan, [np.float32([1, 10, 3, 30]), keys]))) == ["x"]


def test_one_value_a_row_may_be_declared_with_a_dimension() -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    one = "shape { dim { size: 1 } } presence { min_fraction: 1 }"
    text = f"""feature {{ name: "x" type: FLOAT {one} annotation {{ tag: "z_score_per_key:k" }} }}
               feature {{ name: "k" type: INT {one} annotation {{ tag: "category" }} }}"""
    plan = FeaturePlan.from_schema(text_format.Parse(text, schema_pb2.Schema()))
    batch = TableStatistics.of(plan, [np.float32([[1], [3], [7]]), np.int64([[5], [5], [6]])])
    found = finish(plan, TableStatistics.empty(plan).merge(batch).merge(batch))["x"]
    assert found.by_key is not None
    assert (found.by_key.keys, found.by_key.mean.tolist(), found.by_key.count.tolist()) == (
        (b"5", b"6"),
        [2, 7],
        [4, 2],
    )


def test_more_keys_than_max_keys_are_an_error_that_names_feature_and_key() -> None:
    plan = per_key("int64", max_keys=2)
    found = [np.float32([1, 2, 3]), SparseParts(np.array([[0, 0], [1, 0], [2, 0]]), np.arange(3), np.array([3, 1]))]
    with pytest.raises(DataError, match="'x' has values under more than max_keys=2 keys of 'k' \\(3 so far\\)"):
        finish(plan, TableStatistics.of(plan, found))


def test_no_key_at_all_leaves_an_empty_table() -> None:
    plan = per_key()
    nothing = SparseParts(np.zeros((0, 2), np.int64), texts([]), np.array([2, 1]))
    found = finish(plan, TableStatistics.of(plan, [np.float32([1, 3]), nothing]))["x"]
    assert found.by_key is not None
    assert (found.by_key.keys, found.by_key.mean.shape, found.mean.item()) == ((), (0,), 2.0)


def test_the_byte_form_keeps_keys_and_sums() -> None:
    plan = per_key()
    keys = SparseParts(np.array([[0, 0], [1, 0], [2, 0]]), texts([b"\0", b"", b"\xff\0"]), np.array([4, 1]))
    table = TableStatistics.of(plan, [np.float32([1e-45, 3e38, -1, np.nan]), keys])
    again = TableStatistics.from_bytes(table.to_bytes())
    assert again.to_bytes() == table.to_bytes()
    one, other = again.features["x"], table.features["x"]
    assert isinstance(one, KeyedMoments)
    assert isinstance(other, KeyedMoments)
    assert one.keys == other.keys == (b"", b"\0", b"\xff\0")
    assert one.by_key.squares.tolist() == other.by_key.squares.tolist()
