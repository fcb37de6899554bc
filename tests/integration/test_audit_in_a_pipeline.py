"""ConstantsAudit in pipelines: behind our transform and the stock one, over several splits and artifacts, compiled."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_tables import Row, constants_of, feature, plan_of, write_records
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.channel import Channel
from tfx.utils import proto_utils

from components import ConstantsArtifact, ConstantsAudit, FrozenTransform, NormalizingTransform, ParityCheck
from components.artifacts import CheckBlessing
from components.rows_read import RowsRead
from components.transform import executor
from components.verdict import FILE_NAME, CheckFailedError

pytestmark = pytest.mark.beam

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
SCHEMA = (
    feature("x", "FLOAT", "z_score"),
    feature("n", "INT", "z_score", "log1p", shape=""),
    feature("by", "FLOAT", "z_score_per_key:word"),
    feature("word", "BYTES", "category"),
    feature("y", "INT", "label", shape=""),
)
PLAN = plan_of(*SCHEMA)
_RANDOM = np.random.default_rng(5)
ROWS: list[Row] = [
    {
        "x": None if i % 7 == 0 else float(np.float32(_RANDOM.normal(100, 9))),
        "n": int(_RANDOM.integers(0, 5000)),
        "by": float(np.float32(_RANDOM.normal())),
        "word": (b"a", b"bc", b"d")[i % 3],
        "y": i % 2,
    }
    for i in range(420)
]
# Two artifacts with two splits that are analysed and one that is not; shards of equal numbers of rows.
TABLES = [
    {"train": [ROWS[:60], ROWS[60:120]], "more": [ROWS[120:160]], "eval": [ROWS[160:200]]},
    {"train": [ROWS[200:260], ROWS[260:300]], "more": [ROWS[300:340]], "eval": [ROWS[340:400]]},
]
ANALYSED = [row for at in (0, 1) for split in ("train", "more") for shard in TABLES[at][split] for row in shard]


def statistics_of(rows: list[Row]) -> statistics_pb2.DatasetFeatureStatistics:
    """What StatisticsGen would say of x and by; n is a logarithm."""
    dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=len(rows))
    for name in ("x", "by"):
        values = np.array([row[name] for row in rows if row[name] is not None], np.float64)
        stats = dataset.features.add(name=name).num_stats
        stats.common_stats.tot_num_values = len(values)
        stats.mean, stats.std_dev, stats.min, stats.max = values.mean(), values.std(), values.min(), values.max()
    return dataset


def written_examples(folder: Path, tables: list[dict[str, list[list[Row]]]]) -> tuple[list[Any], list[Any]]:
    """Artifacts of examples and of their statistics."""
    examples, statistics = [], []
    for at, splits in enumerate(tables):
        data, found = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
        data.uri, found.uri = str(folder / f"examples-{at}"), str(folder / f"statistics-{at}")
        data.split_names = found.split_names = artifact_utils.encode_split_names(list(splits))
        for name, shards in splits.items():
            for place in (Path(data.uri), Path(found.uri)):
                (place / f"Split-{name}").mkdir(parents=True)
            for number, rows in enumerate(shards):
                # The second artifact's files are not compressed: they are read in ranges of bytes.
                write_records(PLAN, rows, Path(data.uri, f"Split-{name}", f"data-{number}{'' if at else '.gz'}"))
            everything = statistics_of([row for rows in shards for row in rows])
            text = statistics_pb2.DatasetFeatureStatisticsList(datasets=[everything]).SerializeToString()
            Path(found.uri, f"Split-{name}", "FeatureStats.pb").write_bytes(text)
        examples.append(data)
        statistics.append(found)
    return examples, statistics


def transformed(folder: Path, examples: list[Any]) -> Any:
    """The transform graph that NormalizingTransform makes of the splits train and more."""
    schema, graph, constants = standard_artifacts.Schema(), standard_artifacts.TransformGraph(), ConstantsArtifact()
    schema.uri, graph.uri, constants.uri = (str(folder / name) for name in ("schema", "graph", "constants"))
    Path(schema.uri).mkdir()
    Path(schema.uri, "schema.pbtxt").write_text("".join(SCHEMA))
    splits = tfx.proto.SplitsConfig(analyze=["train", "more"])
    node = NormalizingTransform(Channel(type=type(examples[0])), Channel(type=type(schema)), splits_config=splits)
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node.spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[RUNNER, "--sdk_container_image=unused"], tmp_dir=str(folder / "temp"), unique_id="1"
    )
    inputs = {standard_component_specs.EXAMPLES_KEY: examples, standard_component_specs.SCHEMA_KEY: [schema]}
    outputs = {standard_component_specs.TRANSFORM_GRAPH_KEY: [graph], executor.CONSTANTS: [constants]}
    executor.Executor(context).Do(inputs, outputs, properties)
    return graph


@dataclasses.dataclass(frozen=True)
class Run:
    examples: list[Any]
    statistics: list[Any]
    graph: Any


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    examples, statistics = written_examples(folder, TABLES)
    return Run(examples, statistics, transformed(folder, examples))


def audited(folder: Path, run: Run, split: str = "train,more") -> dict[str, Any]:
    """The verdict of a blessed audit."""
    blessing = CheckBlessing()
    blessing.uri = str(folder)
    ConstantsAudit.test_call(
        examples=run.examples, statistics=run.statistics, transform_graph=run.graph, blessing=blessing, split=split
    )
    found: dict[str, Any] = json.loads((folder / FILE_NAME).read_text())
    return found


def test_several_splits_of_several_artifacts_are_audited_together(run: Run, tmp_path: Path) -> None:
    verdict = audited(tmp_path, run)
    figures = verdict["figures"]
    assert verdict["blessed"]
    assert (figures["rows"], figures["rows_recounted"], figures["shards"]) == (300, 300, 6)
    assert figures["units_read"] == 6
    assert figures["features"]["x"]["numbers"]["mean"]["tolerance"] > 0
    assert {name: figures["features"][name].get("statistics_gen") for name in ("x", "n", "by")} == {
        "x": "compared",
        "n": "log1p",
        "by": "compared",
    }


def test_a_mean_changed_by_one_ulp_in_the_function_that_tf_transform_applies(run: Run, tmp_path: Path) -> None:
    """The frozen graph beside it is right."""
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(tmp_path / "graph")
    shutil.copytree(run.graph.uri, graph.uri)
    mean = float(FrozenTransform.load(run.graph.uri).constants["x"].mean)
    file = Path(graph.uri, "transform_fn", "saved_model.pb")
    old, new = np.float64(mean).tobytes(), np.nextafter(mean, np.inf).tobytes()
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(CheckFailedError, match="constant_changed: feature 'x': in transform_fn: "):
        audited(tmp_path, dataclasses.replace(run, graph=graph))


def test_one_of_two_analysed_splits_left_out_of_the_audit(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError, match="statistics_of_other_splits: the reader read"):
        audited(tmp_path, run, split="train")


def test_the_digest_does_not_change_when_evaluation_data_change(run: Run, tmp_path: Path) -> None:
    changed = [{**splits, "eval": [[{**row, "x": 1e9, "word": b"new"} for row in ROWS[:90]]]} for splits in TABLES]
    examples, statistics = written_examples(tmp_path, changed)
    other = Run(examples, statistics, transformed(tmp_path, examples))
    constants = FrozenTransform.load(other.graph.uri).constants
    assert constants.digest == FrozenTransform.load(run.graph.uri).constants.digest
    assert constants.digest == constants_of(PLAN, ANALYSED).digest
    accounts = [RowsRead.load(one.graph.uri) for one in (run, other)]
    assert accounts[0] == accounts[1]
    assert audited(tmp_path, other)["blessed"]


def test_a_shard_that_an_analysis_reads_in_the_place_of_another(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have as many rows, so that every number of rows is right; the reader's account names both for certain."""
    right = executor.analyzed_files

    def wrong(*args: Any) -> Any:
        files = dict(right(*args))
        first, second = [file for file in files["train"] if "examples-0" in file]
        files["train"] = [first if file == second else file for file in files["train"]]
        return files

    monkeypatch.setattr(executor, "analyzed_files", wrong)
    with pytest.raises(CheckFailedError) as failure:
        audited(tmp_path, dataclasses.replace(run, graph=transformed(tmp_path, run.examples)))
    verdict = failure.value.verdict
    assert verdict is not None
    certain = {f.fault: f.message for f in verdict.findings if f.fault in ("shard_left_out", "shard_read_twice")}
    assert "Split-train/data-0.gz" in certain["shard_read_twice"]
    assert "Split-train/data-1.gz" in certain["shard_left_out"]


