"""pipeline.init.columns: facts that do not depend on how the rows are cut into blocks."""

import math

import numpy as np
import pyarrow as pa
import pytest

from pipeline.init.columns import ColumnFacts, gather


def facts_of(values: list[object], kind: pa.DataType, dtype: str, block: int) -> ColumnFacts:
    blocks = [values[start : start + block] for start in range(0, len(values), block)]
    (facts,) = gather((pa.record_batch([pa.array(b, kind)], names=["c"]) for b in blocks), {"c": dtype})
    return facts


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_integers(block: int) -> None:
    facts = facts_of([4, None, 5, 6, 6, -2], pa.int64(), "int64", block)
    assert (facts.rows, facts.present, facts.missing, facts.distinct, facts.counted) == (6, 5, 1, 4, 5)
    assert facts.counts == {4: 1, 5: 1, 6: 2, -2: 1}
    assert (facts.min, facts.max) == (-2, 6)
    assert facts.steps_by_one == 2 / 4  # of 4→5→6→6→−2


@pytest.mark.parametrize("block", [1, 2, 100])
def test_numbers_leave_nan_and_infinity_out_of_the_range(block: int) -> None:
    facts = facts_of([1.5, math.nan, math.inf, None, 2.5, 8.5], pa.float32(), "float32", block)
    assert (facts.present, facts.nan, facts.min, facts.max) == (5, 1, 1.5, 8.5)
    # {1.5, 2.5, 8.5} by hand: mean 25/6, deviations -8/3, -5/3, 13/3; m2 = 86/9, m3 = 520/27
    assert facts.skewness == pytest.approx(520 / 27 / (86 / 9) ** 1.5)


def test_skewness_of_an_exponential_is_two() -> None:
    sample = -np.log1p(-(np.arange(20_000) + 0.5) / 20_000)  # its quantiles
    facts = facts_of((sample + 1e4).tolist(), pa.float64(), "float32", 5_000)
    assert facts.skewness == pytest.approx(2, abs=0.02)


def test_a_column_without_a_value() -> None:
    facts = facts_of([None, None], pa.int64(), "int64", 1)
    assert (facts.present, facts.distinct, facts.max_length) == (0, 0, 0)
    assert math.isnan(facts.min)


@pytest.mark.parametrize("block", [1, 2, 100])
def test_lists_count_their_values_and_their_lengths(block: int) -> None:
    facts = facts_of([[1, 2], None, [], [3]], pa.list_(pa.int64()), "int64", block)
    assert (facts.rows, facts.present, facts.distinct) == (4, 2, 3)
    assert (facts.min_length, facts.max_length, facts.scalar) == (1, 2, False)


def test_a_block_without_the_column_counts_as_missing() -> None:
    batches = [pa.record_batch([pa.array([1])], names=["a"]), pa.record_batch([pa.array([1, 2])], names=["b"])]
    a, b = gather(batches, {"a": "int64", "b": "int64"})
    assert (a.rows, a.present) == (3, 1)
    assert (b.rows, b.present) == (3, 2)


def test_counting_stops_where_values_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.init.columns.MOST_COUNTED", {"int64": 3})
    facts = facts_of([1, 2, 3, 4, 5, 6], pa.int64(), "int64", 2)
    assert (facts.distinct, facts.counted, facts.counts) == (4, 4, {})
