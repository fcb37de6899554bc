"""A compiled job as a dictionary, and what is written into it beside what TFX knows of."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from components.errors import ConfigError
from pipeline.config import StepSection
from pipeline.kubeflow.parameters import PREFIX, JobParameter

Job = dict[str, Any]
ENTRYPOINT = ("python", "-m", "pipeline.kubeflow.entrypoint")
DRIVER = (*ENTRYPOINT, "--driver")
_TYPES = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE"}


def with_parameters(job: Mapping[str, Any], parameters: Iterable[JobParameter]) -> Job:
    """The job with these parameters, their defaults, and an input for each step that reads one."""
    result = copy.deepcopy(dict(job))
    spec = result["pipelineSpec"]
    tasks = spec["root"]["dag"]["tasks"]
    for parameter in parameters:
        kind = _TYPES[type(parameter.default)]
        readers = [step for step in parameter.steps if step in tasks]
        if not readers:
            continue
        root = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        root[parameter.name] = {
            "parameterType": kind,
            "defaultValue": parameter.default,
            "isOptional": True,
            "description": parameter.description,
        }
        for step in readers:
            _input(spec, step, parameter.name, kind, {"componentInputParameter": parameter.name})
    return result


def with_constant(job: Mapping[str, Any], steps: Iterable[str], name: str, value: str) -> Job:
    """The job with one more input of these steps, of those that it has: a part of the backend's cache key."""
    result = copy.deepcopy(dict(job))
    spec = result["pipelineSpec"]
    for step in steps:
        if step in spec["root"]["dag"]["tasks"]:
            _input(spec, step, name, "STRING", {"runtimeValue": {"constant": value}})
    return result


def _input(spec: Job, step: str, name: str, kind: str, source: Mapping[str, Any]) -> None:
    task = spec["root"]["dag"]["tasks"][step]
    component = spec["components"][task["componentRef"]["name"]]
    inputs = component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
    inputs[f"{PREFIX}{name}"] = {"parameterType": kind}
    task.setdefault("inputs", {}).setdefault("parameters", {})[f"{PREFIX}{name}"] = dict(source)


def with_steps(job: Mapping[str, Any], steps: Mapping[str, StepSection]) -> Job:
    """The job with each step's resources, retries and caching.

    Raises:
      ConfigError: there is no such step, or it runs in no container.
    """
    result = copy.deepcopy(dict(job))
    spec = result["pipelineSpec"]
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    containers = {name: executors.get(f"{name}_executor", {}).get("container") for name in tasks}
    for name, step in steps.items():
        container = containers.get(name)
        if container is None:
            known = ", ".join(sorted(task for task, found in containers.items() if found is not None))
            raise ConfigError(f"kubeflow.steps.{name}: no step of this job has that name. Its steps are {known}.")
        resources = _resources(step)
        if resources:
            container["resources"] = resources
        if step.retries:
            tasks[name]["retryPolicy"] = {"maxRetryCount": step.retries}
        if not step.cache:
            tasks[name].pop("cachingOptions", None)
    return result


def _resources(step: StepSection) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if step.cpu:
        resources["cpuLimit"] = step.cpu
    if step.memory:
        resources["memoryLimit"] = step.memory
    if step.accelerator:
        resources["accelerator"] = {"type": step.accelerator, "count": str(step.accelerators or 1)}
    return resources


def with_driver(job: Mapping[str, Any]) -> Job:
    """The job whose ExampleGen asks our entry point, not TFX's driver, what the data look like."""
    result = copy.deepcopy(dict(job))
    for executor in result["pipelineSpec"]["deploymentSpec"]["executors"].values():
        hook = executor.get("container", {}).get("lifecycle", {}).get("preCacheCheck")
        if hook:
            hook["command"] = list(DRIVER)
    return result
