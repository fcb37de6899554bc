"""ParityCheck between a Trainer's model and the Pusher, run by TFX: what is wrong is not pushed."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, write_records
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, TransformGraph

from components import FrozenTransform, NormalizingTransform, ParityCheck
from components.artifacts import read_verdict
from components.trainer.model import ModelSpec, build_model
from components.trainer.serving import export
from components.verdict import CheckFailedError

pytestmark = pytest.mark.beam

SCHEMA = "".join(
    (
        feature("x", "FLOAT", "z_score"),
        feature("y", "FLOAT", "z_score"),
        feature("late", "INT", "label", shape=""),
    )
)
PLAN = plan_of(SCHEMA)
ROWS = [{"x": float(at % 7), "y": 100.0 - at, "late": at % 2} for at in range(40)]


@component
def UntrainedModel(transform_graph: InputArtifact[TransformGraph], model: OutputArtifact[Model], order: Parameter[str]):
    """A model whose signatures normalize; ``order`` is "right", or "permuted" where x is served as y."""
    frozen = FrozenTransform.load(transform_graph.uri)
    graph = frozen.graph
    if order == "permuted":
        graph = dataclasses.replace(graph, outputs={**graph.outputs, "x": graph.outputs["y"], "y": graph.outputs["x"]})
    network = build_model(ModelSpec(frozen.constants, "binary", 0.01, (2,), 0.0))
    network({"x": tf.zeros([1]), "y": tf.zeros([1])})
    serving = FrozenTransform(graph)
    export(network, serving, "binary", f"{model.uri}/Format-Serving", f"{model.uri}/files")


def pipeline_of(folder: Path, order: str) -> Any:
    examples = tfx.dsl.Importer(
        source_uri=str(folder / "examples"),
        artifact_type=tfx.types.standard_artifacts.Examples,
        properties={"split_names": '["train", "eval"]'},
    ).with_id("Examples")
    schema = tfx.components.ImportSchemaGen(schema_file=str(folder / "schema.pbtxt"))
    transform = NormalizingTransform(
        examples=examples.outputs["result"],
        schema=schema.outputs["schema"],
        splits_config=tfx.proto.SplitsConfig(analyze=["train"]),
    )
    transform_graph = transform.outputs["transform_graph"]
    trainer = UntrainedModel(transform_graph=transform_graph, order=order)
    parity = ParityCheck(
        examples=examples.outputs["result"],
        schema=schema.outputs["schema"],
        transform_graph=transform_graph,
        model=trainer.outputs["model"],
        rows=20,
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "serving"))
        ),
    )
    pusher.add_upstream_node(parity)
    return tfx.dsl.Pipeline(
        pipeline_name="parity",
        pipeline_root=str(folder / "artifacts"),
        components=[examples, schema, transform, trainer, parity, pusher],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        ),
        beam_pipeline_args=["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"],
    )


def test_a_permuted_model_is_named_and_not_pushed_and_the_right_one_is(tmp_path: Path) -> None:
    for split in ("train", "eval"):
        (tmp_path / "examples" / f"Split-{split}").mkdir(parents=True)
        write_records(PLAN, ROWS, tmp_path / "examples" / f"Split-{split}" / "data.tfrecord.gz")
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    runner = tfx.orchestration.LocalDagRunner()
    with pytest.raises(CheckFailedError) as caught:
        runner.run(pipeline_of(tmp_path, "permuted"))
    verdict = caught.value.verdict
    assert verdict is not None
    found = {(finding.fault, finding.feature) for finding in verdict.findings}
    assert found == {("parity_serving", "x"), ("parity_serving", "y"), ("older_graph", "")}
    assert not (tmp_path / "serving").exists()

    runner.run(pipeline_of(tmp_path, "right"))
    (pushed,) = (tmp_path / "serving").iterdir()
    assert FrozenTransform.load(pushed).constants["x"].mean == sum(row["x"] for row in ROWS) / len(ROWS)
    (blessing,) = (tmp_path / "artifacts" / "ParityCheck" / "blessing").iterdir()
    blessed = read_verdict(str(blessing))
    assert blessed.blessed and blessed.figures["rows"] == 20
