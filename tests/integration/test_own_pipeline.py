"""The components in somebody else's pipeline: README's example as it stands, and a project made from TFX's template."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.beam

REPOSITORY = Path(__file__).parents[2]
ROWS = 400

SCHEMA = """
feature { name: "distance" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "z_score" } }
feature { name: "gust" type: FLOAT value_count { min: 1 max: 1 }
  annotation { tag: "z_score" tag: "missing=indicator" } }
feature { name: "carrier" type: BYTES shape {} presence { min_fraction: 1 } annotation { tag: "category" } }
feature { name: "late" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "label" }
  not_in_environment: "SERVING" }
"""

# Runs where the current folder is a project of TFX's template, whose own packages come first.
TEMPLATE_PIPELINE = """
import json, os, sys
sys.path.insert(0, os.getcwd())
import pipeline, pipeline.configs, models.preprocessing
assert pipeline.__file__.startswith(os.getcwd()), pipeline.__file__
from tfx import v1 as tfx
from components import ArrowExampleGen, FeaturePlan
from schemas.loader import load_schema

plan = FeaturePlan.from_schema(load_schema(os.environ["SCHEMA"]))
training = {"task": "binary", "model": "components.trainer.model:build_model", "epochs": 1, "batch_size": 64,
            "learning_rate": 0.01, "hidden_units": [4], "dropout": 0.0, "seed": 1}
example_gen = ArrowExampleGen(input_base=os.environ["DATA"], schema_uri=os.environ["SCHEMA"])
schema = tfx.components.ImportSchemaGen(schema_file=os.environ["SCHEMA"])
transform = tfx.components.Transform(
    examples=example_gen.outputs["examples"], schema=schema.outputs["schema"], materialize=False,
    disable_statistics=True, preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
    custom_config={"feature_plan": plan.to_json()})
trainer = tfx.components.Trainer(
    run_fn="components.trainer.run_fn.run_fn", examples=example_gen.outputs["examples"],
    transform_graph=transform.outputs["transform_graph"], schema=schema.outputs["schema"],
    train_args=tfx.proto.TrainArgs(splits=["train"]), eval_args=tfx.proto.EvalArgs(splits=["eval"]),
    custom_config={"training": json.dumps(training)})
