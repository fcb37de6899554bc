"""What a first epoch must have been fed, by figures worked out by hand."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from graph_tables import constants_of, feature, plan_of
from hand_constants import number, set_of

from components.constants import NormalizationConstants
from components.trainer.fed_check import Fed, FedLimits, judge

ROWS = [{"x": float(value), "y": 7.0} for value in (1, 2, 3, 4)]
END = 1.5 / 1.25**0.5  # 4 is a mean of 2.5 and 1.5 away, the variance is 1.25
X = feature("x", "FLOAT", "z_score")
Y = feature("y", "FLOAT", "z_score")


def constants(*features: str) -> NormalizationConstants:
    return constants_of(plan_of(*features), [{**row} for row in ROWS])


def fed(mean: float = 0.0, sigma: float = 1.0, low: float = -END, high: float = END, at_bound: int = 0) -> Fed:
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
    assert faults(found, x=fed(), z=fed(sigma=0.5**0.5, low=-1.0, high=1.0)) == []
    assert faults(found, x=fed(), z=fed(sigma=1.0, low=-1.0, high=1.0)) == [("fed_sigma_off", "z")]


VALUES = np.array([0.0, 1.0, 1.0, 2.0, 5.0, 9.0, 9.5, 40.0])
KEYS = ["a", "b", "a", "a", "b", "b", "a", "b"]
LOW, MIDDLE, HIGH = 1.0, 3.5, 9.25  # quartiles, as the constants state them


def fed_of(values: Any) -> Fed:
    """Statistics of float32 values, by NumPy."""
    x = np.asarray(values, np.float32).astype(np.float64)
    return Fed(x.size, x.mean(), x.std(), x.min(), x.max(), 0, (0,) * 64)


def by_key(values: Any) -> Any:
    groups = {key: values[[at for at, k in enumerate(KEYS) if k == key]] for key in "ab"}
    return np.array([(x - groups[k].mean()) / groups[k].std() for x, k in zip(values, KEYS, strict=True)])


NORMALIZED = {
    "z_score": lambda x: (x - x.mean()) / x.std(),
    "min_max": lambda x: (x - 0.0) / 40.0,
    "robust": lambda x: (x - MIDDLE) / (HIGH - LOW),
    "z_score_per_key:k": by_key,
}


def of_role(role: str, *tags: str) -> NormalizationConstants:
    if role == "robust":
        moments = {"count": 8, "mean": VALUES.mean(), "variance": VALUES.var(), "low": 0.0, "high": 40.0}
        return set_of(number("y", role=role, quartiles=[LOW, MIDDLE, HIGH], **moments))
    features = [feature("y", "FLOAT", role, *tags)]
    if ":" in role:
        features.append(feature("k", "BYTES", "category", shape=""))
    rows = [{"y": float(y), "k": key.encode()} for y, key in zip(VALUES, KEYS, strict=True)]
    return constants_of(plan_of(*features), rows)


@pytest.mark.parametrize("role", NORMALIZED)
def test_every_role_is_right_as_it_is_and_found_when_it_is_dead_or_off(role: str) -> None:
    found, right = of_role(role), NORMALIZED[role](VALUES)
    assert faults(found, y=fed_of(right)) == []
    assert faults(found, y=fed_of(0 * right)) == [("dead_feature", "y")]
    assert ("fed_mean_off", "y") in faults(found, y=fed_of(right + 1))
    assert ("fed_sigma_off", "y") in faults(found, y=fed_of(right * 1.5))
    swapped = np.where(right == right.max(), 1.01 * right.max(), right)
    assert ("fed_range_off", "y") in faults(found, y=fed_of(swapped))


def test_keys_with_few_values_may_be_off_as_far_as_their_share_allows() -> None:
    found = of_role("z_score_per_key:k", "min_count=5")
    (figures,) = judge(found, {"y": fed_of(by_key(VALUES))}).figures["features"].values()
    assert figures["mean_within"] > 1
    assert faults(found, y=fed_of(by_key(VALUES) / 2)) == []
    assert faults(found, y=fed_of(0 * VALUES)) == [("dead_feature", "y")]


def test_one_dead_element_among_others_is_named() -> None:
    random = np.random.default_rng(4)
    rows = random.normal([5.0, -3.0, 100.0], [1.0, 2.0, 3.0], (50, 3)).astype(np.float32).astype(np.float64)
    plan = plan_of(feature("m", "FLOAT", "z_score", "axis=0", shape="3"))
    found = constants_of(plan, [{"m": row.astype(np.float32)} for row in rows])
    scores = (rows - rows.mean(axis=0)) / rows.std(axis=0)

    def of(values: Any) -> Fed:
        return dataclasses.replace(fed_of(values), elements=tuple(fed_of(column) for column in values.T))

    assert faults(found, m=of(scores)) == []
    dead = scores.copy()
    dead[:, 1] = 0.0
    (finding,) = judge(found, {"m": of(dead)}).findings
    assert finding.fault == "dead_feature" and "(element 1)" in finding.message
    turned = scores * [1.0, 1.2, 0.8]  # together nearly the same variance
    assert ("fed_sigma_off", "m") in faults(found, m=of(turned))


def test_a_clipped_feature_has_bounds_and_a_weighted_one_must_be_alive() -> None:
    found, right = of_role("z_score", "clip=2"), NORMALIZED["z_score"](VALUES)
    clipped = dataclasses.replace(fed_of(np.clip(right, -2, 2)), at_bound=1)
    assert faults(found, y=clipped) == []
    assert faults(found, y=fed_of(0 * right)) == [("dead_feature", "y")]
    assert ("fed_mean_off", "y") in faults(found, y=dataclasses.replace(clipped, mean=clipped.mean + 1))
    plan = plan_of(feature("y", "FLOAT", "z_score"), feature("w", "FLOAT", "weight", shape=""))
    weighted = constants_of(plan, [{"y": float(y), "w": 2.0} for y in VALUES])
    assert faults(weighted, y=fed_of(right + 3)) == []
    assert faults(weighted, y=fed_of(0 * right)) == [("dead_feature", "y")]


def test_what_fills_a_missing_value_is_part_of_what_is_expected() -> None:
    found = constants_of(
        plan_of(X, feature("y", "FLOAT", "z_score", "missing=constant:8")),
        [
            {"x": 1.0, "y": 1.0},
            {"x": 2.0, "y": 3.0},
            {"x": 3.0},
            {"x": 4.0},
        ],
    )
    filled = np.array([-1.0, 1.0, 6.0, 6.0])  # mean 2 and sigma 1
    assert faults(found, x=fed(), y=fed_of(filled)) == []
    assert ("fed_mean_off", "y") in faults(found, x=fed(), y=fed_of([-1.0, 1.0, 0.0, 0.0]))


def test_pinned_constants_only_warn() -> None:
    found = constants(X)
    verdict = judge(found, {"x": fed(mean=0.3)}, own_data=False)
    assert (verdict.blessed, [each.fault for each in verdict.warnings]) == (True, ["fed_mean_off"])


def test_far_and_clipped_values_are_warnings() -> None:
    rows = [{"x": float(i == 0), "y": float(i == 0)} for i in range(3000)]  # of the first, z is 54.76
    found = constants_of(plan_of(X, feature("y", "FLOAT", "z_score", "clip=3")), rows)
    scores = np.array([2999**0.5, *[-(2999**-0.5)] * 2999])
    y = dataclasses.replace(fed_of(np.clip(scores, -3, 3)), at_bound=40)
    verdict = judge(found, {"x": fed_of(scores), "y": y})
    assert verdict.blessed
    assert [(each.fault, each.feature) for each in verdict.warnings] == [
        ("exploding_feature", "x"),
        ("clipped_share", "y"),
    ]
    assert judge(found, {"x": fed_of(scores), "y": y}, limits=FedLimits(far=55, clipped=0.02)).warnings == ()
