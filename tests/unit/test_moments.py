"""Moments against exact rational arithmetic: ``float(Fraction)`` is correctly rounded."""

import math
import pickle
import subprocess
import sys
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.moments import Moments


def rounded(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def truth(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Mean and population variance of finite numbers, each rounded once."""
    exact = [Fraction(value) for value in values.tolist()]
    mean = sum(exact, Fraction()) / len(exact)
    return rounded(mean), rounded(sum(((x - mean) ** 2 for x in exact), Fraction()) / len(exact))


rng = np.random.default_rng(20130101)

HARD: dict[str, npt.NDArray[Any]] = {
    "one value": np.float32([-7.25]),
    "constant tenth": np.full(1000, 0.1, np.float32),
    "constant float64 tenth": np.full(7, 0.1, np.float64),
    "offset 1e8": np.float64([4, 7, 13, 16]) + 1e8,
    "offset 1e9": np.float64([4, 7, 13, 16]) + 1e9,
    "offset 1e4, float32": rng.normal(1e4, 1, 1500).astype(np.float32),
    "offset 1e6, float32": rng.normal(1e6, 1, 1500).astype(np.float32),
    "1e-30 to 1e30": (10.0 ** rng.uniform(-30, 30, 500) * rng.choice([-1, 1], 500)).astype(np.float32),
    "cancelling": np.float32([1e30, 1e-30, -1e30, 1e-30]),
    "two of 3e38": np.float32([3e38, 3e38]),
    "3e38 and -3e38": np.float32([3e38, -3e38, 1]),
    "float32 subnormals": np.float32([1e-45, -3e-45, 1e-40, 0, -0.0]),
    "float64 subnormals": np.float64([5e-324, 5e-324, 1e-310, -0.0]),
    "variance below float64": np.float64([5e-324, 1e-310]),
    "float64 extremes": np.float64([1.7e308, 1.7e308, -1.7e308]),
    "float64 tie": np.float64([1, 1 + 2**-52, 1 + 2**-52, 1]),
    "float16": np.float16([65504, -65504, 6e-8, 0.1, 1024, 1025]),
    "bool": np.array([True, False, True, True]),
    "uint8": rng.integers(0, 256, 999, dtype=np.uint8),
    "int8": np.int8([-128, 127, -1]),
    "uint32": np.uint32([2**32 - 1, 0, 2**32 - 2]),
    "uint64 below 2**63": np.uint64([2**63 - 1, 0, 2**63 - 3]),
    "int64 extremes": np.int64([-(2**63), 2**63 - 1, 0]),
    "int64 lowest": np.int64([-(2**63), -(2**63), -(2**63) + 1]),
    "int64 beyond 2**53": np.int64([2**53 + 1, 2**53 + 3, 2**53]),
}


@pytest.mark.parametrize("values", HARD.values(), ids=HARD)
def test_mean_and_variance_are_the_floats_nearest_to_the_exact_ones(values: npt.NDArray[Any]) -> None:
    found = Moments.of(values)
    mean, variance = truth(values)
    assert (found.mean.item(), found.variance.item()) == (mean, variance)
    assert (found.min.item(), found.max.item()) == (float(min(values.tolist())), float(max(values.tolist())))
    assert found.count.item() == len(values)


def test_a_hand_computed_table() -> None:
    found = Moments.of(np.float32([2, 4, 4, 4, 5, 5, 7, 9]))
    assert (found.count, found.mean, found.variance, found.min, found.max) == (8, 5.0, 4.0, 2.0, 9.0)


def test_pixels_have_the_mean_and_variance_of_numpy_in_float64() -> None:
    # 2**12 values of 8 bits: NumPy's float64 sums, and its deviations from a mean in units of 2**-12, are exact.
    pixels = rng.integers(0, 256, (4096, 2, 3), dtype=np.uint8)
    found = Moments.of(pixels)
    assert np.array_equal(found.mean, pixels.astype(np.float64).mean(axis=0))
    assert np.array_equal(found.variance, pixels.astype(np.float64).var(axis=0))


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_more_rows_than_one_block_lose_nothing(dtype: type) -> None:
    n = 140_001  # 0 + 1 + ... + (n - 1): mean (n - 1) / 2, variance (n**2 - 1) / 12
    found = Moments.of(np.arange(n, dtype=dtype))
    assert (found.count, found.mean, found.variance) == (n, (n - 1) / 2, float(Fraction(n * n - 1, 12)))


@pytest.mark.parametrize(
    "value",
    [np.nextafter(np.float32(2), np.float32(1)), np.nextafter(2.0, 1.0), np.int64(2**63 - 1), np.int64(-(2**63))],
    ids=["float32", "float64", "int64", "int64 lowest"],
)
def test_full_blocks_of_the_longest_significands_lose_nothing(value: Any) -> None:
    # So many rows that their sums of squared limbs would neither fit float64's 53 bits nor int64 in one piece.
    n, other = 2**19 + 5, value - value // 2
    values = np.full(n + 1, value)
    values[-1] = other
    found = Moments.of(values)
    gap = Fraction(value.item()) - Fraction(other.item())
    assert found.mean.item() == float(Fraction(value.item()) - gap / (n + 1))
    assert found.variance.item() == float(gap**2 * n / (n + 1) ** 2)
    assert Moments.of(values[:-1]).variance.item() == 0


def test_a_variance_beyond_float64_is_infinite() -> None:
    found = Moments.of(np.float64([1.7e308, -1.7e308]))
    assert (found.mean.item(), found.variance.item()) == (0.0, math.inf)


def test_non_finite_values_are_counted_and_enter_nothing_else() -> None:
    found = Moments.of(np.float32([10, np.nan, 12, np.inf, 14, -np.inf, -np.inf]))
    assert (found.mean.item(), found.variance.item()) == (12.0, float(Fraction(8, 3)))
    assert (found.count, found.nan, found.pos_inf, found.neg_inf, found.missing) == (3, 1, 1, 2, 0)
    assert (found.min, found.max) == (10.0, 14.0)


def test_a_masked_value_is_missing_whatever_it_holds() -> None:
    values = np.float32([1, np.nan, np.inf, 5, np.nan])
    found = Moments.of(values, mask=[True, False, False, True, True])
    assert (found.count, found.missing, found.nan, found.pos_inf) == (2, 2, 1, 0)
    assert (found.mean, found.variance) == (3.0, 4.0)


def test_a_masked_integer_enters_nothing() -> None:
    found = Moments.of(np.int64([2**62, 1, 3]), mask=[False, True, True])
    assert (found.mean, found.variance, found.min, found.max, found.missing) == (2.0, 1.0, 1.0, 3.0, 1)


def test_a_mask_of_rows_covers_all_elements_of_a_row() -> None:
    values = np.float32([[[1, 2], [3, 4]], [[9, 9], [9, 9]], [[5, 6], [7, np.nan]]])
    found = Moments.of(values, mask=[True, False, True])
    assert found.mean.tolist() == [[3, 4], [5, 4]]
    assert found.missing.tolist() == [[1, 1], [1, 1]]
    assert found.nan.tolist() == [[0, 0], [0, 1]]
    assert found.count.tolist() == [[2, 2], [2, 1]]


def test_a_mask_of_elements_is_taken_by_element() -> None:
    found = Moments.of(np.int64([[1, 2], [3, 4]]), mask=[[True, False], [True, True]])
    assert (found.mean.tolist(), found.missing.tolist()) == ([2, 4], [0, 1])


def test_statistics_have_the_shape_of_one_row_and_fixed_types() -> None:
    found = Moments.of(np.zeros((5, 2, 3), np.float32))
    for values in (found.mean, found.variance, found.min, found.max):
        assert (values.shape, values.dtype) == ((2, 3), np.float64)
    for counts in (found.count, found.missing, found.nan, found.pos_inf, found.neg_inf):
        assert (counts.shape, counts.dtype) == ((2, 3), np.int64)


def test_a_channel_without_any_value_is_nan_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Moments.of(np.float32([[1, np.nan], [3, np.nan]]))
        for values in (found.mean, found.variance, found.min, found.max):
            assert np.isnan(values).tolist() == [False, True]
    assert found.count.tolist() == [2, 0]


@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_nothing_seen_is_nan_and_zero(shape: tuple[int, ...]) -> None:
    found = Moments.empty(shape)
    assert np.isnan(found.mean).all()
    assert np.isnan(found.variance).all()
    assert not found.count.any()
    assert found.mean.shape == found.count.shape == shape


@pytest.mark.parametrize("shape", [(0,), (0, 2), (0, 2, 3)])
def test_no_row_with_a_mask_is_nothing_seen(shape: tuple[int, ...]) -> None:
    found = Moments.of(np.zeros(shape, np.float32), mask=np.zeros(0, np.bool_))
    assert found.count.shape == shape[1:]
    assert not (found.count + found.missing).any()


def test_one_and_the_other_zero_are_one_value_in_any_order() -> None:
    positive, negative = np.float32([0.0]), np.float32([-0.0])
    for first, second in ((positive, negative), (negative, positive)):
        for found in (Moments.of(np.concatenate([first, second])), Moments.of(first).merge(Moments.of(second))):
            assert not np.signbit([found.min, found.max, found.mean, found.variance]).any()


def test_batches_of_uneven_size_are_weighted_by_their_rows() -> None:
    batches = [np.float32([1, 2, 3, 4]), np.float32([100])]
    found = Moments.of(batches[0]).merge(Moments.of(batches[1]))
    assert (found.mean.item(), found.variance.item()) == truth(np.concatenate(batches))


def test_a_merge_adds_every_count_and_keeps_the_extremes() -> None:
    left = Moments.of(np.float32([1, 5, np.nan, np.inf, -np.inf]), mask=[True, True, True, True, True])
    right = Moments.of(np.float32([-2, 3, np.nan, np.nan, np.inf, 9]), mask=[True, True, True, True, True, False])
    found = left.merge(right)
    assert (found.count, found.missing, found.nan, found.pos_inf, found.neg_inf) == (4, 1, 3, 2, 1)
    assert (found.min, found.max, found.mean) == (-2.0, 5.0, 1.75)


def test_moments_of_different_shapes_do_not_merge() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        Moments.empty((2,)).merge(Moments.empty((3,)))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (np.float32(1), "scalar"),
        (np.array([1j]), "complex128"),
        (np.array(["1"]), "<U1"),
        (np.array([None]), "object"),
        (np.array([2**63], np.uint64), "uint64"),
        (np.array(["2013-01-01"], "datetime64[D]"), "datetime64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_real_number_of_64_bits_is_refused(values: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Moments.of(values)


def test_moments_survive_pickling_to_the_last_bit() -> None:
    found = Moments.of(rng.normal(size=(50, 2)), mask=rng.random(50) < 0.5)
    again = pickle.loads(pickle.dumps(found))
    assert again.mean.tobytes() == found.mean.tobytes()
    assert again.variance.tobytes() == found.variance.tobytes()
    assert again.merge(found).count.tolist() == (2 * found.count).tolist()


def test_the_argument_is_not_changed() -> None:
    values = np.float32([1, np.nan, -0.0])
    before = values.tobytes()
    Moments.of(values, mask=[True, True, False])
    assert values.tobytes() == before


def test_moments_load_neither_tensorflow_nor_beam() -> None:
    code = "import sys; from components import Moments; print(sorted({'tensorflow', 'apache_beam'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "[]\n"
