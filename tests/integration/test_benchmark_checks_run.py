"""benchmarks/checks.py on real pipelines: a run is measured, and a run without checks has none."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_project
from tfx.dsl.compiler.compiler import Compiler

from pipeline import node_runner, run_report
from pipeline.config import load_config
from pipeline.definition import build_pipeline

pytestmark = pytest.mark.beam

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "checks.py"


@pytest.fixture
def checks() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_checks_run", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("with_checks", [True, False])
def test_every_component_the_report_and_the_run_are_measured(
    checks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_checks: bool
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.definition", tiny_project.definition())
    # The benchmark replaces these in a process of its own; here they come back.
    monkeypatch.setattr(run_report, "write_report", run_report.write_report)
    monkeypatch.setattr(node_runner, "NodeByNodeRunner", node_runner.NodeByNodeRunner)
    found = checks.run(str(tiny_project.write_project(tmp_path)), tmp_path / "root", with_checks)
    assert set(found) == {"First", "Middle", "Last", "run", *(["report"] if with_checks else [])}
    assert (tmp_path / "root" / "report.html").exists() == with_checks
    parts = sum(one["wall"] for name, one in found.items() if name != "run")
    assert 0 < parts <= found["run"]["wall"]


def test_without_checks_the_others_follow_each_other_as_before(checks: Any, tmp_path: Path) -> None:
    schema, config = tmp_path / "schema.pbtxt", tmp_path / "config.toml"
    schema.write_text(
        'feature { name: "x" type: FLOAT shape {} presence { min_fraction: 1 } annotation { tag: "z_score" } }\n'
        'feature { name: "y" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "label" } }\n'
    )
    config.write_text('[pipeline]\nname = "p"\ntask = "binary"\n[data]\npath = "x.csv"\nschema = "schema.pbtxt"\n')
    compiled = Compiler().compile(build_pipeline(load_config(config), tmp_path, str(schema), str(schema), "digest"))
    before = [node.pipeline_node.node_info.id for node in compiled.nodes]
    ran: list[Any] = []

    class Runner:
        def run_with_ir(self, pipeline: Any) -> None:
            ran.extend(node.pipeline_node for node in pipeline.nodes)

    checks.without_checks(Runner)().run_with_ir(compiled)
    assert set(before) - {node.node_info.id for node in ran} == {"ConstantsAudit", "DriftGate", "ParityCheck"}
    assert [node.node_info.id for node in ran] == [name for name in before if name not in checks.CHECKS]
    named = {name for node in ran for name in (*node.upstream_nodes, *node.downstream_nodes)}
    assert named and not named & set(checks.CHECKS)
