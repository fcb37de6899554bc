"""The laws of the exact accumulators, on whatever a tf.Example can hold: equal means equal to the last bit."""

import pickle
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.columns import SparseParts
from components.moments.table_statistics import TableStatistics

SEVERAL = settings(max_examples=60, deadline=None)

FLOATS = {
    np.float16: st.floats(width=16),
    np.float32: st.floats(width=32)
    | st.sampled_from([0.0, -0.0, 3e38, -3e38, 1e-45, 1e-30, 1e30, 1e8, 1e8 + 8]).map(lambda x: float(np.float32(x))),
    np.float64: st.floats() | st.sampled_from([1e8, 1e8 + 1, 5e-324, 1.7e308, -1.7e308]),
}
INTEGERS = {
    np.int64: st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, -1, 0, 1]),
    np.uint8: st.integers(0, 255),
    np.bool_: st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Values [rows, 2] of one type, and a mask."""
    dtype = draw(st.sampled_from([*FLOATS, *INTEGERS]))
    rows = draw(st.integers(0, 12))
    value = (FLOATS | INTEGERS)[dtype]
    cells = draw(st.lists(value, min_size=2 * rows, max_size=2 * rows))
    mask = draw(st.lists(st.sampled_from([True, True, False]), min_size=2 * rows, max_size=2 * rows))
    return np.array(cells, dtype).reshape(rows, 2), np.array(mask, np.bool_).reshape(rows, 2)


def moments_of(table: tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]) -> Moments:
    return Moments.of(table[0], mask=table[1])


def bits(moments: Moments) -> tuple[Any, ...]:
    """All that tells two accumulators apart; the hex form of the results tells the zeros apart."""
    extremes = [*moments.lowest.flat, *moments.highest.flat]
    counts = [moments.count, moments.missing, moments.nan, moments.pos_inf, moments.neg_inf]
    rounded = [moments.mean, moments.variance, moments.min, moments.max]
    return (
        moments.count.shape,
        [array.tolist() for array in counts],
        moments.total.tolist(),
        moments.squares.tolist(),
        extremes,
        [[x.hex() for x in array.ravel().tolist()] for array in rounded],
    )


@SEVERAL
@given(tables(), tables())
def test_merge_is_commutative(left: Any, right: Any) -> None:
    a, b = moments_of(left), moments_of(right)
    assert bits(a.merge(b)) == bits(b.merge(a))


@SEVERAL
@given(tables(), tables(), tables())
def test_merge_is_associative(one: Any, two: Any, three: Any) -> None:
    a, b, c = map(moments_of, (one, two, three))
    assert bits(a.merge(b).merge(c)) == bits(a.merge(b.merge(c)))


@SEVERAL
@given(tables())
def test_empty_is_neutral_on_both_sides(table: Any) -> None:
    moments, empty = moments_of(table), Moments.empty((2,))
    assert bits(empty.merge(moments)) == bits(moments) == bits(moments.merge(empty))


@SEVERAL
@given(tables(), st.data())
def test_any_division_of_the_rows_into_blocks_in_any_order_gives_the_same_bits(table: Any, data: st.DataObject) -> None:
    values, mask = table
    block_of_row = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))), int)
    order = data.draw(st.permutations(range(4)))
    blocks = [Moments.of(values[block_of_row == block], mask=mask[block_of_row == block]) for block in order]
    assert bits(reduce(Moments.merge, blocks)) == bits(Moments.of(values, mask=mask))


@SEVERAL
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table: Any, random: Any) -> None:
    values, mask = table
    order = list(range(len(values)))
    random.shuffle(order)
    assert bits(Moments.of(values[order], mask=mask[order])) == bits(moments_of(table))


@SEVERAL
@given(tables())
def test_pickling_keeps_all_bits(table: Any) -> None:
    moments = moments_of(table)
    assert bits(pickle.loads(pickle.dumps(moments))) == bits(moments)


@SEVERAL
@given(tables())
def test_every_value_is_counted_exactly_once(table: Any) -> None:
    moments = moments_of(table)
    total = moments.count + moments.missing + moments.nan + moments.pos_inf + moments.neg_inf
    assert total.tolist() == [len(table[0])] * 2


@SEVERAL
@given(tables())
def test_mean_and_variance_are_the_exact_ones_rounded_once(table: Any) -> None:
    values, mask = table
    moments = moments_of(table)
    for column in range(2):
        kept = values[:, column][mask[:, column]].tolist()
        exact = [Fraction(value) for value in kept if np.isfinite(value)]
        if not exact:
            assert np.isnan(moments.mean[column])
            assert np.isnan(moments.variance[column])
            continue
        mean = sum(exact, Fraction()) / len(exact)
        variance = sum(((x - mean) ** 2 for x in exact), Fraction()) / len(exact)
        assert moments.mean[column] == float(mean)
        assert moments.variance[column] == (float(variance) if variance < 2**1024 - 2**970 else np.inf)
        assert moments.min[column] == float(min(exact))
        assert moments.max[column] == float(max(exact))


PLAN = FeaturePlan(
    (
        Feature("pair", "z_score", "float32", (2,), True, axis=(0,)),
        Feature("maybe", "min_max", "int64", (), False, axis=()),
        Feature("word", "category", "bytes", (), False),
        Feature("class", "label", "bytes", (), True),
    )
)
Row = tuple[list[float], int | None, bytes | None, bytes]
ROWS: st.SearchStrategy[list[Row]] = st.lists(
    st.tuples(
        st.lists(FLOATS[np.float32], min_size=2, max_size=2),
        st.none() | INTEGERS[np.int64],
        st.none() | st.binary(max_size=3) | st.sampled_from([b"", b"\0", b"\xff", "é".encode(), b"a\0"]),
        st.sampled_from([b"no", b"yes"]),
    ),
    max_size=10,
)


def sparse(values: Sequence[Any], dtype: Any) -> SparseParts:
    where = [row for row, value in enumerate(values) if value is not None]
    found = np.empty(len(where), dtype=dtype)
    found[:] = [values[row] for row in where]
    return SparseParts(
        np.array([[row, 0] for row in where], np.int64).reshape(-1, 2), found, np.array([len(values), 1])
    )


def statistics(rows: Sequence[Row]) -> TableStatistics:
    labels = np.empty(len(rows), dtype=object)
    labels[:] = [row[3] for row in rows]
    pairs = np.array([row[0] for row in rows], np.float32).reshape(len(rows), 2)
    return TableStatistics.of(
        PLAN, [pairs, sparse([row[1] for row in rows], np.int64), sparse([row[2] for row in rows], object), labels]
    )


@SEVERAL
@given(ROWS)
def test_bytes_give_the_same_statistics_back(rows: list[Row]) -> None:
    found = statistics(rows)
    again = TableStatistics.from_bytes(found.to_bytes())
    assert again.to_bytes() == found.to_bytes()
    assert again.rows == found.rows == len(rows)
    assert again.features["word"] == found.features["word"]
    for name in ("pair", "maybe"):
        one, other = again.features[name], found.features[name]
        assert isinstance(one, Moments)
        assert isinstance(other, Moments)
        assert bits(one) == bits(other)


@SEVERAL
@given(ROWS, st.data())
def test_any_division_of_a_table_gives_the_same_bytes(rows: list[Row], data: st.DataObject) -> None:
    block_of_row = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    blocks = [
        statistics([row for row, at in zip(rows, block_of_row, strict=True) if at == block]) for block in (2, 0, 1)
    ]
    merged = reduce(TableStatistics.merge, blocks, TableStatistics.empty(PLAN))
    assert merged.to_bytes() == statistics(rows).to_bytes()


@SEVERAL
@given(ROWS, ROWS)
def test_statistics_merge_alike_from_either_side_after_a_trip_through_bytes(left: list[Row], right: list[Row]) -> None:
    a, b = (TableStatistics.from_bytes(statistics(rows).to_bytes()) for rows in (left, right))
    assert a.merge(b).to_bytes() == b.merge(a).to_bytes() == statistics(left + right).to_bytes()
