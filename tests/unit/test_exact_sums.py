"""Exact sums against ``fractions.Fraction``, at the edges of the fast path's arithmetic."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.moments.exact_sums import exact_group_sums, exact_sums

UNIT = Fraction(1, 2**1074)


def truth(values: npt.NDArray[Any]) -> tuple[Fraction, Fraction]:
    """The sums by distinct value, so that long columns stay quick."""
    distinct, counts = np.unique(values, return_counts=True)
    exact = [(Fraction(value), n) for value, n in zip(distinct.tolist(), counts.tolist(), strict=True)]
    return sum((x * n for x, n in exact), Fraction()), sum((x * x * n for x, n in exact), Fraction())


def assert_exact(columns: npt.NDArray[Any]) -> None:
    total, squares = exact_sums(columns)
    for column, t, s in zip(columns, total.tolist(), squares.tolist(), strict=True):
        assert (t * UNIT, s * UNIT**2) == truth(column)


def below(exponent: int) -> np.float32:
    """The largest float32 under 2**exponent: all 24 bits are ones."""
    return np.nextafter(np.float32(np.ldexp(1.0, exponent)), np.float32(0))


def above(exponent: int) -> np.float32:
    return np.nextafter(np.float32(np.ldexp(1.0, exponent)), np.float32(np.inf))


EXPONENTS = [-125, -100, -1, 0, 1, 64, 127]


@pytest.mark.parametrize("top", EXPONENTS)
@pytest.mark.parametrize("rows", [8_192, 8_193])
def test_full_blocks_of_the_longest_significands_are_exact(top: int, rows: int) -> None:
    assert_exact(np.stack([np.full(rows, below(top)), np.full(rows, -below(top))]))


@pytest.mark.parametrize("top", [-60, 0, 60])
@pytest.mark.parametrize("bits", [16, 17, 18, 19, 20, 21, 39, 40, 41])
def test_values_at_the_edges_of_the_spans_below_the_largest_are_exact(top: int, bits: int) -> None:
    """17 bits below, the slower way begins; 20 and 40 bits below are the units of the high and the low part."""
    edge = top - bits
    near = [below(edge), np.float32(np.ldexp(1.0, edge)), above(edge), below(edge + 1), -above(edge), -below(edge)]
    largest = np.float32([below(top), -below(top), np.ldexp(1.0, top - 1)])
    rng = np.random.default_rng(bits)
    assert_exact(np.stack([rng.choice(np.concatenate([near, largest]), 20_000).astype(np.float32) for _ in range(3)]))


@pytest.mark.parametrize("top", [-60, 0, 60])
@pytest.mark.parametrize("bits", [15, 16, 17, 18, 19])
@pytest.mark.parametrize("rows", [8_191, 16_383, 32_767])
def test_the_smallest_unit_survives_beside_as_many_of_the_largest_as_a_block_holds(
    top: int, bits: int, rows: int
) -> None:
    assert_exact(np.append(np.full(rows, below(top)), above(top - bits))[np.newaxis])


@pytest.mark.parametrize("top", [-60, 0, 60])
@pytest.mark.parametrize("step", range(-2, 3))
def test_values_that_round_to_the_middle_of_the_high_part_are_exact(top: int, step: int) -> None:
    """Odd multiples of half its unit, 2**(top - 21), and their neighbours: the low part is as large as it gets."""
    half = np.float32(np.ldexp(1.0, top - 21))
    values = np.float32([half * (2 * k + 1) for k in (2**5, 2**12, 2**18, 2**19, 2**20 - 1)])
    for _ in range(abs(step)):
        values = np.nextafter(values, np.float32(np.inf if step > 0 else 0))
    assert_exact(
        np.stack([np.resize(values, 8_192), np.resize(-values, 8_192), np.resize([values[0], -values[-1]], 8_192)])
    )


def test_one_large_value_leaves_a_block_of_small_ones_exact() -> None:
    small = np.random.default_rng(1).normal(0, 1e-20, (2, 8_192)).astype(np.float32)
    small[:, 77] = [3e38, -1e-3]
    assert_exact(small)


@pytest.mark.parametrize("rows", [8_191, 8_192, 8_193, 20_000, 65_535, 65_537, 140_000])
def test_leftovers_far_below_the_largest_are_exact_over_many_blocks(rows: int) -> None:
    values = np.resize(np.float32([1e-45, 1e-30, -1e-30, 1.1754944e-38, below(-17), above(-40), 1]), rows)
    assert_exact(values[np.newaxis])


@pytest.mark.parametrize("rows", [65_536, 65_537, 131_073])
def test_float64_of_all_exponents_are_exact_over_many_blocks(rows: int) -> None:
    values = np.resize([5e-324, -1e-300, 1e-17, np.nextafter(1, 0), 0.1, 1e17, 1.7e308, -1.7e308, -0.0], rows)
    assert_exact(values[np.newaxis])


@pytest.mark.parametrize("bits", [26, 27, 28, 31, 32, 62, 63])
def test_integers_on_either_side_of_every_power_of_two_are_exact(bits: int) -> None:
    edge = 2**bits
    values = [x for x in (edge - 1, edge, -edge, -edge - 1, 1 - edge, 3) if -(2**63) <= x < 2**63]
    assert_exact(np.resize(np.int64(values), (1, 70_000)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_nothing_sums_to_zero(dtype: type) -> None:
    for shape in ((2, 0), (0, 5), (2, 3)):
        total, squares = exact_sums(np.zeros(shape, dtype))
        assert total.tolist() == squares.tolist() == [0] * shape[0]


def grouped(values: npt.NDArray[Any], group: npt.NDArray[np.int64], groups: int) -> None:
    total, squares = exact_group_sums(values, group, groups)
    assert [(t * UNIT, s * UNIT**2) for t, s in zip(total.tolist(), squares.tolist(), strict=True)] == [
        truth(values[group == at]) for at in range(groups)
    ]


VALUES = {
    "float32": np.float32([1e-45, -3e38, 3e38, 0.1, -0.0, 1e8, 7]),
    "float64": np.float64([5e-324, -1.7e308, 1.7e308, 0.1, -0.0, 1e8 + 1, 7]),
    "int64": np.int64([-(2**63), 2**63 - 1, 0, 1, -1, 2**53 + 1, 7]),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("groups", [1, 3, 5])
def test_sums_by_group_are_those_of_each_group_alone(values: npt.NDArray[Any], groups: int) -> None:
    rng = np.random.default_rng(groups)
    grouped(rng.choice(values, 500), rng.integers(0, groups, 500), groups + 1)  # the last group is empty


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_a_group_of_more_rows_than_a_block_is_exact(values: npt.NDArray[Any]) -> None:
    group = np.zeros(65_600, np.int64)
    group[::1000] = 1
    grouped(np.resize(values, 65_600), group, 2)


def test_a_group_of_many_of_the_longest_significands_is_exact() -> None:
    n = 2**18 + 1  # so many squares of 18 bits need 55 bits, the last of them odd
    grouped(np.full(n, np.nextafter(1.0, 0.0)), np.zeros(n, np.int64), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_thousands_of_groups_are_exact_and_take_no_table_of_their_exponents(dtype: type) -> None:
    groups = 20_000  # times 2,048 exponents of 8 bytes: 328 MB
    values = (10.0 ** np.random.default_rng(2).uniform(-30, 30, groups)).astype(dtype)
    total, squares = exact_group_sums(values, np.arange(groups)[::-1].copy(), groups)
    exact = [Fraction(value) for value in values[::-1].tolist()]
    assert [t * UNIT for t in total.tolist()] == exact
    assert [s * UNIT**2 for s in squares.tolist()] == [x * x for x in exact]
