"""The audit finds each seeded fault by its name, and nothing in a right run."""

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, constants_of, feature, plan_of, write_records
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import FrozenTransform, NormalizationConstants
from components.audit.account import Shard
from components.audit.audit import Evidence, audit
from components.audit.statistics import compare_statistics
from components.constants import FeatureConstants
from components.feature_plan import Feature
from components.frozen.freeze import FrozenGraph
from components.transform.trace import frozen_graph
from components.verdict import Verdict

SCHEMA = (
    feature("x", "FLOAT", "z_score"),
    feature("w", "FLOAT", "z_score"),
    feature("n", "INT", "z_score"),
    feature("low", "FLOAT", "min_max"),
    feature("pair", "FLOAT", "z_score", shape="2"),
    feature("y", "INT", "label", shape=""),
)
PLAN = plan_of(*SCHEMA)
_RANDOM = np.random.default_rng(20130101)
TABLE: list[Row] = [
    {
        "x": None if i % 5 == 0 else float(np.float32(_RANDOM.normal(100, 7))),
        "w": float(np.float32(_RANDOM.lognormal())),
        "n": int(_RANDOM.integers(-1000, 10**9)),
        "low": float("nan") if i % 11 == 0 else float(np.float32(i / 3)),
        "pair": [float(np.float32(i / 7)), 5.0],
        "y": i % 2,
    }
    for i in range(1000)
]
# Shards of different sizes, so that a number of rows names one.
SHARDS, EVAL = [TABLE[:150], TABLE[150:420], TABLE[420:800]], TABLE[800:]
TRAIN = TABLE[:800]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    for at, rows in enumerate(SHARDS):
        write_records(PLAN, rows, folder / f"train-{at}.gz")
    return sorted(str(file) for file in folder.iterdir())


def statistics_of(rows: Sequence[Row]) -> statistics_pb2.DatasetFeatureStatistics:
    """What StatisticsGen would say, by NumPy: mean and deviation in float64."""
    dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=len(rows))
    for item in PLAN.normalized:
        values = np.ravel([row[item.name] for row in rows if row[item.name] is not None]).astype(np.float64)
        numbers = values[~np.isnan(values)]
        stats = dataset.features.add(name=item.name).num_stats
        stats.common_stats.tot_num_values = len(values)
        stats.common_stats.num_missing = sum(row[item.name] is None for row in rows)
        stats.mean, stats.std_dev = float(numbers.mean()), float(numbers.std())
        stats.min, stats.max = float(numbers.min()), float(numbers.max())
        stats.histograms.add(num_nan=int(np.isnan(values).sum()))
    return dataset


def verdict_of(files: list[str], graph: FrozenGraph, sample_bytes: int = 2**30) -> Verdict:
    statistics = {"train": [statistics_of(TRAIN)], "eval": [statistics_of(EVAL)]}
    shards = [Shard(file, "train", Path(file).stat().st_size) for file in files]
    return audit(FrozenTransform(graph), Evidence(shards, statistics, ["train"], sample_bytes, 0))


def faults_of(verdict: Verdict) -> set[tuple[str, str]]:
    return {(finding.fault, finding.feature) for finding in verdict.findings}


def with_feature(constants: NormalizationConstants, name: str, **changes: Any) -> NormalizationConstants:
    changed: FeatureConstants = dataclasses.replace(constants[name], **changes)
    return dataclasses.replace(constants, by_name={**constants.by_name, name: changed})


def with_constants(graph: FrozenGraph, change: Callable[[Any], Any]) -> FrozenGraph:
    """The graph with its float64 constants edited; the constants beside it are as they were."""
    edited = tf.compat.v1.GraphDef.FromString(graph.graph_def.SerializeToString())
    for node in edited.node:
        if node.op == "Const" and node.attr["dtype"].type == tf.float64.as_datatype_enum:
            value = change(np.array(tf.make_ndarray(node.attr["value"].tensor)))
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return dataclasses.replace(graph, graph_def=edited)


