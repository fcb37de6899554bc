"""One task that runs in a container, as its backend runs it: driver hook, cache, command, outputs."""

import copy
import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.kubeflow.entrypoint import MOUNT
from pipeline.kubeflow.rehearsal.backend import Backend
from pipeline.kubeflow.rehearsal.command import CommandError, Commands
from pipeline.kubeflow.rehearsal.lookups import new_artifact
from pipeline.kubeflow.rehearsal.placeholders import filled
from pipeline.kubeflow.rehearsal.records import Records, cache_key
from pipeline.kubeflow.rehearsal.values import kind_of, typed

Json = dict[str, Any]
_ANYONES = 0o777  # the image's user is another than this process's


@dataclasses.dataclass(frozen=True)
class Result:
    """How a task ended.

    Attributes:
      state: "done", "cached" or "skipped".
      artifacts: by output key.
      parameters: by name.
    """

    state: str
    artifacts: Mapping[str, list[Json]] = dataclasses.field(default_factory=dict)
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Containers:
    """Runs the containers of one job.

    Attributes:
      backend: whose manners to follow.
      commands: how a command is run.
      records: of this and earlier jobs.
      pipeline: the pipeline's name.
      job: this run's.
    """

    backend: Backend
    commands: Commands
    records: Records
    pipeline: str
    job: str

    def run(
        self,
        name: str,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        container: Mapping[str, Any],
        values: Mapping[str, Any],
        artifacts: Mapping[str, list[Json]],
    ) -> Result:
        """Runs a task, or takes what an earlier one with the same key made.

        Raises:
          CommandError: its command failed, as often as the job has it tried.
          DataError: the task asks for what is not there.
        """
        step = _Step(self, name, component, container, values, artifacts)
        step.ask_driver()
        key = step.key()
        if task.get("cachingOptions", {}).get("enableCache"):
            made = self.records.made(key)
            if made is not None:
                return Result("cached", made["artifacts"], made["parameters"])
        tries = 1 + int(task.get("retryPolicy", {}).get("maxRetryCount", 0))
        for left in reversed(range(tries)):
            step.fetch()
            try:
                step.execute()
                break
            except CommandError:
                if not left:
                    raise
        result = step.outputs()
        self.records.add(result.artifacts)
        self.records.keep(key, {"artifacts": result.artifacts, "parameters": result.parameters})
        return result


