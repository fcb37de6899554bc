"""RunReport's executor on artifacts made here: what it reads, what it says of what is not there, and Kubeflow."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from graph_tables import constants_of, feature, plan_of
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import v1 as tfx
from tfx.types import Channel, standard_artifacts

from components import FrozenTransform, RunReport, RunReportArtifact
from components.artifacts import CheckBlessing, write_verdict
from components.constants import NormalizationConstants
from components.report.collect import Sources, collect
from components.report.component import RunReportExecutor
from components.report.curves import training_curves
from components.transform.trace import frozen_graph
from components.verdict import Finding, Verdict

PLAN = plan_of(feature("x y", "FLOAT", "z_score"), feature("kind", "BYTES", "category"))
EPOCHS = {"train": [0.9, 0.5], "validation": [0.8, 0.6]}


def constants() -> NormalizationConstants:
    return constants_of(PLAN, [{"x y": float(n), "kind": b"a"} for n in range(4)])


def graph_at(folder: Path) -> str:
    FrozenTransform(frozen_graph(constants())).save(str(folder))
    return str(folder)


def statistics_at(folder: Path, split: str = "train") -> str:
    listed = statistics_pb2.DatasetFeatureStatisticsList()
    one = listed.datasets.add().features.add()
    one.path.step.append("x y")
    histogram = one.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    histogram.buckets.add(low_value=0, high_value=3, sample_count=4)
    (folder / f"Split-{split}").mkdir(parents=True)
    (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(listed.SerializeToString())
    return str(folder)


def logs_at(folder: Path, epochs: dict[str, list[float]] = EPOCHS, first: int = 0) -> str:
    for part, values in epochs.items():
        with tf.summary.create_file_writer(str(folder / part)).as_default():
            for epoch, value in enumerate(values, start=first):
                tf.summary.scalar("epoch_loss", value, step=epoch)
                tf.summary.scalar("epoch_learning_rate", 0.1, step=epoch)
                tf.summary.scalar("evaluation_loss_vs_iterations", value, step=10 * epoch)
    return str(folder)


def artifact(kind: Any, uri: str) -> Any:
    made = kind()
    made.uri = uri
    return made


def data_of(report: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', report.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    table: dict[str, Any] = json.loads(found[1])
    return table


def test_the_executor_puts_everything_on_one_page(tmp_path: Path) -> None:
    blessing = artifact(CheckBlessing, str(tmp_path / "audit"))
    write_verdict(blessing, Verdict("audit", figures={"features": {"x y": {"ulp": 0}}}))
    logs = logs_at(tmp_path / "logs")
    fed = Verdict(
        "fed", (), (Finding("odd", "looks odd", "x y"),), {"edges": [0, 1], "features": {"x_y": {"histogram": [7]}}}
    )
    (tmp_path / "logs" / "fed.json").write_text(fed.to_json())
    inputs = {
        "transform_graph": [artifact(standard_artifacts.TransformGraph, graph_at(tmp_path / "graph"))],
        "statistics": [artifact(standard_artifacts.ExampleStatistics, statistics_at(tmp_path / "statistics"))],
        "model_run": [artifact(standard_artifacts.ModelRun, logs)],
        "audit": [blessing],
    }
    node = RunReport(**{name: Channel(type=type(given[0])) for name, given in inputs.items()}, title="by hand")
    report = artifact(RunReportArtifact, str(tmp_path / "report"))
    RunReportExecutor().Do(inputs, {"report": [report]}, dict(node.spec.exec_properties))
    page = tmp_path / "report" / "report.html"
    data = data_of(page)
    numeric, words = data["features"]
    assert (numeric["name"], numeric["state"], words["state"]) == ("x y", "warning", "good")
    assert numeric["raw"] == {"edges": [0, 3], "counts": [4], "source": "StatisticsGen, split train"}
    assert numeric["normalized"]["counts"] == [7]
    assert [title for title, _ in numeric["measured"]] == ["Audit"]
    assert words["vocabulary"] == [["a", 4]]
    assert ["loss", "validation", [1, 2], pytest.approx(EPOCHS["validation"])] in data["curves"]
    for text in ("<h1>by hand</h1>", constants().digest, "No evaluation in this run."):
        assert text in page.read_text(encoding="utf-8")


def test_an_address_with_a_scheme_works_alike(tmp_path: Path) -> None:
    graph, statistics = graph_at(tmp_path / "graph"), statistics_at(tmp_path / "statistics")
    logs = logs_at(tmp_path / "logs")
    plain = collect(Sources(graph, statistics, logs), "x")
    assert collect(Sources(*(f"file://{path}" for path in (graph, statistics, logs))), "x") == plain
    assert plain.notes == ()


def test_what_cannot_be_read_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    graph = graph_at(tmp_path / "graph")
    text = (tmp_path / "graph" / "constants.json").read_text()
    (tmp_path / "graph" / "constants.json").write_text(
        text.replace('"rows": 4', '"rows": 5').replace('"mean": 1.5', '"mean": 2.5')
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "verdict.json").write_text("{")
    facts = collect(
        Sources(graph, str(tmp_path / "empty"), logs_at(tmp_path / "logs"), verdicts=(str(tmp_path),)), "broken"
    )
    said = "\n".join(facts.notes)
    for part in ("constants at", "statistics at", "no Split-*/FeatureStats.pb", "verdict at"):
        assert part in said
    assert (facts.constants, facts.features, facts.checks) == (None, (), ())
    assert len(facts.curves) == 2


def test_a_failed_check_of_what_was_fed_shows_it(tmp_path: Path) -> None:
    fault = Finding("fed_mean_off", "mean 3", "x y")
    fed = Verdict("fed", (fault,), (), {"edges": [0, 1], "features": {"x_y": {"histogram": [7]}}})
    facts = collect(Sources(graph_at(tmp_path / "graph"), failed=fed), "x")
    assert facts.checks == (fed,)
    assert facts.features[0].normalized is not None and facts.features[0].normalized.counts == (7.0,)


def test_the_training_split_is_shown_and_another_one_where_there_is_none(tmp_path: Path) -> None:
    both = statistics_at(tmp_path / "both", "eval")
    statistics_at(tmp_path / "both", "train")
    graph = graph_at(tmp_path / "graph")
    for folder, split in ((both, "train"), (statistics_at(tmp_path / "one", "a"), "a")):
        raw = collect(Sources(graph, folder), "x").features[0].raw
        assert raw is not None and raw.source == f"StatisticsGen, split {split}"


def test_of_a_resumed_training_the_last_value_of_an_epoch_counts(tmp_path: Path) -> None:
    logs_at(tmp_path, {"train": [0.9, 0.7]})
    logs_at(tmp_path, {"train": [0.6, 0.5]}, first=1)
    (curve,) = training_curves(str(tmp_path))
    assert (curve.metric, curve.part, curve.epochs) == ("loss", "train", (1, 2, 3))
    assert curve.values == pytest.approx((0.9, 0.6, 0.5))


@pytest.mark.beam
def test_kubeflow_compiles_it_with_and_without_what_is_optional(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    graph = tfx.dsl.Importer(source_uri="/graph", artifact_type=standard_artifacts.TransformGraph).with_id("Graph")
    found = tfx.dsl.Importer(source_uri="/stats", artifact_type=standard_artifacts.ExampleStatistics).with_id("Stats")
    audit = tfx.dsl.Importer(source_uri="/audit", artifact_type=CheckBlessing).with_id("Audit")
    both = graph.outputs["result"], found.outputs["result"]
    nodes = [RunReport(*both).with_id("Bare"), RunReport(*both, audit=audit.outputs["result"]).with_id("Audited")]
    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(default_image="image")
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config, output_dir=str(tmp_path), output_filename="job.json"
    )
    pipeline = tfx.dsl.Pipeline("report", str(tmp_path / "root"), components=[graph, found, audit, *nodes])
    runner.run(pipeline)
    steps = json.loads((tmp_path / "job.json").read_text())["pipelineSpec"]["components"]
    output = steps["Bare"]["outputDefinitions"]["artifacts"]["report"]["artifactType"]["instanceSchema"]
    assert "title: tfxnorm.RunReport" in output
    assert set(steps["Bare"]["inputDefinitions"]["artifacts"]) == {"transform_graph", "statistics"}
    assert "audit" in steps["Audited"]["inputDefinitions"]["artifacts"]


def test_kubeflow_finds_the_class_by_the_types_name() -> None:
    import tfxnorm

    assert getattr(tfxnorm, RunReportArtifact.TYPE_NAME.partition(".")[2]) is RunReportArtifact
