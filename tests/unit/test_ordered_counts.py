"""Quartiles from mergeable counts, against ``numpy.quantile`` and by hand."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from components.moments import ordered_counts
from components.moments.codec import Reader, Writer
from components.moments.ordered_counts import MAX_BUCKETS, OrderedCounts

rng = np.random.default_rng(20130103)


def quartiles_of(values: npt.NDArray[Any]) -> tuple[list[float], float]:
    found, error = OrderedCounts.of(values).quartiles()
    return found.tolist(), error


def truth(values: npt.NDArray[Any]) -> list[float]:
    quartiles: list[float] = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf").tolist()
    return quartiles


EXACT: dict[str, npt.NDArray[Any]] = {
    "one value": np.float32([-7.25]),
    "two values": np.float32([3, 1]),
    "three": np.float64([3, 1, 2]),
    "four": np.int64([4, 1, 3, 2]),
    "five": np.float32([5, 4, 3, 2, 1]),
    "many of one": np.float32([0] * 7 + [1] * 2),
    "negative": -rng.gamma(2, 10, 999).astype(np.float32),
    "around zero": rng.normal(0, 1, 1000).astype(np.float32),
    "float64": rng.normal(0, 1e-300, 1001),
    "subnormals": np.float32([1e-45, -1e-45, 3e-45, 0]),
    "extremes": np.float32([3.4028235e38, -3.4028235e38, 3e38, -3e38]),
    "float64 extremes": np.float64([1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -5e-324]),
    "int64 extremes": np.int64([-(2**63), -(2**63), 0, 2**62]),
    "integers": rng.integers(-50, 50, 1003),
    "as many as fit": rng.permutation(MAX_BUCKETS).astype(np.float32),
}


@pytest.mark.parametrize("values", EXACT.values(), ids=EXACT)
def test_quartiles_of_few_different_values_are_exact(values: npt.NDArray[Any]) -> None:
    assert quartiles_of(values) == (truth(values), 0.0)


def test_quartiles_by_hand() -> None:
    assert quartiles_of(np.float32([9, 7, 5, 5, 4, 4, 4, 2])) == ([4, 4, 5], 0.0)


def test_both_zeros_are_one_value() -> None:
    counts = OrderedCounts.of(np.float32([-0.0, 0.0, -0.0, 1]))
    assert counts.counts.tolist() == [3, 1]
    assert not np.signbit(counts.quartiles()[0]).any()
    assert OrderedCounts.of(np.float64([-0.0])).buckets.tolist() == OrderedCounts.of(np.float64([0.0])).buckets.tolist()


MANY = {
    "normal": rng.normal(0, 1, 140_000).astype(np.float32),
    "offset": rng.normal(1e4, 1, 140_000),
    "all exponents": (10.0 ** rng.uniform(-44, 38, 140_000) * rng.choice([-1, 1], 140_000)).astype(np.float32),
    "float64 of all exponents": 10.0 ** rng.uniform(-300, 300, 140_000) * rng.choice([-1, 1], 140_000),
    "integers": rng.integers(-(2**63), 2**63 - 1, 140_000),
    "one too many": np.arange(MAX_BUCKETS + 1, dtype=np.int64),
}


@pytest.mark.parametrize("values", MANY.values(), ids=MANY)
def test_quartiles_of_many_different_values_are_within_the_stated_bound(values: npt.NDArray[Any]) -> None:
    found, error = quartiles_of(values)
    assert error > 0
    for one, exact in zip(found, truth(values), strict=True):
        assert abs(one - exact) <= error
    assert len(OrderedCounts.of(values).buckets) <= MAX_BUCKETS


def test_the_bound_of_a_normal_distribution_is_2_to_the_minus_12_of_its_quartile() -> None:
    found, error = quartiles_of(MANY["normal"])
    assert error <= abs(found[0]) * 2**-12


def test_the_bound_holds_where_the_middle_of_a_bucket_is_no_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_counts, "MAX_BUCKETS", 1)
    values = np.float64([np.nextafter(1, 2), 1.0])  # the middle of two neighbours is rounded to one of them
    found, error = quartiles_of(values)
    assert all(abs(one - exact) <= error for one in found for exact in values.tolist())
    values = np.int64([2**53 + 1, 2**53])
    found, error = quartiles_of(values)
    assert all(abs(int(one) - exact) <= error for one in found for exact in values.tolist())


@pytest.mark.parametrize("limit", [1, 2, 3, 16])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_few_buckets_still_hold_every_value(monkeypatch: pytest.MonkeyPatch, kind: type, limit: int) -> None:
    monkeypatch.setattr(ordered_counts, "MAX_BUCKETS", limit)
    values = rng.normal(1e3, 10, 200).astype(kind)
    found, error = quartiles_of(values)
    assert all(abs(one - exact) <= error for one, exact in zip(found, truth(values), strict=True))
    assert OrderedCounts.of(values).counts.sum() == 200


def test_a_merge_adds_counts_at_the_coarser_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_counts, "MAX_BUCKETS", 4)
    coarse, fine = OrderedCounts.of(np.arange(8)), OrderedCounts.of(np.int64([2, 3, 9]))
    assert (coarse.level, fine.level) == (1, 0)
    merged = coarse.merge(fine)  # five buckets at level 1, so level 2: 0..3, 4..7, 8..11
    assert (merged.level, merged.buckets.tolist(), merged.counts.tolist()) == (2, [0, 1, 2], [6, 4, 1])


def test_negative_values_share_no_bucket_with_positive_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_counts, "MAX_BUCKETS", 2)
    counts = OrderedCounts.of(np.int64([-4, -3, -1, 0, 1, 3]))
    assert counts.counts.tolist() == [3, 3]


def test_counts_of_different_types_do_not_merge() -> None:
    with pytest.raises(ValueError, match=r"float32.*int64"):
        OrderedCounts.of(np.float32([1])).merge(OrderedCounts.of(np.int64([1])))


def test_the_byte_form_keeps_everything() -> None:
    for values in (np.float32([]), *list(EXACT.values())[:-1], MANY["offset"][:5_000], MANY["integers"][:5_000]):
        counts = OrderedCounts.of(values)
        writer = Writer()
        counts.write(writer)
        reader = Reader(writer.bytes())
        again = OrderedCounts.read(reader)
        reader.finish()
        assert (again.kind, again.level) == (counts.kind, counts.level)
        assert again.buckets.tobytes() == counts.buckets.tobytes()
        assert again.counts.tobytes() == counts.counts.tobytes()
