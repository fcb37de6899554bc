from functools import reduce

import numpy as np
import pytest

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import TableStatistics

PLAN = FeaturePlan(
    (
        Feature("x", "z_score", "float32", (), True, axis=()),
        Feature("c", "category", "bytes", (), True, max_keys=3),
    )
)


def batch(x: list[float], c: list[bytes]) -> TableStatistics:
    texts = np.empty(len(c), dtype=object)
    texts[:] = c
    return TableStatistics.of(PLAN, [np.float32(x), texts])


@pytest.mark.parametrize("batches", [0, 1, 2, 3, 7, 8, 21])
def test_a_tree_gives_what_merging_one_by_one_gives(batches: int) -> None:
    parts = [batch([i / 3, -i], [b"a", b"b"]) for i in range(batches)]
    tree = MergeTree(PLAN)
    for part in parts:
        tree.add(part)
    assert tree.merged().to_bytes() == reduce(TableStatistics.merge, parts, TableStatistics.empty(PLAN)).to_bytes()


def test_too_many_keys_are_refused_while_they_are_counted() -> None:
    tree = MergeTree(PLAN)
    tree.add(batch([1.0, 2.0], [b"a", b"b"]))
    with pytest.raises(DataError, match=r"'c' has more than max_keys=3 distinct values \(4 so far\)"):
        tree.add(batch([1.0, 2.0], [b"c", b"d"]))


def test_too_many_keys_over_parts_of_different_size_are_refused_at_the_end() -> None:
    tree = MergeTree(PLAN)
    for keys in ([b"a"], [b"b"], [b"c"]):
        tree.add(batch([1.0], keys))
    tree.add(batch([1.0, 2.0, 3.0], [b"a", b"b", b"c"]))
    tree.add(batch([1.0], [b"d"]))
    with pytest.raises(DataError, match="max_keys=3"):
        tree.merged()


def test_statistics_of_other_features_are_no_match() -> None:
    other = TableStatistics.empty(FeaturePlan(PLAN.features[:1]))
    with pytest.raises(ValueError, match=r"\['x', 'c'\] with those of \['x'\]"):
        TableStatistics.empty(PLAN).merge(other)


def test_an_integer_and_an_equal_float_extreme_do_not_depend_on_who_came_first() -> None:
    whole, real = Moments.of(np.int64([0, 7])), Moments.of(np.float32([0, 7]))
    for merged in (whole.merge(real), real.merge(whole)):
        assert [type(merged.lowest.item()), type(merged.highest.item())] == [float, float]


def test_a_masked_array_is_refused_and_not_unmasked() -> None:
    with pytest.raises(ValueError, match=r"mask=~array\.mask"):
        Moments.of(np.ma.array([1.0, 100.0], mask=[False, True]))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i8", ">u8"])
def test_big_endian_arrays_are_the_numbers_that_they_are(dtype: str) -> None:
    assert Moments.of(np.array([1, 2, 6], dtype)).mean == 3.0
    with pytest.raises(ValueError, match="at most 64 bits"):
        Moments.of(np.array([2**63 + 8], ">u8"))
