"""The audit recounts every kind of statistic by arithmetic of its own, and finds each seeded fault in one."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_tables import Row, constants_of, feature, plan_of, write_records

from components import NormalizationConstants
from components.audit.bounds import standard_errors
from components.audit.recount import Recounted, recount_findings
from components.audit.sample import sample_findings
from components.audit.shards import count_shards, sampled
from components.feature_plan import FeaturePlan
from components.verdict import Finding

ROLES = (
    feature("log", "FLOAT", "z_score", "log1p"),
    feature("counts", "INT", "z_score", "log1p"),
    feature("delay", "FLOAT", "z_score_per_key:carrier"),
    feature("few", "INT", "z_score_per_key:origin", "min_count=30"),
    feature("mid", "FLOAT", "robust"),
    feature("logmid", "FLOAT", "robust", "log1p"),
    feature("ranks", "INT", "robust", shape="2"),
    feature("many", "FLOAT", "z_score", shape="variable"),
    feature("carrier", "BYTES", "category"),
    feature("origin", "INT", "category"),
    feature("word", "BYTES", "label", shape=""),
)
PLAN = plan_of(*ROLES)
WEIGHTED = plan_of(*ROLES, feature("weight", "FLOAT", "weight", shape=""))
_RANDOM = np.random.default_rng(7)


def _float(value: float) -> float:
    return float(np.float32(value))


def _row(i: int) -> Row:
    x = _RANDOM.normal(size=6)
    return {
        "log": None if i % 9 == 0 else _float(math.expm1(abs(x[0]) * 3)),
        "counts": int(_RANDOM.integers(0, 10**6)),
        "delay": float("nan") if i % 13 == 0 else _float(x[1] * 40),
        "few": int(_RANDOM.integers(-(2**40), 2**40)),
        "mid": None if i % 6 == 0 else _float(x[2]),
        "logmid": _float(abs(x[3])),
        "ranks": [int(_RANDOM.integers(0, 9)), int(_RANDOM.integers(0, 2**62))],
        "many": [_float(value) for value in x[: i % 4]] or None,
        "carrier": None if i % 17 == 0 else (b"UA", b"B6", b"AA", b"\xc3\xa9")[int(x[4] ** 2) % 4],
        "origin": int(_RANDOM.integers(-3, 12)) if i % 200 else 77,
        "word": (b"no", b"yes")[i % 2],
        "weight": (0.0, 1.0, _float(0.1), 2.5)[i % 4],
    }


TABLE = [_row(i) for i in range(900)]
SHARDS = [TABLE[:300], TABLE[300:320], TABLE[320:]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    return [str(write_records(WEIGHTED, rows, folder / f"train-{at}.gz")) for at, rows in enumerate(SHARDS)]


def findings_of(files: Sequence[str], constants: NormalizationConstants) -> tuple[Finding, ...]:
    return recount_findings(constants, Recounted(count_shards(files, constants), len(files), {}))


def changed(constants: NormalizationConstants, name: str, **changes: Any) -> NormalizationConstants:
    wrong = dataclasses.replace(constants[name], **changes)
    return dataclasses.replace(constants, by_name={**constants.by_name, name: wrong})


@pytest.mark.parametrize("plan", [PLAN, WEIGHTED], ids=["plain", "weighted"])
def test_right_constants_of_every_role_are_what_the_shards_hold(plan: FeaturePlan, files: list[str]) -> None:
    constants = constants_of(plan, TABLE)
    assert findings_of(files, constants) == ()
    assert set(count_shards(files, constants).features) == set(constants)


@pytest.mark.parametrize("plan", [PLAN, WEIGHTED], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", ["log", "few", "mid", "many"])
@pytest.mark.parametrize("which", ["mean", "variance"])
def test_a_statistic_that_is_off_by_a_millionth_of_a_millionth(
    which: str, name: str, plan: FeaturePlan, files: list[str]
) -> None:
    constants = constants_of(plan, TABLE)
    wrong = changed(constants, name, **{which: getattr(constants[name], which) * (1 + 1e-12)})
    (finding,) = findings_of(files, wrong)
    assert (finding.fault, finding.feature) in {("not_exact", name), ("features_permuted", name)}


def test_logarithms_may_differ_by_the_rounding_of_two_libraries_only(files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    for factor, faults in ((1 + 2e-16, []), (1 + 1e-14, ["not_exact"])):
        near = changed(constants, "log", mean=constants["log"].mean * factor)
        assert [finding.fault for finding in findings_of(files, near)] == faults


def test_weights_left_out_of_the_statistics(files: list[str]) -> None:
    plain, weighted = constants_of(PLAN, TABLE), constants_of(WEIGHTED, TABLE)
    wrong = changed(weighted, "mid", mean=plain["mid"].mean, variance=plain["mid"].variance)
    assert [(finding.fault, finding.feature) for finding in findings_of(files, wrong)] == [("statistics_differ", "mid")]


def test_rows_of_weight_zero_that_were_counted(files: list[str]) -> None:
    weighted = constants_of(WEIGHTED, TABLE)
    wrong = changed(weighted, "counts", count=np.asarray(len(TABLE)))
    (finding,) = findings_of(files, wrong)
    assert (finding.fault, finding.feature) == ("statistics_differ", "counts")


@pytest.mark.parametrize(
    ("field", "fault"), [("mean", "not_exact"), ("variance", "not_exact"), ("min", "statistics_differ")]
)
def test_one_number_of_one_key(field: str, fault: str, files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    table = constants["delay"].by_key
    assert table is not None
    values = getattr(table, field).copy()
    values[1] = np.nextafter(values[1], np.inf)
    wrong = changed(constants, "delay", by_key=dataclasses.replace(table, **{field: values}))
    (finding,) = findings_of(files, wrong)
    assert (finding.fault, finding.feature) == (fault, "delay")
    assert str(table.keys[1]) in finding.message


def test_a_key_with_few_values_that_was_not_drawn_to_the_mean_of_all(files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    table = constants["few"].by_key
    assert table is not None
    own = [row["few"] for row in TABLE if row["origin"] == 77]
    assert 1 < len(own) < 30
    mean = table.mean.copy()
    mean[table.keys.index(b"77")] = sum(own) / len(own)
    wrong = changed(constants, "few", by_key=dataclasses.replace(table, mean=mean))
    assert [(finding.fault, finding.feature) for finding in findings_of(files, wrong)] == [("statistics_differ", "few")]


def test_a_key_that_the_table_lacks(files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    table = constants["delay"].by_key
    assert table is not None
    wrong = changed(constants, "delay", by_key=table.only(table.keys[1:]))
    (finding,) = findings_of(files, wrong)
    assert (finding.fault, finding.feature) == ("keys_differ", "delay")
    assert str(table.keys[0]) in finding.message


@pytest.mark.parametrize("name", ["mid", "logmid", "ranks"])
@pytest.mark.parametrize("quarter", [0, 1, 2])
def test_a_quartile_that_is_the_next_value_of_the_data(quarter: int, name: str, files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    own = constants[name]
    assert own.quartiles is not None
    at = (quarter, 1) if name == "ranks" else (quarter,)
    values = sorted(row[name][1] if name == "ranks" else row[name] for row in TABLE if row[name] is not None)
    values = np.log1p(values) if name == "logmid" else np.array(values, np.float64)
    quartiles = own.quartiles.copy()
    quartiles[at] = values[np.searchsorted(values, quartiles[at] * (1 + 1e-15)) + 1]
    (finding,) = findings_of(files, changed(constants, name, quartiles=quartiles))
    assert (finding.fault, finding.feature) == ("quartiles_differ", name)
    assert f"quartile {quarter + 1} " in finding.message


@pytest.mark.parametrize("name", ["carrier", "origin", "word"])
@pytest.mark.parametrize("change", ["a value less", "a count", "the order"])
def test_another_vocabulary_than_the_data_s(change: str, name: str, files: list[str]) -> None:
    constants = constants_of(PLAN, TABLE)
    vocabulary = list(constants[name].vocabulary)
    if change == "a value less":
        del vocabulary[0]
    elif change == "a count":
        vocabulary[-1] = (vocabulary[-1][0], vocabulary[-1][1] + 1)
    else:
        vocabulary[:2] = vocabulary[1::-1]
    (finding,) = findings_of(files, changed(constants, name, vocabulary=tuple(vocabulary)))
    assert (finding.fault, finding.feature) == ("vocabulary_differs", name)


SPREAD = plan_of(feature("x", "FLOAT", "z_score"), feature("w", "BYTES", "category"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[Row]]:
    """20 shards of rows in rising order, as of sorted data: the shards' means differ by much."""
    folder = tmp_path_factory.mktemp("parts")
    rows: list[Row] = [{"x": _float(i + _RANDOM.normal()), "w": b"ab"[i % 2 : i % 2 + 1]} for i in range(2000)]
    cut = [rows[at : at + 100] for at in range(0, 2000, 100)]
    return [str(write_records(SPREAD, r, folder / f"train-{i:02}")) for i, r in enumerate(cut)], rows


