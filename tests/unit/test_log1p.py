import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from components.moments.log1p import log1p


def exact(x: float) -> Decimal:
    with localcontext() as context:
        context.prec = 400
        return (1 + Decimal(x)).ln()


GENERATOR = np.random.default_rng(7)
CASES = np.concatenate(
    [
        GENERATOR.normal(0, 1, 60) ** 2,
        10.0 ** GENERATOR.uniform(-300, 300, 60),
        -GENERATOR.random(60),
        -1 + 10.0 ** GENERATOR.uniform(-15, 0, 60),
        [0.41422, 0.41421, -0.2929, -0.29289, 1.0, 2.0**53, 2.0**54, 5e-324, 1.7e308],
    ]
)


def test_the_error_is_below_one_unit_in_the_last_place() -> None:
    with localcontext() as context:
        context.prec = 400
        for x, found in zip(CASES.tolist(), log1p(CASES).tolist(), strict=True):
            true = exact(x)
            assert abs(Decimal(found) - true) < Decimal(math.ulp(float(true))), x


def test_integers_known_to_seventeen_digits() -> None:
    # ln 2, ln 3, ln 11 of a table of logarithms.
    table = np.array([0.69314718055994530942, 1.09861228866810969140, 2.39789527279837054406])
    np.testing.assert_array_max_ulp(log1p(np.array([1, 2, 10])), table, maxulp=1)


@pytest.mark.parametrize(
    ("x", "expected"),
    [(-1.0, -math.inf), (-1.5, math.nan), (-math.inf, math.nan), (math.nan, math.nan), (math.inf, math.inf)],
)
def test_values_outside_its_domain(x: float, expected: float) -> None:
    np.testing.assert_array_equal(log1p(x), expected)


def test_the_sign_of_zero_is_kept() -> None:
    assert math.copysign(1, float(log1p(-0.0))) == -1
    assert math.copysign(1, float(log1p(0.0))) == 1


def test_bits_that_no_machine_may_change() -> None:
    found = [float(y).hex() for y in log1p(np.array([79.99, 0.3, 4983.0]))]
    assert found == ["0x1.193ca1d1e929fp+2", "0x1.0ca937be1b9dcp-2", "0x1.10729716c7ba3p+3"]
