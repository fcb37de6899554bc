"""The tasks of a job in an order that fits, each with its inputs, until all have run or one has failed."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from components.errors import DataError, InputError
from pipeline.kubeflow.rehearsal.command import CommandError
from pipeline.kubeflow.rehearsal.conditions import holds
from pipeline.kubeflow.rehearsal.container import Containers, Result
from pipeline.kubeflow.rehearsal.lookups import imported, resolved
from pipeline.kubeflow.rehearsal.values import constant

Json = dict[str, Any]
_AT_THE_END = "ALL_UPSTREAM_TASKS_COMPLETED"
_FINAL_STATES = {"done": "SUCCEEDED", "cached": "SUCCEEDED", "failed": "FAILED"}


class Watcher(Protocol):
    """Is told of every task."""

    def running(self, name: str) -> None:
        """A task has begun."""

    def finished(self, name: str, result: Result, seconds: float) -> None:
        """A task ended."""


class TaskError(Exception):
    """A task failed.

    Attributes:
      task: its name.
      cause: why.
    """

    def __init__(self, task: str, cause: CommandError | InputError) -> None:
        """See the class."""
        super().__init__(f"{task}: {cause}")
        self.task, self.cause = task, cause


class Dag:
    """Runs a job's tasks one after the other."""

    def __init__(self, spec: Mapping[str, Any], containers: Containers, watcher: Watcher) -> None:
        """Of a PipelineSpec."""
        self._spec, self._containers, self._watcher = spec, containers, watcher
        self._executors = spec["deploymentSpec"]["executors"]

    def run(self, values: Mapping[str, Any]) -> None:
        """Runs the whole job; ``values`` are those of its parameters.

        Raises:
          TaskError: the first task that failed. None begins after it but what is to run at the end in any case.
          DataError: the job is none that the backend could run.
        """
        self._run(self._spec["root"]["dag"]["tasks"], values, "")

    def _run(self, tasks: Mapping[str, Any], values: Mapping[str, Any], scope: str) -> None:
        finished: dict[str, Result] = {}
        failure: TaskError | None = None
        for name in in_order(tasks):
            task = tasks[name]
            at_the_end = task.get("triggerPolicy", {}).get("strategy") == _AT_THE_END
            if failure is not None and not at_the_end:
                continue
            if not at_the_end and any(finished[other].state == "skipped" for other in waits_for(task)):
                finished[name] = Result("skipped")
                self._watcher.finished(f"{scope}{name}", finished[name], 0.0)
                continue
            try:
                finished[name] = self._task(name, task, values, finished, scope)
            except TaskError as error:
                finished[name] = Result("failed")
                failure = failure or error
        if failure is not None:
            raise failure

    def _task(
        self,
        name: str,
        task: Mapping[str, Any],
        values: Mapping[str, Any],
        finished: Mapping[str, Result],
        scope: str,
    ) -> Result:
        component = self._spec["components"][task["componentRef"]["name"]]
        if "dag" in component:
            self._run(component["dag"]["tasks"], values, f"{scope}{name}/")
            return Result("done")
        self._watcher.running(f"{scope}{name}")
        started = time.monotonic()
        try:
            result = self._executed(name, task, component, values, finished)
        except (CommandError, InputError) as error:
            self._watcher.finished(f"{scope}{name}", Result("failed"), time.monotonic() - started)
            raise TaskError(f"{scope}{name}", error) from error
        self._watcher.finished(f"{scope}{name}", result, time.monotonic() - started)
        return result

    def _executed(
        self,
        name: str,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        values: Mapping[str, Any],
        finished: Mapping[str, Result],
    ) -> Result:
        own = {key: self._value(source, values, finished) for key, source in _inputs(task, "parameters")}
        artifacts = {
            key: finished[made["producerTask"]].artifacts.get(made["outputArtifactKey"], [])
            for key, made in ((key, source["taskOutputArtifact"]) for key, source in _inputs(task, "artifacts"))
        }
        condition = task.get("triggerPolicy", {}).get("condition")
        listed = {key: {"artifacts": found} for key, found in artifacts.items()}
        if condition and not holds(condition, {"artifacts": listed, "parameterValues": own}):
            return Result("skipped")
        executor = self._executors[component["executorLabel"]]
        records = self._containers.records
        if "importer" in executor:
            return Result("done", imported(executor["importer"], component, {**values, **own}, records))
        if "resolver" in executor:
            if self._containers.backend.is_kubeflow:
                raise DataError("open-source Kubeflow runs no resolver; the job's YAML file has none.")
            return Result("done", resolved(executor["resolver"], artifacts, records))
        return self._containers.run(name, task, component, executor["container"], own, artifacts)

    def _value(self, source: Mapping[str, Any], values: Mapping[str, Any], finished: Mapping[str, Result]) -> Any:
        if "componentInputParameter" in source:
            return values[source["componentInputParameter"]]
        if "taskOutputParameter" in source:
            made = source["taskOutputParameter"]
            return finished[made["producerTask"]].parameters[made["outputParameterKey"]]
        if "taskFinalStatus" in source:
            producer = source["taskFinalStatus"]["producerTask"]
            state = _FINAL_STATES.get(finished[producer].state, "NOT_TRIGGERED")
            return json.dumps(
                {
                    "state": state,
                    "pipelineTaskName": producer,
                    "pipelineJobResourceName": self._containers.job,
                }
            )
        value = source["runtimeValue"]
        if "runtimeParameter" not in value:
            return constant(value)
        if self._containers.backend.is_kubeflow:
            raise DataError("open-source Kubeflow takes no runtimeParameter as a task's value, only a constant.")
        return values[value["runtimeParameter"]]


def task_names(spec: Mapping[str, Any]) -> list[str]:
    """Every task that runs something, in the order in which they will; one of an inner pipeline is ``outer/inner``."""
    return list(_names(spec, spec["root"]["dag"]["tasks"], ""))


def _names(spec: Mapping[str, Any], tasks: Mapping[str, Any], scope: str) -> Iterator[str]:
    for name in in_order(tasks):
        component = spec["components"][tasks[name]["componentRef"]["name"]]
        if "dag" in component:
            yield from _names(spec, component["dag"]["tasks"], f"{scope}{name}/")
        else:
            yield f"{scope}{name}"


def in_order(tasks: Mapping[str, Any]) -> list[str]:
    """Each task behind those it waits for; by name where they do not say.

    Raises:
      DataError: some wait for each other, or for one that is not there.
    """
    left, order = dict(tasks), list[str]()
    while left:
        ready = sorted(name for name, task in left.items() if waits_for(task) <= set(order))
        if not ready:
            waiting = "; ".join(f"{name} for {', '.join(sorted(waits_for(left[name]) - set(order)))}" for name in left)
            raise DataError(f"The job's tasks cannot be put in order, because these wait: {waiting}.")
        order += ready
        for name in ready:
            del left[name]
    return order


def waits_for(task: Mapping[str, Any]) -> set[str]:
    """The tasks that must have ended before this one begins."""
    made = {source["taskOutputArtifact"]["producerTask"] for _, source in _inputs(task, "artifacts")}
    for _, source in _inputs(task, "parameters"):
        for kind in ("taskOutputParameter", "taskFinalStatus"):
            if kind in source:
                made.add(source[kind]["producerTask"])
    return made | set(task.get("dependentTasks", []))


def _inputs(task: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    return list(task.get("inputs", {}).get(kind, {}).items())