class _Step:
    """A task that is about to run: its ExecutorInput and where its files are."""

    def __init__(
        self,
        job: Containers,
        name: str,
        component: Mapping[str, Any],
        container: Mapping[str, Any],
        values: Mapping[str, Any],
        artifacts: Mapping[str, list[Json]],
    ) -> None:
        self._job, self._name, self._container = job, name, container
        self._backend = backend = job.backend
        self._uri = backend.new_task_uri(job.pipeline, job.job, name)
        self._made = component.get("outputDefinitions", {})
        self._output_file = Path(backend.output_file(self._uri))
        self._inputs = copy.deepcopy(dict(artifacts))
        self._values = typed(values, component.get("inputDefinitions", {}).get("parameters", {}))
        self._from_driver: Json = {}
        self._outputs = {
            key: [new_artifact(made["artifactType"], f"{self._uri}/{key}", made.get("metadata", {}))]
            for key, made in self._made.get("artifacts", {}).items()
        }

    def ask_driver(self) -> None:
        """Runs the command that Vertex AI runs before it looks into its cache; Kubeflow knows none."""
        hook = self._container.get("lifecycle", {}).get("preCacheCheck")
        if not hook or self._backend.is_kubeflow:
            return
        self._command(f"{self._name}.driver", hook)
        said = self._said()
        self._from_driver = said.get("parameterValues", {})
        for key, listed in said.get("artifacts", {}).items():
            self._outputs[key][0]["metadata"].update(listed["artifacts"][0].get("metadata", {}))

    def key(self) -> str:
        """What decides whether an earlier step's outputs can be taken."""
        name = "uri" if self._backend.is_kubeflow else "name"
        container = {key: value for key, value in self._container.items() if key != "lifecycle"}
        read = {key: [artifact[name] for artifact in listed] for key, listed in self._inputs.items()}
        return cache_key([container, self._values, self._from_driver, read, sorted(self._outputs)])

    def fetch(self) -> None:
        """Brings the input artifacts into a new pod; Vertex AI's steps read them where they are."""
        if self._backend.is_kubeflow:
            shutil.rmtree(self._backend.mount, ignore_errors=True)
            for uri in self._uris(self._inputs):
                _copy(self._backend.stored(uri), self._backend.in_step(uri))

    def execute(self) -> None:
        """Runs the container's own command."""
        self._command(self._name, self._container)

    def outputs(self) -> Result:
        """What the step says it made; its files where they outlive it."""
        said = self._said()
        for key, (artifact,) in self._outputs.items():
            told = (said.get("artifacts", {}).get(key, {}).get("artifacts") or [{}])[0]
            artifact["uri"] = told.get("uri") or artifact["uri"]
            artifact["metadata"].update(told.get("metadata", {}))
            if told.get("name") and not self._backend.is_kubeflow:
                artifact["name"] = told["name"]
        parameters = {**said.get("parameterValues", {}), **self._written(said)}
        if self._backend.is_kubeflow:
            self._upload()
        return Result("done", self._outputs, typed(parameters, self._made.get("parameters", {})))

    def _written(self, said: Mapping[str, Any]) -> Json:
        """Output parameters that a container wrote to their files, as one that is not TFX's does."""
        found = {}
        for name, declared in self._made.get("parameters", {}).items():
            if name not in said.get("parameterValues", {}):
                text = Path(self._parameter_file(name)).read_text(encoding="utf-8")
                found[name] = text if kind_of(declared) == "STRING" else json.loads(text)
        return found

    def _upload(self) -> None:
        """Then the pod is gone, and everything in it that was not an artifact."""
        for uri in self._uris(self._outputs):
            if Path(self._backend.in_step(uri)).exists():
                _copy(self._backend.in_step(uri), self._backend.stored(uri))
        shutil.rmtree(self._backend.mount, ignore_errors=True)

    def _said(self) -> Json:
        return json.loads(self._output_file.read_text(encoding="utf-8")) if self._output_file.exists() else {}

    def _command(self, step: str, spec: Mapping[str, Any]) -> None:
        argv = [
            filled(argument, self._executor_input(), self._backend.in_step)
            for argument in (*spec.get("command", []), *spec.get("args", []))
        ]
        self._make_folders()
        environment = {entry["name"]: entry.get("value", "") for entry in self._container.get("env", [])}
        if self._backend.is_kubeflow:
            environment[MOUNT] = str(self._backend.mount)
        self._job.commands.run(step, argv, self._container["image"], environment)

    def _make_folders(self) -> None:
        folder, root = self._output_file.parent, self._backend.root
        folder.mkdir(parents=True, exist_ok=True)
        if self._job.commands.prefix:
            for each in (folder, *folder.parents):
                if each.is_relative_to(root):
                    each.chmod(_ANYONES)

    def _executor_input(self) -> Json:
        inputs: Json = {}
        if self._values:
            inputs["parameterValues"] = self._values
        if self._inputs:
            inputs["artifacts"] = {key: {"artifacts": self._seen(listed)} for key, listed in self._inputs.items()}
        outputs: Json = {"outputFile": str(self._output_file)}
        if self._outputs:
            outputs["artifacts"] = {key: {"artifacts": listed} for key, listed in self._outputs.items()}
        if self._made.get("parameters"):
            outputs["parameters"] = {n: {"outputFile": self._parameter_file(n)} for n in self._made["parameters"]}
        return {"inputs": inputs, "outputs": outputs}

    def _seen(self, listed: list[Json]) -> list[Json]:
        """Input artifacts as the step sees them: Kubeflow has lost their types."""
        if not self._backend.is_kubeflow:
            return listed
        return [{**artifact, "type": {"instanceSchema": ""}} for artifact in listed]

    def _parameter_file(self, name: str) -> str:
        return f"{self._output_file.parent}/{name}"

    @staticmethod
    def _uris(artifacts: Mapping[str, list[Json]]) -> list[str]:
        return [artifact["uri"] for listed in artifacts.values() for artifact in listed]


def _copy(source: str, target: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif Path(source).exists():
        shutil.copy(source, target)
