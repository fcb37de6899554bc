"""Compiled jobs written by hand: containers are lines of Python that know nothing of TFX."""

from typing import Any

# A step's side of the contract: $.outputs.outputFile names the file in which it says what it made.
STEP = """
import json, os, sys
given = json.loads(sys.argv[1])
said = {"artifacts": given["outputs"].get("artifacts", {}), "parameterValues": {}}
values = given["inputs"].get("parameterValues", {})
def artifact(side, key):
    return given[side]["artifacts"][key]["artifacts"][0]
def local(uri):
    return os.environ.get("TFX_NORM_MOUNT", "") + "/" + uri.replace("://", "/") if "://" in uri else uri
def read(key):
    return open(local(artifact("inputs", key)["uri"])).read()
def write(key, text):
    path = local(artifact("outputs", key)["uri"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
%s
os.makedirs(os.path.dirname(given["outputs"]["outputFile"]), exist_ok=True)
open(given["outputs"]["outputFile"], "w").write(json.dumps(said))
"""
TEXT = {"artifactType": {"instanceSchema": "title: tfx.String\ntype: object\n"}}


def container(body: str, **more: Any) -> dict[str, Any]:
    """An executor that runs this Python with ``given``, ``said``, ``values``, ``read`` and ``write``."""
    return {"image": "an/image:1", "command": ["python", "-c", STEP % body, "{{$}}"], **more}


def job(tasks: dict[str, dict[str, Any]], parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """A PipelineJob.

    Args:
      tasks: by name ``executor`` (a container, or {"resolver": ...}), ``outputs`` (keys), ``output_parameters``,
        ``inputs`` (key -> "task.key"), ``parameters`` (name -> source), and what else a task has.
      parameters: the job's own, by name.
    """
    spec: dict[str, Any] = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "by-hand"},
        "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": parameters or {}}},
        "components": {},
        "deploymentSpec": {"executors": {}},
    }
    for name, task in tasks.items():
        add(spec, spec["root"]["dag"]["tasks"], name, dict(task))
    return {"pipelineSpec": spec, "runtimeConfig": {}}


def add(spec: dict[str, Any], tasks: dict[str, Any], name: str, task: dict[str, Any]) -> None:
    """Adds one task to ``tasks``, with its component and executor."""
    made = {
        "artifacts": dict.fromkeys(task.pop("outputs", ()), TEXT),
        "parameters": task.pop("output_parameters", {}),
    }
    spec["components"][name] = {
        "executorLabel": f"{name}_executor",
        "outputDefinitions": {kind: value for kind, value in made.items() if value},
        "inputDefinitions": {"parameters": task.pop("types", {})},
    }
    executor = task.pop("executor")
    kinds = ("resolver", "importer")
    spec["deploymentSpec"]["executors"][f"{name}_executor"] = (
        executor if any(kind in executor for kind in kinds) else {"container": executor}
    )
    inputs = {
        key: {"taskOutputArtifact": dict(zip(("producerTask", "outputArtifactKey"), source.split("."), strict=True))}
        for key, source in task.pop("inputs", {}).items()
    }
    tasks[name] = {
        "componentRef": {"name": name},
        "inputs": {"artifacts": inputs, "parameters": task.pop("parameters", {})},
        "cachingOptions": {"enableCache": True},
        **task,
    }
