"""The report as the last step of the pipeline, as it is compiled for other orchestrators."""

from pathlib import Path

import pytest
from tfx.dsl.compiler.compiler import Compiler

from pipeline.config import load_config
from pipeline.definition import build_pipeline
from pipeline.report_step import with_report

pytestmark = pytest.mark.beam

SCHEMA = """
feature { name: "x" type: FLOAT shape {} presence { min_fraction: 1 } annotation { tag: "z_score" } }
feature { name: "y" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "label" } }
"""


def test_the_report_is_the_last_step_and_reads_what_every_other_left(tmp_path: Path) -> None:
    schema, config = tmp_path / "schema.pbtxt", tmp_path / "config.toml"
    schema.write_text(SCHEMA)
    config.write_text(
        '[pipeline]\nname = "p"\ntask = "binary"\n[data]\npath = "x.csv"\nformat = "csv"\nschema = "schema.pbtxt"\n'
    )
    built = build_pipeline(load_config(config), tmp_path, str(schema), str(schema), "digest-of-the-data")
    without = len(built.components)
    nodes = [node.pipeline_node for node in Compiler().compile(with_report(built)).nodes]
    report = nodes[-1]
    assert (report.node_info.id, len(nodes)) == ("RunReport", without + 1)
    assert "Pusher" in report.upstream_nodes  # a run that a check stops, stops before it
    read = {
        key: {channel.producer_node_query.id for channel in given.channels}
        for key, given in report.inputs.inputs.items()
    }
    assert read == {
        "transform_graph": {"NormalizingTransform"},
        "statistics": {"StatisticsGen"},
        "model_run": {"Trainer"},
        "evaluation": {"Evaluator"},
        "audit": {"ConstantsAudit"},
        "drift": {"DriftGate"},
        "parity": {"ParityCheck"},
    }
    assert report.parameters.parameters["title"].field_value.string_value == "p"