def sample_of(files: list[str], constants: NormalizationConstants, share: float, seed: int) -> tuple[Finding, ...]:
    size = sum(Path(file).stat().st_size for file in files)
    chosen = sampled(files, int(size * share), seed)
    assert len(chosen) < len(files)
    return sample_findings(constants, Recounted(count_shards(chosen, constants, by_shard=True), len(files), {}))


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_no_sample_of_the_shards_refuses_right_constants(share: float, parts: tuple[list[str], list[Row]]) -> None:
    files, rows = parts
    constants = constants_of(SPREAD, rows)
    assert [sample_of(files, constants, share, seed) for seed in range(3)] == [()] * 3


@pytest.mark.parametrize(("share", "sigmas"), [(0.1, 3.5), (0.6, 1.5)])
def test_a_grossly_wrong_mean_is_found_by_every_sample(
    share: float, sigmas: float, parts: tuple[list[str], list[Row]]
) -> None:
    files, rows = parts
    constants = constants_of(SPREAD, rows)
    own = constants["x"]
    wrong = changed(constants, "x", mean=own.mean + sigmas * own.sigma)
    for seed in range(2):
        (finding,) = sample_of(files, wrong, share, seed)
        assert (finding.fault, finding.feature) == ("statistics_differ", "x")
        assert "mean" in finding.message


