"""Weighted moments against exact rational arithmetic and, where they are good enough, NumPy and scikit-learn."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.moments import Moments

rng = np.random.default_rng(20130102)
Array = npt.NDArray[Any]


def truth(values: Array, weights: Array) -> tuple[float, float]:
    """Sum of w*x over sum of w, and of w*(x - mean)**2, each rounded once."""
    exact = [(Fraction(x), Fraction(w)) for x, w in zip(values.tolist(), weights.tolist(), strict=True)]
    total = sum((w for _, w in exact), Fraction())
    mean = sum((w * x for x, w in exact), Fraction()) / total
    return float(mean), float(sum((w * (x - mean) ** 2 for x, w in exact), Fraction()) / total)


N = 700
WEIGHTS = {
    "uniform": rng.uniform(0, 2, N).astype(np.float32),
    "of all exponents": (10.0 ** rng.uniform(-44, 38, N)).astype(np.float32),
    "longest significands": np.full(N, np.nextafter(np.float32(1), np.float32(0))),
    "largest and smallest": np.resize(np.float32([3.4028235e38, 1e-45, 1]), N),
    "often zero": rng.choice(np.float32([0, 0, 0.1, 3]), N),
}
VALUES: dict[str, Array] = {
    "float16": rng.normal(1e3, 1, N).astype(np.float16),
    "float32": rng.normal(1e6, 1, N).astype(np.float32),
    "float32 of all exponents": (10.0 ** rng.uniform(-44, 38, N) * rng.choice([-1, 1], N)).astype(np.float32),
    "float32 longest significands": np.resize(np.float32([1.9999999, -1.9999998]), N),
    "float64": rng.normal(1e8, 1, N),
    "float64 of many exponents": np.resize([5e-324, 1e-300, -1e100, 0.1, 1.5e154], N),
    "int64 small": rng.integers(-(2**24) + 1, 2**24, N),
    "int64 at the edge": np.resize([2**24 - 1, 2**24, -(2**24), 1 - 2**24, 2**24 + 1], N).astype(np.int64),
    "int64 large": np.resize([-(2**63), 2**63 - 1, 2**53 + 1, 0, 1], N).astype(np.int64),
    "uint8": rng.integers(0, 256, N, dtype=np.uint8),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_mean_and_variance_are_the_exact_weighted_ones_rounded_once(values: Array, weights: Array) -> None:
    found = Moments.of(values, weights)
    assert (found.mean.item(), found.variance.item()) == truth(values, weights)
    assert found.count.item() == np.count_nonzero(weights)


def test_a_hand_computed_table() -> None:
    found = Moments.of(np.float32([1, 2, 5]), weights=[1, 2, 1])  # mean 10/4, variance (1.5**2 + 2 * 0.5**2 + 2.5**2)/4
    assert (found.count, found.mean, found.variance) == (3, 2.5, 2.25)


def test_weights_agree_with_scikit_learn_and_numpy() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")

    values, weights = rng.normal(3, 2, (300, 2)), rng.uniform(0.5, 2, 300).astype(np.float32)
    found = Moments.of(values, weights)
    scaler = preprocessing.StandardScaler().fit(values, sample_weight=weights)
    np.testing.assert_allclose(found.mean, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(found.variance, scaler.var_, rtol=1e-12)
    np.testing.assert_allclose(found.mean, np.average(values, axis=0, weights=weights), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("scale", [1, 0.1, 3e38])
def test_equal_weights_give_the_bits_of_no_weights(dtype: type, scale: float) -> None:
    values = rng.normal(1e5, 1e3, 500).astype(dtype)
    one, other = Moments.of(values), Moments.of(values, np.full(500, scale, np.float32))
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.variance.tobytes() == other.variance.tobytes()


def test_whole_weights_are_repetitions() -> None:
    values, weights = rng.normal(1e4, 1, 200).astype(np.float32), rng.integers(0, 4, 200)
    one, other = Moments.of(values, weights), Moments.of(np.repeat(values, weights))
    assert (one.mean, one.variance, one.min, one.max) == (other.mean, other.variance, other.min, other.max)
    assert (one.total, one.squares, one.weight) == (other.total, other.squares, other.weight)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_value_of_weight_zero_is_absent_from_every_count(zero: float) -> None:
    values = np.float32([5, np.nan, np.inf, -np.inf, 1e30, -1e30, 3])
    mask = np.array([True, True, True, True, False, True, True])
    found = Moments.of(values, [1, zero, zero, zero, zero, zero, 1], mask)
    assert (found.count, found.missing, found.nan, found.pos_inf, found.neg_inf) == (2, 0, 0, 0, 0)
    assert (found.mean, found.variance, found.min, found.max) == (4.0, 1.0, 3.0, 5.0)
    nothing = Moments.of(values, np.zeros(7), mask)
    assert np.isnan([nothing.mean, nothing.variance, nothing.min, nothing.max]).all()


def test_missing_and_non_finite_values_of_a_weight_are_counted_once_each() -> None:
    found = Moments.of(np.float32([np.nan, np.inf, -np.inf, np.nan, 2, 9]), [9, 2, 0.5, 1, 3, 4], [1, 1, 1, 0, 1, 0])
    assert (found.count, found.missing, found.nan, found.pos_inf, found.neg_inf) == (1, 2, 1, 1, 1)
    assert (found.mean, found.variance) == (2.0, 0.0)


def test_weights_of_rows_cover_all_elements_and_weights_of_elements_are_taken_by_element() -> None:
    values = np.float32([[[1, 2]], [[5, 10]]])
    assert Moments.of(values, [3, 1]).mean.tolist() == [[2, 4]]
    assert Moments.of(values, np.float32([[[3, 0]], [[1, 1]]])).mean.tolist() == [[2, 10]]
    assert Moments.of(values, np.float32([[3], [1]])).mean.tolist() == [[2, 4]]


def test_a_row_without_weights_weighs_one() -> None:
    merged = Moments.of(np.float32([2, 4])).merge(Moments.of(np.float32([9]), [2]))
    assert (merged.count, merged.mean, merged.variance) == (3, 6.0, 9.5)


@pytest.mark.parametrize(
    "weights",
    [
        [1.0, -1.0],
        [1.0, np.nan],
        [np.inf, 1.0],
        np.float64([0.1, 1.0]),
        np.float64([1e300, 1.0]),
        np.float64([1e-60, 1.0]),
        np.int64([2**24 + 1, 1]),
        np.int64([2**60 + 1, 1]),
        np.int64([-1, 1]),
        np.uint64([2**63 + 1, 1]),
    ],
    ids=repr,
)
def test_a_weight_that_is_no_float32_of_at_least_0_is_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="Weights must be float32 numbers of at least 0"):
        Moments.of(np.float32([1, 2]), weights)


def test_exact_weights_of_other_types_are_taken() -> None:
    values = np.float32([1, 4])
    for weights in (np.float64([0.5, 1]), np.int64([1, 2]), np.array([True, True]), np.int64([2**24, 2**25])):
        assert Moments.of(values, weights).mean.item() == truth(values, weights)[0]


@pytest.mark.parametrize("weights", [[1, 1, 1], [[1, 1], [1, 1]], 0.5])
def test_weights_of_another_shape_are_refused_or_broadcast(weights: Any) -> None:
    values = np.float32([1, 4])
    if np.ndim(weights) == 0:
        assert Moments.of(values, weights).mean == 2.5
        return
    with pytest.raises(ValueError, match=r"weights of shape .* do not fit values of shape \(2,\)"):
        Moments.of(values, weights)


def test_columns_are_measured_side_by_side() -> None:
    columns = np.float32([[1, 2, np.nan, 100], [5, 6, 7, 8]])
    present = np.array([[True, True, True, False], [True] * 4])
    weights = np.float32([[1, 3, 1, 1], [1, 1, 0, 2]])
    found = Moments.of_columns(columns, weights, present)
    assert (found.count.tolist(), found.missing.tolist(), found.nan.tolist()) == ([2, 3], [1, 0], [1, 0])
    assert (found.mean.tolist(), found.max.tolist()) == ([1.75, 6.75], [2, 8])
    for at in range(2):
        alone = Moments.of_columns(columns[at : at + 1], weights[at : at + 1], present[at : at + 1])
        assert alone.squares.tolist() == found.squares[at : at + 1].tolist()
    plain = Moments.of_columns(columns[1:])
    assert (plain.count.tolist(), plain.mean.tolist(), plain.missing.tolist()) == ([4], [6.5], [0])


def test_elements_can_be_cut_out_and_put_together() -> None:
    table = Moments.of(np.float32([[1, 2, 3], [3, 6, 9]]))
    again = Moments.concatenate([table[2:], table[np.array([0, 1])]])
    assert (again.mean.tolist(), again.variance.tolist(), again.min.tolist()) == ([6, 2, 4], [9, 1, 4], [3, 1, 2])
    assert table.reshape((3, 1)).mean.tolist() == [[2], [4], [6]]