def test_behind_the_stock_transform(tmp_path: Path) -> None:
    """Its graph is frozen on the fly; an analysis of train and eval is found."""
    (tmp_path / "data").mkdir()
    for split, rows in (("train", ROWS[:300]), ("eval", ROWS[300:])):
        write_records(PLAN, rows, tmp_path / "data" / f"{split}-0.gz")
    (tmp_path / "schema.pbtxt").write_text("".join(SCHEMA))
    patterns = [tfx.proto.Input.Split(name=name, pattern=f"{name}-*") for name in ("train", "eval")]

    def root(analysed: list[str]) -> Path:
        example_gen = tfx.components.ImportExampleGen(
            input_base=str(tmp_path / "data"), input_config=tfx.proto.Input(splits=patterns)
        )
        statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
        schema_gen = tfx.components.ImportSchemaGen(schema_file=str(tmp_path / "schema.pbtxt"))
        transform = tfx.components.Transform(
            examples=example_gen.outputs["examples"],
            schema=schema_gen.outputs["schema"],
            splits_config=tfx.proto.SplitsConfig(analyze=analysed),
            materialize=False,
            disable_statistics=True,
            preprocessing_fn=executor.PREPROCESSING_FN,
            custom_config={"feature_plan": PLAN.to_json()},
        )
        audit: Any = ConstantsAudit(
            examples=example_gen.outputs["examples"],
            statistics=statistics_gen.outputs["statistics"],
            transform_graph=transform.outputs["transform_graph"],
        )
        metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="audited",
                pipeline_root=str(tmp_path / "artifacts"),
                components=[example_gen, statistics_gen, schema_gen, transform, audit],
                enable_cache=True,
                metadata_connection_config=metadata,
                beam_pipeline_args=[RUNNER],
            )
        )
        return tmp_path / "artifacts"

    (blessing,) = (root(["train"]) / "ConstantsAudit" / "blessing").iterdir()
    verdict = json.loads((blessing / FILE_NAME).read_text())
    assert verdict["blessed"]
    assert "none was written" in verdict["figures"]["units_read"]
    assert verdict["figures"]["features"]["x"]["statistics_gen"] == "compared"
    assert all(verdict["figures"]["features"][name]["recounted"] for name in ("x", "n", "by", "word"))
    with pytest.raises(CheckFailedError, match="statistics_of_other_splits"):
        root(["train", "eval"])