def replaced(value: Any, old: float, new: float) -> Any:
    return np.where(value == old, new, value)


def test_a_right_graph_is_blessed_and_says_what_was_compared(files: list[str]) -> None:
    verdict = verdict_of(files, frozen_graph(constants_of(PLAN, TRAIN)))
    assert verdict.findings == ()
    assert verdict.figures["complete"]
    assert verdict.figures["rows_recounted"] == 800
    features = verdict.figures["features"]
    assert {name for name in features if features[name]["recounted"]} == {"x", "w", "n", "low", "pair", "y"}
    assert {name: features[name].get("statistics_gen") for name in features} == {
        **dict.fromkeys(("x", "w", "n", "low"), "compared"),
        "pair": "by element",
        "y": None,
    }
    assert all(features[name]["max_ulp"] <= 1 for name in features if name != "y")


def test_the_verdict_has_the_numbers_of_both_sides_and_their_tolerance(files: list[str]) -> None:
    verdict = verdict_of(files, frozen_graph(constants_of(PLAN, TRAIN)))
    numbers = verdict.figures["features"]["w"]["numbers"]
    values = np.array([row["w"] for row in TRAIN], np.float64)
    assert numbers["count"]["stated"] == numbers["count"]["recounted"] == 800
    assert numbers["max"]["stated"] == numbers["max"]["statistics_gen"] == values.max()
    mean = numbers["mean"]
    assert mean["stated"] == mean["recounted"] == pytest.approx(values.mean(), rel=1e-14)
    assert mean["statistics_gen"] == values.mean()
    assert mean["difference"] == abs(mean["stated"] - mean["statistics_gen"]) <= mean["tolerance"] < 1e-11
    assert "numbers" not in verdict.figures["features"]["pair"]  # two statistics


def test_without_a_sample_nothing_is_recounted_and_the_verdict_says_so(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    verdict = verdict_of(files, frozen_graph(constants), sample_bytes=0)
    assert verdict.blessed
    assert verdict.figures["shards_recounted"] == 0
    assert not verdict.figures["features"]["x"]["recounted"]
    # StatisticsGen's numbers are compared still.
    wrong = with_feature(constants, "w", mean=constants["w"].mean * 1.001)
    assert faults_of(verdict_of(files, frozen_graph(wrong), sample_bytes=0)) == {("not_exact", "w")}


@pytest.mark.parametrize("name", ["x", "n"])
@pytest.mark.parametrize("which", ["mean", "scale"])
def test_one_constant_changed_by_one_ulp_with_a_renewed_sha(
    name: str, which: str, files: list[str], tmp_path: Path
) -> None:
    constants = constants_of(PLAN, TRAIN)
    old = float(constants[name].mean) if which == "mean" else 1.0 / float(constants[name].sigma)
    graph = with_constants(frozen_graph(constants), lambda v: replaced(v, old, np.nextafter(old, np.inf)))
    FrozenTransform(graph).save(tmp_path)  # states the SHA-256 of the edited graph
    faults = faults_of(verdict_of(files, FrozenTransform.load(tmp_path).graph))
    assert ("constant_changed", name) in faults
    assert {feature for _, feature in faults} == {name}


@pytest.mark.parametrize(("epsilon", "faults"), [(1e-3, {"constant_changed", "formula_changed"}), (1e-12, None)])
def test_epsilon_in_the_graph_only(epsilon: float, faults: set[str] | None, files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    sigma = float(constants["x"].sigma)
    graph = with_constants(frozen_graph(constants), lambda v: replaced(v, 1.0 / sigma, 1.0 / (sigma + epsilon)))
    expected = faults or {"constant_changed"}
    assert faults_of(verdict_of(files, graph)) == {(fault, "x") for fault in expected}


def test_an_operation_with_an_epsilon_of_its_own_in_the_graph(files: list[str]) -> None:
    graph = frozen_graph(constants_of(PLAN, TRAIN))
    edited = tf.compat.v1.GraphDef.FromString(graph.graph_def.SerializeToString())
    (scores,) = [node for node in edited.node if node.op == "Mul" and node.name == "mul"]
    shift = edited.node.add(name="epsilon", op="Const")
    shift.attr["dtype"].type = tf.float64.as_datatype_enum
    shift.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float64(1e-12)))
    added = edited.node.add(name="shifted", op="AddV2", input=[scores.input[0], "epsilon"])
    added.attr["T"].type = tf.float64.as_datatype_enum
    scores.input[0] = "shifted"
    faults = faults_of(verdict_of(files, dataclasses.replace(graph, graph_def=edited)))
    assert ("formula_changed", "x") in faults
    assert {fault for fault, _ in faults} == {"formula_changed"}


