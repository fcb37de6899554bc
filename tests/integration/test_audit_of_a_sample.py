"""A part of the shards: which faults of the statistics it finds, under which name, and that it lets right ones pass.

StatisticsGen has numbers of plain features only (`plain`, `other`); of the others nothing but the sample tells.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_tables import Row, constants_of, feature, plan_of, write_records
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import FrozenTransform, NormalizationConstants
from components.audit.account import Shard
from components.audit.audit import Evidence, audit
from components.audit.recount import Recounted
from components.audit.sample import sample_findings
from components.audit.shards import ShardCounts, count_shards, sampled
from components.transform.trace import frozen_graph

SCHEMA = (
    feature("plain", "FLOAT", "z_score"),
    feature("other", "FLOAT", "z_score"),
    feature("log", "FLOAT", "z_score", "log1p"),
    feature("keyed", "FLOAT", "z_score_per_key:word"),
    feature("mid", "FLOAT", "robust"),
    feature("pair", "FLOAT", "z_score", shape="2"),
    feature("tail", "FLOAT", "z_score", "log1p"),
    feature("word", "BYTES", "category"),
)
PLAN = plan_of(*SCHEMA)
SHARDS, DRAWN = 80, 0.6
STEPS = 0.4 * np.eye(3)
_RANDOM = np.random.default_rng(11)


def _row(i: int, day: float) -> Row:
    x = [float(np.float32(value)) for value in _RANDOM.normal(size=6)]
    return {
        "plain": None if i % 5 == 0 else 100 + 7 * x[0] + day,
        "other": 3 + x[1],
        "log": None if i % 4 == 0 else float(np.float32(np.exp(2 + x[2] / 2))),
        "keyed": x[3] * 2 + 10 * (i % 3),
        "mid": x[4],
        "pair": [x[5], 50 + 4 * x[0]],
        # As data are that hold a wrong number in one row of a thousand.
        "tail": 1e9 if i == 777 else float(np.float32(abs(x[1]))),
        "word": (b"a", b"b", b"c")[i % 3],
    }


TABLE = [_row(i, float(_RANDOM.normal()) if i % 50 == 0 else 0.0) for i in range(4000)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    size = len(TABLE) // SHARDS
    return [
        str(write_records(PLAN, TABLE[at * size : (at + 1) * size], folder / f"train-{at:03}")) for at in range(SHARDS)
    ]


@pytest.fixture(scope="module")
def right() -> NormalizationConstants:
    return constants_of(PLAN, TABLE)


def drawn(files: list[str], seed: int = 0) -> list[str]:
    chosen = sampled(files, int(DRAWN * sum(Path(file).stat().st_size for file in files)), seed)
    assert 0 < len(chosen) < len(files)
    return list(chosen)


def changed(constants: NormalizationConstants, name: str, **changes: Any) -> NormalizationConstants:
    wrong = dataclasses.replace(constants[name], **changes)
    return dataclasses.replace(constants, by_name={**constants.by_name, name: wrong})


def found(files: list[str], constants: NormalizationConstants, seed: int = 0) -> set[tuple[str, str]]:
    shards: ShardCounts = count_shards(drawn(files, seed), constants, by_shard=True)
    return {(f.fault, f.feature) for f in sample_findings(constants, Recounted(shards, len(files), {}))}


def statistics_of(rows: list[Row]) -> statistics_pb2.DatasetFeatureStatistics:
    dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=len(rows))
    for name in ("plain", "other", "mid"):
        values = np.float32([row[name] for row in rows if row[name] is not None]).astype(np.float64)
        stats = dataset.features.add(name=name).num_stats
        stats.common_stats.tot_num_values = len(values)
        stats.common_stats.num_missing = len(rows) - len(values)
        stats.mean, stats.std_dev = float(values.mean()), float(values.std())
        stats.min, stats.max = float(values.min()), float(values.max())
    return dataset


def swapped(constants: NormalizationConstants, name: str) -> NormalizationConstants:
    return changed(constants, name, mean=constants[name].variance, variance=constants[name].mean)


def permuted(constants: NormalizationConstants, one: str, other: str) -> NormalizationConstants:
    pair = {a: dataclasses.replace(constants[b], feature=constants[a].feature) for a, b in ((one, other), (other, one))}
    return dataclasses.replace(constants, by_name={**constants.by_name, **pair})


def filled(name: str) -> NormalizationConstants:
    return constants_of(PLAN, [{**row, name: 0.0 if row[name] is None else row[name]} for row in TABLE])


def sample_variance(constants: NormalizationConstants, name: str) -> NormalizationConstants:
    n = int(constants[name].count)
    return changed(constants, name, variance=constants[name].variance * n / (n - 1))


def in_float32(constants: NormalizationConstants, name: str) -> NormalizationConstants:
    return changed(constants, name, mean=np.asarray(constants[name].mean * (1 + 1e-6)))


def of_key(constants: NormalizationConstants, **changes: float) -> NormalizationConstants:
    """The second key's numbers times so much."""
    table = constants["keyed"].by_key
    assert table is not None
    arrays = {name: np.where(np.arange(3) == 1, by, 1.0) * getattr(table, name) for name, by in changes.items()}
    return changed(constants, "keyed", by_key=dataclasses.replace(table, **arrays))


