"""The yardstick of benchmarks/accuracy.py: truth and distance, against figures worked out by hand."""

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy.py"


@pytest.fixture(scope="module")
def accuracy() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_accuracy", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_truth_is_exact_where_float64_cancels(accuracy: Any) -> None:
    assert accuracy.truth(np.array([4, 7, 13, 16]) + 2**62) == (float(2**62 + 10), 22.5)


def test_truth_leaves_out_what_is_not_finite(accuracy: Any) -> None:
    values = np.float32([10, 12, np.nan, 14, np.inf])
    assert accuracy.truth(values) == (12.0, 8 / 3)


def test_truth_weighs(accuracy: Any) -> None:
    assert accuracy.truth(np.float32([1, 4, 9]), np.float32([2, 1, 0])) == (2.0, 2.0)


def test_an_ulp_is_the_spacing_at_the_true_value(accuracy: Any) -> None:
    assert accuracy.ulps(1 + 2**-50, 1.0) == 4
    assert accuracy.ulps(1 - 2**-53, 1.0) == 0.5
    assert accuracy.ulps(float(np.float32(0.1)), 0.1) == 107374182  # (0.1 in float32 - 0.1) / 2**-56


def test_what_is_not_finite_and_what_should_be_zero_is_infinitely_far(accuracy: Any) -> None:
    assert accuracy.ulps(math.nan, 1.0) == accuracy.ulps(math.inf, 1.0) == accuracy.ulps(1e-300, 0.0) == math.inf


def test_a_peer_that_raises_is_shown_by_its_error(accuracy: Any) -> None:
    def refuses(values: Any, weights: Any) -> Any:
        raise ValueError("no infinity")

    answer = accuracy._answer(refuses, accuracy.Column("x", np.float32([1, 2])))
    assert accuracy._worst([(answer, [(1.5, 0.25)])]) == {"raised": "ValueError"}


def test_the_worst_group_is_shown(accuracy: Any) -> None:
    cell = accuracy._worst([([(1.0, 2.0), (1.0, 5.0)], [(1.0, 2.0), (1.0, 4.0)])])
    assert cell["mean"]["ulp"] == 0
    assert (cell["variance"]["found"], cell["variance"]["true"], cell["variance"]["relative"]) == (5.0, 4.0, 0.25)


@pytest.mark.parametrize(("variance", "exact"), [({"ulp": 0.0}, True), ({"ulp": 1.0}, False), ({"ulp": "inf"}, False)])
def test_ours_must_be_at_no_distance_and_nobody_else(accuracy: Any, variance: Any, exact: bool) -> None:
    row = {"Moments": {"mean": {"ulp": 0.0}, "variance": variance}, "analyze()": None, "tft": {"raised": "TypeError"}}
    assert accuracy._ours_exact({"data": row}) is exact


def test_ours_must_not_raise(accuracy: Any) -> None:
    assert not accuracy._ours_exact({"data": {"analyze()": {"raised": "DataError"}}})