def test_shards_that_are_alike_tell_the_mean_more_closely(tmp_path: Path) -> None:
    rows: list[Row] = [{"x": _float(_RANDOM.normal()), "w": b"a"} for _ in range(4000)]
    files = [str(write_records(SPREAD, rows[at::40], tmp_path / f"train-{at:02}")) for at in range(40)]
    constants = constants_of(SPREAD, rows)
    own = constants["x"]
    assert sample_of(files, constants, 0.5, 0) == ()
    # 20 of 40 shards of 100 values: the error of the mean is 0.016, and 11 of them are 0.17.
    (finding,) = sample_of(files, changed(constants, "x", mean=own.mean + 0.3 * own.sigma), 0.5, 0)
    assert "standard errors" in finding.message


def test_a_word_that_only_the_sample_has(parts: tuple[list[str], list[Row]]) -> None:
    files, rows = parts
    constants = constants_of(SPREAD, rows)
    wrong = changed(constants, "w", vocabulary=((b"a", 1000),))
    (finding,) = sample_of(files, wrong, 0.1, 0)
    assert "b'b'" in finding.message


def test_the_number_of_standard_errors_is_student_s() -> None:
    stats = pytest.importorskip("scipy.stats")
    for drawn in (4, 5, 8, 16, 30, 100):
        assert 0.95 < standard_errors(drawn) / stats.t.isf(1e-9, drawn - 1) < 1.5
    assert standard_errors(2) == math.inf


def test_no_bytes_are_no_sample() -> None:
    assert sampled(["a", "b"], 0, 0) == ()
