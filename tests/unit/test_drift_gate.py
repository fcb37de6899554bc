"""Which changes of constants are drift: samples of one population pass, changes are found by name."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from hand_constants import number, set_of, table_by_key, words

from components.constants import FeatureConstants, NormalizationConstants
from components.drift.compare import compare
from components.drift.gate import Limits, drift_verdict, find_drift
from components.moments import Moments

ROWS = 4000
Table = npt.NDArray[np.float32]


def measured(table: Table) -> NormalizationConstants:
    """The exact statistics of every column."""
    columns = [(f"x{i}", table[:, i]) for i in range(table.shape[1])]
    found = [(name, Moments.of(column)) for name, column in columns]
    return set_of(
        *(
            number(name, count=m.count, mean=m.mean, variance=m.variance, low=m.min, high=m.max, absent=0, nan=m.nan)
            for name, m in found
        ),
        rows=len(table),
    )


def table_of(random: np.random.Generator) -> Table:
    """Normal, log-normal, heavy-tailed, a rare event, one row that differs, and half NaN."""
    columns = [random.normal(5, 3, ROWS), random.lognormal(0, 2, ROWS), random.standard_t(2, ROWS)]
    columns += [random.random(ROWS) < 0.001, np.arange(ROWS) == 7, np.where(random.random(ROWS) < 0.5, np.nan, 1.5)]
    return np.stack(columns, axis=1).astype(np.float32)


def faults(before: FeatureConstants, after: FeatureConstants) -> set[str]:
    return {finding.fault for finding in find_drift(compare(set_of(before), set_of(after)), Limits())}


def test_bootstrap_resamples_pass_with_heavy_tails_and_rare_events() -> None:
    random = np.random.default_rng(7)
    table = table_of(random)
    before = measured(table)
    for _ in range(100):
        after = measured(table[random.integers(0, ROWS, ROWS)])
        assert drift_verdict(before, after, Limits(), "block").findings == ()


@pytest.mark.parametrize("factor", [0.01, 0.3, 0.5, 2.0, 10.0, 100.0])
@pytest.mark.parametrize("column", ["normal", "heavy"])
def test_another_sigma_at_the_same_mean_is_found_either_way(column: str, factor: float) -> None:
    random = np.random.default_rng(10)
    # Heavy like the delays of flights: sigma 40, a farthest value 30 sigmas away.
    values = {"normal": random.normal(5, 3, 16_000), "heavy": random.standard_t(3, 16_000)}[column]
    moved = (values - values.mean()) * factor + values.mean()
    before, after = (measured(side[:, np.newaxis].astype(np.float32)) for side in (values, moved))
    for sides in ((before, after), (after, before)):
        assert "sigma_ratio" in {found.fault for found in drift_verdict(*sides, Limits(), "block").findings}


@pytest.mark.parametrize("rows", [1, 3, 14])
@pytest.mark.parametrize("outlier", [999_999.0, 1e9, 1e30])
def test_outliers_do_not_excuse_themselves(rows: int, outlier: float) -> None:
    values = np.random.default_rng(11).normal(10, 3, (16_000, 1)).astype(np.float32)
    moved = values.copy()
    moved[:rows] = outlier
    before, after = measured(values), measured(moved)
    found = {finding.fault for finding in drift_verdict(before, after, Limits(), "block").findings}
    assert found == {"mean_shift", "sigma_ratio"}
    assert "sigma_ratio" in {finding.fault for finding in drift_verdict(after, before, Limits(), "block").findings}


def test_a_spread_that_is_gone_or_new_is_always_named() -> None:
    event = (np.arange(16_000) % 900 == 0).astype(np.float32)[:, np.newaxis]  # 18 rows, sigma 0.033
    sides = measured(event), measured(np.zeros_like(event))
    assert np.isclose(sides[0]["x0"].sigma, 0.033, atol=1e-3)
    for pair in (sides, sides[::-1]):
        (finding,) = drift_verdict(*pair, Limits(), "block").findings
        assert (finding.fault, finding.feature) == ("sigma_ratio", "x0")
    single = (np.arange(16_000) == 7).astype(np.float32)[:, np.newaxis]
    verdict = drift_verdict(measured(single), sides[1], Limits(), "block")
    assert [warning.fault for warning in verdict.warnings] == ["sigma_to_or_from_0"] and verdict.blessed


def test_a_category_that_is_gone_or_renamed_is_named_and_a_rare_one_may_be() -> None:
    carriers = {b"UA": 15_000, b"WN": 576, b"OO": 20}
    renamed = {b"UA": 15_000, b"W9": 576, b"HA": 20}
    verdict = drift_verdict(set_of(words("c", carriers)), set_of(words("c", renamed)), Limits(), "block")
    assert verdict.blessed
    assert [(each.fault, each.feature) for each in verdict.warnings] == [("gone_key", "c"), ("new_key", "c")]
    assert "key 'WN' has 3.69 %" in verdict.warnings[0].message


@pytest.mark.parametrize("column", [0, 1, 2])
def test_half_a_sigma_in_one_feature_is_found_in_every_resample(column: int) -> None:
    random = np.random.default_rng(8)
    table = table_of(random)
    before = measured(table)
    moved = table.copy()
    moved[:, column] += np.float32(0.5 * np.std(table[:, column].astype(np.float64)))
    for _ in range(30):
        found = drift_verdict(before, measured(moved[random.integers(0, ROWS, ROWS)]), Limits(), "block").findings
        assert ("mean_shift", f"x{column}") in {(finding.fault, finding.feature) for finding in found}


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (number(count=9000), number(count=9000, variance=4.0), "sigma_ratio"),
        (number(count=9000), number(count=9000, variance=0.25), "sigma_ratio"),
        (number(count=9000, variance=0.0, low=0, high=0), number(count=9000), "sigma_ratio"),
        (
            number(count=9, mean=1, variance=0.0, low=1, high=1),
            number(count=9, variance=0.0, low=0, high=0),
            "mean_shift",
        ),
        (number(count=9000), number(count=8000, absent=1000), "missing_rate"),
        (number(count=9000), number(count=8900, nan=100), "nonfinite_rate"),
        (number(), dataclasses.replace(number(), feature=number(role="min_max").feature), "role_changed"),
        (words("w", {b"a": 9000}), words("w", {b"a": 8000, b"b": 1000}), "new_keys"),
        (words("w", {b"a": 8000, b"b": 1000}), words("w", {b"a": 9000}), "gone_keys"),
        (words("w", {b"a": 8000, b"b": 1000}), words("w", {b"a": 4500, b"b": 4500}), "key_share"),
    ],
)
def test_each_change_is_found_by_name(before: FeatureConstants, after: FeatureConstants, fault: str) -> None:
    assert fault in faults(before, after)
    assert faults(before, before) == set()


def test_new_keys_that_sampling_explains_are_no_drift() -> None:
    random = np.random.default_rng(9)
    sides = []
    for _ in range(2):  # 30,000 names, each drawn about once: most are on one side only
        names, counts = np.unique(random.integers(0, 30_000, 20_000), return_counts=True)
        sides.append(words("w", {str(n).encode(): int(c) for n, c in zip(names, counts, strict=True)}))
    assert faults(*sides) == set()


def test_a_key_of_few_rows_is_not_judged_and_one_of_many_is() -> None:
    def keyed(n: int, mean: float) -> FeatureConstants:
        return number(by_key=table_by_key({b"k": (n, mean, 1.0)}), role="z_score_per_key", key="g")

    assert "mean_shift" not in faults(keyed(99, 0.0), keyed(99, 5.0))
    assert "mean_shift" in faults(keyed(100, 0.0), keyed(100, 5.0))


def test_features_on_one_side_are_named() -> None:
    comparison = compare(set_of(number("a")), set_of(number("b")))
    named = [finding.message for finding in find_drift(comparison, Limits(), ("A.json", "B.json"))]
    assert named == ["A.json has it and B.json does not.", "B.json has it and A.json does not."]
    found = find_drift(comparison, Limits())
    assert [(finding.fault, finding.feature) for finding in found] == [("feature_gone", "a"), ("feature_added", "b")]


def test_the_action_says_whether_drift_stops_the_run() -> None:
    sides = set_of(number(count=9000)), set_of(number(count=9000, mean=1.0))
    block, warn, off = (drift_verdict(*sides, Limits(), action) for action in ("block", "warn", "off"))
    assert [finding.fault for finding in block.findings] == ["mean_shift"]
    assert warn.blessed and warn.warnings == block.findings
    assert off.blessed and not off.warnings


def test_a_first_run_is_blessed_and_says_that_it_had_nothing_to_compare_with() -> None:
    verdict = drift_verdict(None, set_of(number()), Limits(), "block")
    assert verdict.blessed and verdict.figures["before"] is None


def test_a_limit_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"sigma_ratio must be finite and at least 1 but is 0\.5"):
        Limits(sigma_ratio=0.5)
