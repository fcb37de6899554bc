"""What a first epoch must have been fed, by figures worked out by hand."""

import pytest
from graph_tables import constants_of, feature, plan_of

from components.constants import NormalizationConstants
from components.trainer.fed_check import Fed, judge

ROWS = [{"x": float(value), "y": 7.0} for value in (1, 2, 3, 4)]
X = feature("x", "FLOAT", "z_score")
Y = feature("y", "FLOAT", "z_score")


def constants(*features: str) -> NormalizationConstants:
    return constants_of(plan_of(*features), [{**row} for row in ROWS])


def fed(mean: float = 0.0, sigma: float = 1.0, low: float = -1.34, high: float = 1.34, at_bound: int = 0) -> Fed:
    return Fed(4_000_000, mean, sigma, low, high, at_bound, (0,) * 64)


def faults(found: NormalizationConstants, **figures: Fed) -> list[tuple[str, str]]:
    return [(each.fault, each.feature) for each in judge(found, figures).findings]


def test_mean_0_and_sigma_1_are_right_and_so_is_a_constant_column() -> None:
    assert faults(constants(X, Y), x=fed(), y=fed(sigma=0.0, low=0.0, high=0.0)) == []


def test_each_fault_by_name() -> None:
    assert faults(constants(X), x=fed(mean=1e-4)) == [("fed_mean_off", "x")]
    assert faults(constants(X), x=fed(sigma=1.0001)) == [("fed_sigma_off", "x")]
    assert faults(constants(X), x=fed(sigma=0.0, low=0.0, high=0.0)) == [("dead_feature", "x")]
    assert [name for name, _ in faults(constants(X), x=fed(float("nan"), float("nan")))] == [
        "fed_mean_off",
        "fed_sigma_off",
    ]


def test_whole_numbers_that_float64_does_not_tell_apart_are_not_judged() -> None:
    plan = plan_of(feature("n", "INT", "z_score"))
    found = constants_of(plan, [{"n": 2**60 + 100 * i} for i in range(4)])
    assert faults(found, n=fed(mean=0.3)) == []


def test_fills_draw_sigma_together() -> None:
    plan = plan_of(X, feature("z", "FLOAT", "z_score"))
    found = constants_of(plan, [{"x": 1.0, "z": 1.0}, {"x": 2.0, "z": 2.0}, {"x": 3.0}, {"x": 4.0}])
    assert faults(found, x=fed(), z=fed(sigma=0.5**0.5)) == []
    assert faults(found, x=fed(), z=fed(sigma=1.0)) == [("fed_sigma_off", "z")]


@pytest.mark.parametrize("tag", ["min_max", "robust"])
def test_other_roles_promise_nothing(tag: str) -> None:
    assert faults(constants(X, feature("y", "FLOAT", tag)), x=fed(), y=fed(mean=0.4, sigma=0.3)) == []


def test_pinned_constants_only_warn() -> None:
    found = constants(X)
    verdict = judge(found, {"x": fed(mean=0.3)}, own_data=False)
    assert (verdict.blessed, [each.fault for each in verdict.warnings]) == (True, ["fed_mean_off"])


def test_far_and_clipped_values_are_warnings() -> None:
    found = constants(X, feature("y", "FLOAT", "z_score", "clip=3"))
    verdict = judge(found, {"x": fed(high=51.0), "y": fed(sigma=0.9, low=-3.0, high=3.0, at_bound=80_000)})
    assert verdict.blessed
    assert [(each.fault, each.feature) for each in verdict.warnings] == [
        ("exploding_feature", "x"),
        ("clipped_share", "y"),
    ]
