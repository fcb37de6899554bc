"""Distances in units of the last place of float32."""

import numpy as np
import pytest

from components.parity.ulps import worst_ulps

ULP = 2.0**-23  # at 1


@pytest.mark.parametrize(
    ("found", "exact", "ulps"),
    [
        (1.0, 1.0, 0),
        (1.0, 1.0 + ULP / 4, 0.25),
        (1.0, 1.0 - ULP, 2),  # below 1 the spacing is half as wide
        (1.0 + ULP, 1.0, 1),
        (0.0, 0.0, 0),
        (-0.0, 0.0, 0),
        (0.0, 1e-40, 0),  # flushed to zero
        (np.nan, np.nan, 0),
        (np.inf, np.inf, 0),
        (np.nan, 1.0, np.inf),
        (1.0, np.nan, np.inf),
        (np.inf, 1.0, np.inf),
        (1.0, np.inf, np.inf),
    ],
)
def test_distances(found: float, exact: float, ulps: float) -> None:
    near = np.array([1.0, found, 2.0], np.float32), np.array([1.0, exact, 2.0])
    if np.isfinite(exact) and exact and abs(exact) < 2:
        # rounding may move the exact one on the grid, where it already is for whole ulps
        assert worst_ulps(*near) == pytest.approx(ulps)
    else:
        assert worst_ulps(*near) == ulps


def test_the_worst_counts() -> None:
    found = np.array([1.0, 1.0 + 3 * ULP, 1.0 + ULP], np.float32)
    assert worst_ulps(found, np.ones(3)) == 3


def test_other_shapes_and_other_words_are_infinitely_far() -> None:
    assert worst_ulps(np.zeros(2, np.float32), np.zeros(3)) == np.inf
    assert worst_ulps(np.array([1, 2]), np.array([1, 3])) == np.inf
    assert worst_ulps(np.array([b"a"], object), np.array([b"a"], object)) == 0


def test_nothing_is_no_distance() -> None:
    assert worst_ulps(np.zeros(0, np.float32), np.zeros(0)) == 0
