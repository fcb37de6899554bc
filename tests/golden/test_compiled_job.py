"""The job of the small flights pipeline as it is written, and what is true of it whatever it looks like."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli import main

pytestmark = pytest.mark.beam

REPOSITORY = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent
IMAGE = "registry.example/tfx-norm:1"
UPDATE = "UPDATE_GOLDEN"
# What changes with every edit of our code, or with the stack, and says nothing about the job.
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"tfx-\d+\.\d+\.\d+"), "tfx-<version>"),
    (re.compile(r'("tfx_(?:py_)?version": ")[^"]*'), r"\1<version>"),
)


def compile_job(out: Path, config: Path, *options: str) -> int:
    """The exit status of the verb, in this process: TFX is loaded once."""
    return main(["compile", str(config), "--out", str(out), "--image", IMAGE, *options])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled") / "out"
    assert compile_job(folder, REPOSITORY / "pipeline" / "flights_small.toml") == 0
    return folder


@pytest.fixture(scope="module")
def specs(out: Path) -> dict[str, Any]:
    job = json.loads((out / "flights-small.json").read_text())
    return {"vertex": job["pipelineSpec"], "kubeflow": yaml.safe_load((out / "flights-small.yaml").read_text())}


@pytest.mark.parametrize("name", ["flights-small.json", "flights-small.yaml"])
def test_the_job_is_the_golden_one(out: Path, name: str) -> None:
    text = (out / name).read_text()
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    if os.environ.get(UPDATE):
        (GOLDEN / name).write_text(text)
    expected = (GOLDEN / name).read_text()
    assert text == expected, f"{name} changed; if that is meant, {UPDATE}=1 writes tests/golden anew"


def test_the_folder_holds_the_two_files_and_nothing_else(out: Path) -> None:
    assert sorted(file.name for file in out.iterdir()) == ["flights-small.json", "flights-small.yaml"]
    assert [entry.name for entry in out.parent.iterdir()] == ["out"]


def test_both_files_parse_strictly(out: Path) -> None:
    """An unknown field is an error to json_format."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    job = json_format.Parse((out / "flights-small.json").read_text(), messages.PipelineJob())
    from_job = json_format.MessageToDict(job.pipeline_spec)
    for spec in (from_job, yaml.safe_load((out / "flights-small.yaml").read_text())):
        parsed = json_format.ParseDict(spec, messages.PipelineSpec())
        deployment = json_format.MessageToDict(parsed.deployment_spec)
        executors = json_format.ParseDict(deployment, messages.PipelineDeploymentConfig()).executors
        assert parsed.schema_version == "2.1.0"
        for name, task in parsed.root.dag.tasks.items():
            assert parsed.components[task.component_ref.name].executor_label in executors, name


def test_kfp_loads_the_yaml(out: Path) -> None:
    from kfp import components

    loaded = components.load_component_from_file(str(out / "flights-small.yaml"))
    assert loaded.name == "flights-small"
    assert loaded.component_spec.inputs["epochs"].default == 5
    assert all(given.optional for given in loaded.component_spec.inputs.values())


def test_every_check_is_a_step(specs: dict[str, Any]) -> None:
    for spec in specs.values():
        tasks = spec["root"]["dag"]["tasks"]
        assert {"AnomalyGate", "ConstantsAudit", "DriftGate", "ParityCheck", "Evaluator", "RunReport"} <= set(tasks)
        assert set(tasks["Pusher"]["dependentTasks"]) >= {"ParityCheck", "Evaluator"}


def test_kubeflow_is_given_nothing_that_it_cannot_run(specs: dict[str, Any]) -> None:
    spec = specs["kubeflow"]
    assert {kind for executor in spec["deploymentSpec"]["executors"].values() for kind in executor} == {"container"}
    for task in spec["root"]["dag"]["tasks"].values():
        for source in task.get("inputs", {}).get("parameters", {}).values():
            assert "componentInputParameter" in source or set(source["runtimeValue"]) == {"constant"}