def test_mean_and_variance_swapped_in_the_graph(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    own = constants["x"]
    wrong = with_feature(constants, "x", mean=own.variance, variance=own.mean)
    graph = dataclasses.replace(frozen_graph(wrong), constants=constants)
    assert faults_of(verdict_of(files, graph)) == {("mean_variance_swapped", "x"), ("formula_changed", "x")}


def test_mean_and_variance_swapped_by_the_analysis(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    own = constants["x"]
    wrong = with_feature(constants, "x", mean=own.variance, variance=own.mean)
    assert faults_of(verdict_of(files, frozen_graph(wrong))) == {("mean_variance_swapped", "x")}


def test_the_sample_variance(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    n = int(constants["w"].count)
    wrong = with_feature(constants, "w", variance=constants["w"].variance * n / (n - 1))
    assert faults_of(verdict_of(files, frozen_graph(wrong))) == {("sample_variance", "w")}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (TRAIN + EVAL, "statistics_of_other_splits"),
        (SHARDS[0] + SHARDS[2], "shard_left_out"),
        (TRAIN + SHARDS[1], "shard_read_twice"),
        (TRAIN[1:], "rows_differ"),
    ],
    ids=["train + eval", "a shard left out", "a shard read twice", "a row left out"],
)
def test_other_rows_than_the_split(rows: list[Row], fault: str, files: list[str]) -> None:
    verdict = verdict_of(files, frozen_graph(constants_of(PLAN, rows)))
    assert faults_of(verdict) == {(fault, ""), ("rows_differ", "")}


def test_a_shard_left_out_is_found_where_the_rows_are_stated_right(files: list[str]) -> None:
    wrong = dataclasses.replace(constants_of(PLAN, SHARDS[0] + SHARDS[2]), rows=800)
    assert ("shard_left_out", "x") in faults_of(verdict_of(files, frozen_graph(wrong)))


def test_a_graph_that_hands_infinity_through(files: list[str]) -> None:
    """IsFinite(x) is made x == x, which only an infinity tells from it."""
    graph = frozen_graph(constants_of(PLAN, TRAIN))
    edited = tf.compat.v1.GraphDef.FromString(graph.graph_def.SerializeToString())
    tests = [node for node in edited.node if node.op == "IsFinite"]
    assert tests
    for node in tests:
        node.op = "Equal"
        node.input.append(node.input[0])
    verdict = verdict_of(files, dataclasses.replace(graph, graph_def=edited))
    assert {("formula_changed", "x"), ("formula_changed", "pair")} <= faults_of(verdict)


def test_an_account_that_was_lost(files: list[str]) -> None:
    """NormalizingTransform's constants name their schema, the stock Transform's do not."""
    constants = constants_of(PLAN, TRAIN)
    ours = constants.with_provenance(dataclasses.replace(constants.provenance, schema_digest="1f"))
    assert faults_of(verdict_of(files, frozen_graph(ours))) == {("account_missing", "")}


def test_features_permuted_by_the_analysis(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    plan: dict[str, Feature] = {item.name: item for item in PLAN.features}
    swapped = {
        **constants.by_name,
        "x": dataclasses.replace(constants["w"], feature=plan["x"]),
        "w": dataclasses.replace(constants["x"], feature=plan["w"]),
    }
    faults = faults_of(verdict_of(files, frozen_graph(dataclasses.replace(constants, by_name=swapped))))
    assert {("features_permuted", "x"), ("features_permuted", "w")} <= faults


def test_features_permuted_in_the_graph(files: list[str]) -> None:
    graph = frozen_graph(constants_of(PLAN, TRAIN))
    outputs = {**graph.outputs, "x": graph.outputs["w"], "w": graph.outputs["x"]}
    faults = faults_of(verdict_of(files, dataclasses.replace(graph, outputs=outputs)))
    assert faults == {("features_permuted", "x"), ("features_permuted", "w")}


def test_missing_values_filled_with_zero_before_the_statistics(files: list[str]) -> None:
    filled = [{**row, "x": 0.0 if row["x"] is None else row["x"]} for row in TRAIN]
    faults = faults_of(verdict_of(files, frozen_graph(constants_of(PLAN, filled))))
    assert faults == {("missing_filled_before_statistics", "x")}


def test_sums_in_float32(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    values = np.array([row["x"] for row in TRAIN if row["x"] is not None], np.float32)
    total = np.cumsum(values, dtype=np.float32)[-1]
    squares = np.cumsum(values * values, dtype=np.float32)[-1]
    mean = total / np.float32(len(values))
    wrong = with_feature(
        constants,
        "x",
        mean=np.asarray(mean, np.float64),
        variance=np.asarray(squares / np.float32(len(values)) - mean * mean, np.float64),
    )
    faults = faults_of(verdict_of(files, frozen_graph(wrong)))
    assert faults == {("not_exact", "x")}


def test_a_mean_that_is_one_ulp_off_the_data(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    wrong = with_feature(constants, "n", mean=np.nextafter(constants["n"].mean, np.inf))
    assert faults_of(verdict_of(files, frozen_graph(wrong))) == {("not_exact", "n")}


def test_the_recount_is_exact_arithmetic(files: list[str]) -> None:
    """Mean and variance by rational numbers from the rows themselves."""
    from components.audit.shards import count_shards

    counts = count_shards(files, constants_of(PLAN, TRAIN)).features
    for name in ("x", "w", "n"):
        values = [Fraction(row[name]) for row in TRAIN if row[name] is not None]
        mean = sum(values) / len(values)
        assert counts[name].statistics[0].mean == mean
        assert counts[name].statistics[0].variance == sum((value - mean) ** 2 for value in values) / len(values)


def test_a_sample_of_shards_is_drawn_by_the_seed_and_bounds_the_extremes(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN)
    assert verdict_of(files, frozen_graph(constants), sample_bytes=1).figures["shards_recounted"] == 1
    wrong = with_feature(constants, "w", max=constants["w"].min)
    faults = faults_of(verdict_of(files, frozen_graph(wrong), sample_bytes=1))
    assert faults == {("statistics_differ", "w")}


def test_pinned_constants_are_held_against_the_graph_only(files: list[str]) -> None:
    constants = constants_of(PLAN, TRAIN[:100])
    pinned = constants.with_provenance(dataclasses.replace(constants.provenance, source="elsewhere"))
    verdict = verdict_of(files, frozen_graph(pinned))
    assert verdict.blessed
    assert "only the graph" in verdict.figures["data"]


def test_statistics_gen_may_differ_by_its_own_rounding_only() -> None:
    constants = constants_of(PLAN, TRAIN)
    statistics = statistics_of(TRAIN)
    stats = next(item for item in statistics.features if item.name == "w").num_stats
    stats.mean *= 1 + 1e-15
    assert compare_statistics(constants, [statistics]).findings == ()
    stats.mean *= 1 + 1e-9
    (finding,) = compare_statistics(constants, [statistics]).findings
    assert (finding.fault, finding.feature) == ("not_exact", "w")
    assert "mean" in finding.message
