"""The laws of weights, keys, ordered counts and byte forms: equal means equal to the last bit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import reduce
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_moments_laws import FLOATS, INTEGERS, bits, sparse

from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments, ordered_counts
from components.moments.codec import Reader, Writer
from components.moments.columns import SparseParts
from components.moments.keyed import KeyedMoments
from components.moments.ordered_counts import OrderedCounts
from components.moments.table_statistics import TableStatistics

SEVERAL = settings(max_examples=40, deadline=None)
Array = npt.NDArray[Any]

WEIGHTS = st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e-45, 3e38]).map(lambda x: float(np.float32(x))) | st.floats(
    0, width=32, allow_infinity=False
)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[Array, Array | None]:
    """Values [rows] of one type, and weights, or none."""
    dtype = draw(st.sampled_from([np.float32, np.float64, np.int64, np.uint8]))
    rows = draw(st.integers(0, 10))
    values = np.array(draw(st.lists((FLOATS | INTEGERS)[dtype], min_size=rows, max_size=rows)), dtype)
    if draw(st.booleans()):
        return values, None
    return values, np.array(draw(st.lists(WEIGHTS, min_size=rows, max_size=rows)), np.float32)


def all_bits(moments: Moments) -> tuple[Any, ...]:
    return (*bits(moments), moments.weight.tolist())


@SEVERAL
@given(weighted(), weighted(), weighted())
def test_weighted_and_unweighted_moments_merge_in_any_order(one: Any, two: Any, three: Any) -> None:
    a, b, c = (Moments.of(*table) for table in (one, two, three))
    assert all_bits(a.merge(b).merge(c)) == all_bits(c.merge(b.merge(a)))
    assert all_bits(Moments.empty().merge(a)) == all_bits(a) == all_bits(a.merge(Moments.empty()))


@SEVERAL
@given(weighted(), st.data())
def test_any_division_of_weighted_rows_gives_the_same_bits(table: Any, data: st.DataObject) -> None:
    values, weights = table
    block = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values))), int)
    parts = [Moments.of(values[block == i], None if weights is None else weights[block == i]) for i in (1, 0, 2)]
    assert all_bits(reduce(Moments.merge, parts)) == all_bits(Moments.of(values, weights))


@SEVERAL
@given(weighted())
def test_weighted_moments_are_the_exact_ones_rounded_once(table: Any) -> None:
    values, weights = table
    shares = [1.0] * len(values) if weights is None else weights.tolist()
    used = [(Fraction(x), Fraction(w)) for x, w in zip(values.tolist(), shares, strict=True) if w and np.isfinite(x)]
    found = Moments.of(values, weights)
    assert found.count == len(used)
    if not used:
        assert np.isnan(found.mean)
        return
    total = sum((w for _, w in used), Fraction())
    mean = sum((w * x for x, w in used), Fraction()) / total
    variance = sum((w * (x - mean) ** 2 for x, w in used), Fraction()) / total
    assert found.mean == float(mean)
    assert found.variance == (float(variance) if variance < 2**1024 - 2**970 else np.inf)


@SEVERAL
@given(weighted())
def test_rows_of_weight_zero_might_as_well_not_be_there(table: Any) -> None:
    values, weights = table
    if weights is not None:
        assert all_bits(Moments.of(values, weights)) == all_bits(Moments.of(values[weights > 0], weights[weights > 0]))


@contextmanager
def at_most(buckets: int) -> Iterator[None]:
    with mock.patch.object(ordered_counts, "MAX_BUCKETS", buckets):
        yield


def held(counts: OrderedCounts) -> tuple[Any, ...]:
    return counts.kind, counts.level, counts.buckets.tolist(), counts.counts.tolist()


@SEVERAL
@given(st.sampled_from([np.float32, np.float64, np.int64]), st.integers(2, 6), st.data())
def test_ordered_counts_are_a_function_of_the_values_alone(dtype: Any, limit: int, data: st.DataObject) -> None:
    value = (FLOATS | INTEGERS)[dtype].filter(np.isfinite)
    values = np.array(data.draw(st.lists(value, min_size=1, max_size=24)), dtype)
    block = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values))), int)
    with at_most(limit):
        whole = OrderedCounts.of(values)
        parts = [OrderedCounts.of(values[block == i]) for i in data.draw(st.permutations(range(5)))]
        left = reduce(OrderedCounts.merge, parts)
        right = reduce(lambda late, early: early.merge(late), reversed(parts))
        pairs = parts[0].merge(parts[1]).merge(parts[2].merge(parts[3]).merge(parts[4]))
        assert held(left) == held(right) == held(pairs) == held(whole) == held(OrderedCounts.of(values[::-1]))
        assert len(whole.buckets) <= limit
        found, error = whole.quartiles()
    exact = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf").tolist()
    if dtype is not np.int64:  # NumPy rounds int64 to float64
        assert all(
            abs(Fraction(x) - Fraction(y)) <= Fraction(error) for x, y in zip(found.tolist(), exact, strict=True)
        )


Rows = list[tuple[float, bytes | int, float]]
TEXTS = st.sampled_from([b"", b"\0", b"a", b"a\0", b"\xff"]) | st.binary(max_size=2)


def keyed(rows: Rows, key_dtype: Any) -> KeyedMoments:
    values = np.array([row[0] for row in rows], np.float32)
    keys = np.empty(len(rows), key_dtype)
    keys[:] = [row[1] for row in rows]
    weights = np.array([row[2] for row in rows], np.float32)
    return KeyedMoments.of(Moments.of(values, weights), values, np.isfinite(values) & (weights > 0), keys, weights)


def as_bytes(statistics: Any) -> bytes:
    writer = Writer()
    statistics.write(writer)
    return writer.bytes()


@SEVERAL
@given(st.booleans(), st.data())
def test_any_division_of_keyed_rows_in_any_order_gives_the_same_bytes(text: bool, data: st.DataObject) -> None:
    key: st.SearchStrategy[Any] = TEXTS if text else st.integers(-2, 11) | INTEGERS[np.int64]
    dtype = object if text else np.int64
    rows = data.draw(st.lists(st.tuples(FLOATS[np.float32], key, WEIGHTS), max_size=12))
    block = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    parts = [keyed([row for row, at in zip(rows, block, strict=True) if at == i], dtype) for i in (2, 0, 1)]
    whole = as_bytes(keyed(rows, dtype))
    assert as_bytes(reduce(KeyedMoments.merge, parts)) == whole
    assert as_bytes(reduce(KeyedMoments.merge, parts[::-1], KeyedMoments.empty())) == whole
    assert as_bytes(KeyedMoments.read(Reader(whole))) == whole


ITEMS = st.one_of(
    st.tuples(st.just("size"), st.integers(0, 2**70)),
    st.tuples(st.just("integer"), st.integers() | st.builds(lambda a, b: a << b, st.integers(), st.integers(0, 2400))),
    st.tuples(st.just("text"), st.binary(max_size=300)),
    st.tuples(st.just("number"), st.none() | st.integers() | st.floats(allow_nan=False)),
)


@SEVERAL
@given(st.lists(ITEMS, max_size=12))
def test_what_is_written_is_read_in_the_same_order(items: list[tuple[str, Any]]) -> None:
    writer = Writer()
    for kind, value in items:
        getattr(writer, kind)(value)
    reader = Reader(writer.bytes())
    for kind, value in items:
        found = getattr(reader, kind)()
        assert (type(found), found, repr(found)) == (type(value), value, repr(value))
    reader.finish()


PLAN = FeaturePlan(
    (
        Feature("steps", "z_score", "float32", None, False, axis=()),
        Feature("pair", "robust", "float32", (2,), True, axis=(0,)),
        Feature("delay", "z_score_per_key", "int64", (), True, axis=(), key="carrier"),
        Feature("carrier", "category", "bytes", (), False),
        Feature("w", "weight", "float32", (), True),
    )
)
ROW = st.tuples(
    st.lists(FLOATS[np.float32], max_size=3),
    st.lists(FLOATS[np.float32], min_size=2, max_size=2),
    INTEGERS[np.int64],
    st.none() | TEXTS,
    WEIGHTS,
)


def statistics(rows: Sequence[Any]) -> TableStatistics:
    where = [[row, at] for row, (steps, *_) in enumerate(rows) for at in range(len(steps))]
    steps = SparseParts(
        np.array(where, np.int64).reshape(-1, 2),
        np.array([x for row in rows for x in row[0]], np.float32),
        np.array([len(rows), 3]),
    )
    pairs = np.array([row[1] for row in rows], np.float32).reshape(len(rows), 2)
    delays = np.array([row[2] for row in rows], np.int64)
    weights = np.array([row[4] for row in rows], np.float32)
    return TableStatistics.of(PLAN, [steps, pairs, delays, sparse([row[3] for row in rows], object), weights])


@SEVERAL
@given(st.lists(ROW, max_size=8), st.data())
def test_any_division_of_a_table_of_all_kinds_gives_the_same_bytes(rows: Any, data: st.DataObject) -> None:
    block = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    with at_most(3):
        parts = [statistics([row for row, at in zip(rows, block, strict=True) if at == i]) for i in (1, 2, 0)]
        travelled = [TableStatistics.from_bytes(part.to_bytes()) for part in parts]
        whole = statistics(rows).to_bytes()
        assert reduce(TableStatistics.merge, travelled, TableStatistics.empty(PLAN)).to_bytes() == whole
        assert reduce(TableStatistics.merge, parts[::-1]).to_bytes() == whole


@SEVERAL
@given(st.lists(ROW, max_size=4), st.data())
def test_bytes_that_are_cut_or_too_long_are_refused(rows: Any, data: st.DataObject) -> None:
    whole = statistics(rows).to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for damaged in (whole[:cut], whole + b"\0", b"TNS1" + whole[4:], whole + whole):
        with pytest.raises(ValueError):  # the message depends on the place
            TableStatistics.from_bytes(damaged)


@SEVERAL
@given(st.lists(ROW, max_size=4), st.data())
def test_a_changed_byte_is_refused_or_read_and_never_another_error(rows: Any, data: st.DataObject) -> None:
    damaged = bytearray(statistics(rows).to_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        TableStatistics.from_bytes(bytes(damaged))