examples = example_gen.outputs["examples"]
statistics = tfx.components.StatisticsGen(examples=examples)
root = os.environ["ROOT"]
pusher = tfx.components.Pusher(
    model=trainer.outputs["model"], push_destination=tfx.proto.PushDestination(
        filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{root}/serving")))
README_S_CHECKS
tfx.orchestration.LocalDagRunner().run(tfx.dsl.Pipeline(
    pipeline_name=pipeline.configs.PIPELINE_NAME, pipeline_root=root,
    components=[example_gen, statistics, schema, transform, trainer, pusher, *checks],
    metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{root}/metadata.db"),
    beam_pipeline_args=["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]))
assert sys.modules["pipeline"].__file__.startswith(os.getcwd())
"""


def blocks_of_readme() -> dict[str, str]:
    """The Python blocks that README marks for a test, by the mark's first words."""
    text = (REPOSITORY / "README.md").read_text()
    return dict(re.findall(r"<!-- test: ([\w ]+)[^>]*-->\n```python\n(.*?)```", text, re.DOTALL))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """DATA, a folder of one CSV file, and SCHEMA."""
    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(2)
    lines = ["distance,gust,carrier,late"]
    for i in range(ROWS):
        gust = "" if i % 4 == 0 else f"{random.normal(20, 5):.3f}"
        lines.append(f"{random.integers(100, 3000)},{gust},{'UA' if i % 3 else 'B6'},{i % 2}")
    (folder / "data").mkdir()
    (folder / "data" / "flights.csv").write_text("\n".join(lines) + "\n")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    return {"DATA": str(folder / "data"), "SCHEMA": str(folder / "schema.pbtxt")}


def newest(root: str, component: str, output: str) -> str:
    (found,) = Path(root, component, output).iterdir()
    return str(found)


def child(code: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    # The venv's own interpreter sees the installed distribution; nothing here points at the checkout.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**clean, **environment}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def readme_run(inputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What README's two examples leave in their variables, run one after the other in one process."""
    blocks = blocks_of_readme()
    assert set(blocks) >= {"own pipeline", "own dataset"}
    root = tmp_path_factory.mktemp("root")
    report = (
        "import glob, json, os\n"
        "DATA, SCHEMA, ROOT = (os.environ[name] for name in ('DATA', 'SCHEMA', 'ROOT'))\n"
        f"{blocks['own pipeline']}\n"
        "(TRANSFORM_GRAPH,) = glob.glob(f'{ROOT}/NormalizingTransform/transform_graph/*')\n"
        "FILES = glob.glob(f'{ROOT}/ArrowExampleGen/examples/*/Split-train/*')[0]\n"
        f"{blocks['own dataset']}\n"
        "(features, label) = next(iter(batches))\n"
        "with open(f'{ROOT}/report.json', 'w') as file:\n"
        "    json.dump({'constants': json.loads(frozen.constants.to_json()), 'captured': len(frozen.captured_inputs),\n"
        "               'shapes': {name: value.shape.as_list() for name, value in features.items()},\n"
        "               'means': {name: float(value.numpy().mean()) for name, value in features.items()},\n"
        "               'labels': sorted(set(label.numpy().tolist()))}, file)\n"
    )
    process = child(report, {**inputs, "ROOT": str(root)}, tmp_path_factory.mktemp("empty"))
    assert process.returncode == 0, process.stderr[-4000:]
    found: dict[str, Any] = json.loads((root / "report.json").read_text())
    return {**found, "root": str(root), "stdout": process.stdout}


def test_readmes_pipeline_analyses_the_training_split(readme_run: dict[str, Any]) -> None:
    rows = readme_run["constants"]["rows"]
    assert 0.7 * ROWS < rows < 0.9 * ROWS
    by_name = {item["name"]: item for item in readme_run["constants"]["features"]}
    assert by_name["distance"]["count"] == rows
    assert by_name["gust"]["count"] + by_name["gust"]["missing"] == rows
    assert by_name["gust"]["missing"] > 0
    assert [key for key, _ in by_name["carrier"]["vocabulary"]] == ["UA", "B6"]
    assert readme_run["captured"] == 0


def test_readmes_data_set_gives_normalized_batches(readme_run: dict[str, Any]) -> None:
    rows = readme_run["constants"]["rows"]
    assert readme_run["shapes"] == {name: [rows] for name in ("distance", "gust", "gust_missing", "carrier")}
    assert readme_run["labels"] == [0, 1]
    # The batch is the whole training split, so its z-scores have mean 0.
    assert abs(readme_run["means"]["distance"]) < 1e-6
    assert "distance z_score" in readme_run["stdout"]


def test_readmes_pipeline_materializes_nothing(readme_run: dict[str, Any]) -> None:
    assert not Path(readme_run["root"], "NormalizingTransform", "transformed_examples").exists()


def test_readmes_example_is_about_as_short_as_it_says() -> None:
    statements = len(re.findall(r"^\S", blocks_of_readme()["own pipeline"], re.MULTILINE))
    assert statements <= 25


def test_the_components_work_in_a_project_made_from_the_template(inputs: dict[str, str], tmp_path: Path) -> None:
    """Such a project has a top-level package ``pipeline`` of its own, which hides ours."""
    tfx = Path(sys.executable).with_name("tfx")
    if not tfx.exists():
        pytest.skip("TFX's command line is not beside this interpreter")
    copied = subprocess.run(
        [
            str(tfx),
            "template",
            "copy",
            "--pipeline_name=mine",
            f"--destination_path={tmp_path / 'mine'}",
            "--model=taxi",
        ],
        capture_output=True,
        text=True,
    )
    assert copied.returncode == 0, copied.stderr[-2000:]
    assert (tmp_path / "mine" / "pipeline" / "configs.py").exists()
    code = TEMPLATE_PIPELINE.replace("README_S_CHECKS", blocks_of_readme()["own checks"])
    # ParityCheck sends rows without a value; of a dense column of whole numbers the stock Transform's graph takes none.
    optional = 'name: "distance" type: INT value_count { min: 1 max: 1 }'
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(SCHEMA.replace('name: "distance" type: INT shape {}', optional))
    process = child(code, {**inputs, "SCHEMA": str(schema), "ROOT": str(tmp_path / "root")}, tmp_path / "mine")
    assert process.returncode == 0, process.stderr[-4000:]
    graph = newest(str(tmp_path / "root"), "Transform", "transform_graph")
    model = newest(str(tmp_path / "root"), "Trainer", "model")
    assert Path(graph, "transform_fn", "saved_model.pb").exists()
    assert Path(model, "Format-Serving", "saved_model.pb").exists()
    for component, check in (("ConstantsAudit", "audit"), ("DriftGate", "drift"), ("ParityCheck", "parity")):
        verdict = json.loads(Path(newest(str(tmp_path / "root"), component, "blessing"), "verdict.json").read_text())
        assert (verdict["check"], verdict["blessed"]) == (check, True)
    report = Path(newest(str(tmp_path / "root"), "RunReport", "report"), "report.html").read_text()
    assert all(f"<strong>{title}</strong>" in report for title in ("Audit", "Drift", "Fed", "Parity"))
    assert report.count('<span class="state">not run</span>') == 1  # the evaluation


def test_the_gate_reads_what_the_validator_wrote_and_stops(tmp_path: Path) -> None:
    from tensorflow_metadata.proto.v0 import anomalies_pb2
    from tfx.types.artifact_utils import encode_split_names
    from tfx.types.standard_artifacts import ExampleAnomalies

    from components import AnomalyGate
    from components.anomalies.gate import AnomaliesError

    clean, broken = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    broken.anomaly_info["gust"].severity = anomalies_pb2.AnomalyInfo.ERROR
    for split, found in (("train", clean), ("eval", broken)):
        file = tmp_path / f"Split-{split}" / "SchemaDiff.pb"
        file.parent.mkdir()
        file.write_bytes(found.SerializeToString())

    def artifact(*splits: str) -> ExampleAnomalies:
        made = ExampleAnomalies()
        made.uri, made.split_names = str(tmp_path), encode_split_names(list(splits))
        return made

    AnomalyGate.test_call(anomalies=artifact("train"))
    with pytest.raises(AnomaliesError, match="eval: feature 'gust'"):
        AnomalyGate.test_call(anomalies=artifact("train", "eval"))