def test_every_step_runs_our_entry_point_in_the_image(specs: dict[str, Any]) -> None:
    for spec in specs.values():
        for executor in spec["deploymentSpec"]["executors"].values():
            if "container" in executor:
                assert executor["container"]["image"] == IMAGE
                assert executor["container"]["command"] == ["python", "-m", "pipeline.kubeflow.entrypoint"]


def test_nothing_of_this_machine_is_in_the_job(out: Path) -> None:
    for file in out.iterdir():
        assert str(REPOSITORY) not in file.read_text()


def wide_project(folder: Path, features: int) -> Path:
    columns = "".join(
        f'feature {{ name: "a_rather_long_name_of_feature_{i}" type: FLOAT shape {{}} '
        'presence { min_fraction: 1 } annotation { tag: "z_score" tag: "unit=millimetre" } }\n'
        for i in range(features)
    )
    label = 'feature { name: "y" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "label" } }\n'
    (folder / "wide.pbtxt").write_text(columns + label)
    config = folder / "wide.toml"
    config.write_text(
        '[pipeline]\nname = "wide"\ntask = "binary"\n[data]\npath = "gs://b/*.csv"\nschema = "wide.pbtxt"\n'
        '[drift]\naction = "off"\n'
    )
    return config


def test_two_thousand_features_fit_into_what_linux_passes_to_a_step(tmp_path: Path) -> None:
    config = wide_project(tmp_path, 2000)
    assert compile_job(tmp_path / "out", config, "--param", "schema=gs://b/wide.pbtxt") == 0
    assert (tmp_path / "wide.pbtxt").stat().st_size > 128 * 1024
    for name in ("wide.json", "wide.yaml"):
        spec = yaml.safe_load((tmp_path / "out" / name).read_text())
        for argument in whole_arguments(spec.get("pipelineSpec", spec)):
            assert len(argument) < 32 * 1024  # a quarter of the limit: what stays is the same for any number


def whole_arguments(spec: dict[str, Any]) -> Iterator[str]:
    """Every argument of every step, its ExecutorInput included, with long URIs."""
    from pipeline.kubeflow.rehearsal.placeholders import filled

    for task in spec["root"]["dag"]["tasks"].values():
        component = spec["components"][task["componentRef"]["name"]]
        container = spec["deploymentSpec"]["executors"][component["executorLabel"]].get("container")
        if container is None:
            continue

        def listed(side: str, component: dict[str, Any] = component) -> dict[str, Any]:
            artifacts = component.get(side, {}).get("artifacts", {})
            uri = "gs://" + "x" * 500
            return {
                key: {"artifacts": [{"uri": uri, "type": made["artifactType"], "metadata": {}}]}
                for key, made in artifacts.items()
            }

        values = {
            name: source.get("runtimeValue", {}).get("constant", "x" * 200)
            for name, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        given = {
            "inputs": {"artifacts": listed("inputDefinitions"), "parameterValues": values},
            "outputs": {"artifacts": listed("outputDefinitions"), "outputFile": "gs://" + "x" * 500},
        }
        for argument in (*container["command"], *container["args"]):
            yield filled(argument, given, lambda uri: uri)


def test_a_path_that_only_this_machine_has_ends_with_status_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_job(tmp_path / "out", wide_project(tmp_path, 1)) == 2
    assert re.fullmatch(
        r"tfx-norm: data\.schema is .*wide\.pbtxt, a path that only this machine has\. .*\n", capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epochs=-3", "epochs must be at least 1 but is -3"),
        ("threshold_auc_min=nan", "threshold_auc_min must be a finite number but is nan"),
        ("data_path=bundled:nope", "no such bundled data set"),
    ],
)
def test_a_default_that_no_step_can_use_ends_with_status_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, message: str
) -> None:
    assert compile_job(tmp_path / "out", REPOSITORY / "pipeline" / "flights_small.toml", "--param", given) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