def test_kubeflow_compiles_the_checks_of_one_s_own_pipeline(tmp_path: Path) -> None:
    pytest.importorskip("kfp", reason="KubeflowV2DagRunner needs kfp")
    from components import DriftGate, RunReport

    def imported(name: str, kind: Any) -> Any:
        return tfx.dsl.Importer(source_uri=f"/{name}", artifact_type=kind).with_id(name)

    types = standard_artifacts
    kinds = {"Data": types.Examples, "Schema": types.Schema, "Graph": types.TransformGraph, "Model": types.Model}
    sources = {name: imported(name, kind) for name, kind in kinds.items()}
    data, schema, graph, model = (source.outputs["result"] for source in sources.values())
    statistics = tfx.components.StatisticsGen(examples=data)
    found = statistics.outputs["statistics"]
    audit: Any = ConstantsAudit(examples=data, statistics=found, transform_graph=graph, split="train,more")
    parity: Any = ParityCheck(examples=data, schema=schema, transform_graph=graph, model=model)
    drift = DriftGate(transform_graph=graph, baseline="/baseline/constants.json", action="block")
    verdicts = {
        name: node.outputs["blessing"] for name, node in (("audit", audit), ("drift", drift), ("parity", parity))
    }
    report = RunReport(graph, found, **verdicts)
    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(default_image="image")
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config, output_dir=str(tmp_path), output_filename="job.json"
    )
    nodes = [*sources.values(), statistics, audit, parity, drift, report]
    runner.run(tfx.dsl.Pipeline("checks", str(tmp_path / "root"), components=nodes))
    job = json.loads((tmp_path / "job.json").read_text())["pipelineSpec"]
    tasks = job["root"]["dag"]["tasks"]
    assert {"ConstantsAudit", "ParityCheck", "DriftGate", "RunReport"} <= set(tasks)
    assert set(tasks["RunReport"]["inputs"]["artifacts"]) == {
        "transform_graph",
        "statistics",
        "audit",
        "drift",
        "parity",
    }
    for name in ("ConstantsAudit", "ParityCheck", "DriftGate"):
        output = job["components"][name]["outputDefinitions"]["artifacts"]["blessing"]["artifactType"]["instanceSchema"]
        assert "title: tfxnorm.CheckBlessing" in output
    executors = job["deploymentSpec"]["executors"]
    assert "components.audit.component" in json.dumps(executors[job["components"]["ConstantsAudit"]["executorLabel"]])