@pytest.mark.parametrize("seed", range(3))
def test_right_constants_pass(seed: int, files: list[str], right: NormalizationConstants) -> None:
    assert found(files, right, seed) == set()


# What the whole verdict says, StatisticsGen included; None is what no sample can tell.
FAULTS = {
    "mean and variance swapped": (lambda c: swapped(c, "plain"), {("mean_variance_swapped", "plain")}),
    "swapped, of logarithms": (lambda c: swapped(c, "log"), {("mean_variance_swapped", "log")}),
    "features permuted": (
        lambda c: permuted(c, "plain", "other"),
        {("features_permuted", "plain"), ("features_permuted", "other")},
    ),
    "missing filled": (lambda _: filled("plain"), {("missing_filled_before_statistics", "plain")}),
    "missing filled, of logarithms": (lambda _: filled("log"), {("missing_filled_before_statistics", "log")}),
    "sample variance": (lambda c: sample_variance(c, "plain"), {("sample_variance", "plain")}),
    "sample variance, of logarithms": (lambda c: sample_variance(c, "log"), None),
    "float32": (lambda c: in_float32(c, "plain"), {("not_exact", "plain")}),
    "float32, of logarithms": (lambda c: in_float32(c, "log"), None),
    "train + eval": (lambda _: constants_of(PLAN, TABLE + TABLE[:700]), {("statistics_of_other_splits", "")}),
    "a shard left out": (lambda _: constants_of(PLAN, TABLE[: -len(TABLE) // SHARDS]), {("shard_left_out", "")}),
    "a shard twice": (lambda _: constants_of(PLAN, TABLE + TABLE[: len(TABLE) // SHARDS]), {("shard_read_twice", "")}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_by_name(fault: str, files: list[str], right: NormalizationConstants) -> None:
    change, expected = FAULTS[fault]
    wrong = change(right)
    size = int(DRAWN * sum(Path(file).stat().st_size for file in files))
    shards = [Shard(file, "train", Path(file).stat().st_size) for file in files]
    statistics = {"train": [statistics_of(TABLE)], "eval": [statistics_of(TABLE[:700])]}
    verdict = audit(FrozenTransform(frozen_graph(wrong)), Evidence(shards, statistics, ["train"], size, 0))
    assert not verdict.figures["complete"]
    faults = {(finding.fault, finding.feature) for finding in verdict.findings}
    # A number of rows alone is said beside its explanation.
    assert faults - {("rows_differ", "")} >= (expected or set())
    assert (faults == set()) == (expected is None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: of_key(c, mean=1.15), ("statistics_differ", "keyed")),
        (lambda c: of_key(c, variance=2.0), ("statistics_differ", "keyed")),
        (lambda c: of_key(c, variance=0.4), ("statistics_differ", "keyed")),
        (lambda c: changed(c, "log", variance=c["log"].variance * 1.8), ("statistics_differ", "log")),
        (lambda c: changed(c, "log", variance=c["log"].variance / 1.8), ("statistics_differ", "log")),
        (lambda c: changed(c, "log", mean=c["log"].mean + 0.4 * c["log"].sigma), ("statistics_differ", "log")),
        (lambda c: changed(c, "pair", mean=c["pair"].mean + np.array([0, 2.0])), ("statistics_differ", "pair")),
        (lambda c: changed(c, "pair", variance=c["pair"].variance * [2.0, 1]), ("statistics_differ", "pair")),
        *(
            (lambda c, q=q: changed(c, "mid", quartiles=c["mid"].quartiles + STEPS[q]), ("quartiles_differ", "mid"))
            for q in range(3)
        ),
    ],
    ids=[
        *("a key's mean", "a key's variance", "a key's small variance", "a variance", "a small variance", "a mean"),
        *("an element's mean", "an element's variance", "quartile 1", "quartile 2", "quartile 3"),
    ],
)  # fmt: skip
def test_numbers_that_only_the_sample_tells(
    change: Any, expected: tuple[str, str], files: list[str], right: NormalizationConstants
) -> None:
    assert found(files, change(right)) == {expected}


def test_a_key_that_is_not_stated(files: list[str], right: NormalizationConstants) -> None:
    table = right["keyed"].by_key
    assert table is not None
    assert found(files, changed(right, "keyed", by_key=table.only(table.keys[1:]))) == {("keys_differ", "keyed")}
