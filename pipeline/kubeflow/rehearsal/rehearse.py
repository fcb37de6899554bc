"""A compiled job -> what came of it here, watched and logged as a run is."""

import contextlib
import dataclasses
import datetime
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.errors import ConfigError, InputError
from components.feature_plan import FeaturePlan
from pipeline.failure import ComponentError
from pipeline.kubeflow.data_version import with_data_version
from pipeline.kubeflow.files import read_job
from pipeline.kubeflow.rehearsal.backend import Backend, Mode
from pipeline.kubeflow.rehearsal.command import BAD_INPUT, Commands, prefix_of
from pipeline.kubeflow.rehearsal.container import Containers, Result
from pipeline.kubeflow.rehearsal.dag import Dag, TaskError, task_names
from pipeline.kubeflow.rehearsal.lookups import title_of
from pipeline.kubeflow.rehearsal.records import Records
from pipeline.kubeflow.rehearsal.values import job_values
from pipeline.kubeflow.support import require_kubeflow
from pipeline.kubeflow.uris import is_elsewhere
from pipeline.kubeflow.value_checks import check_values, is_ours
from pipeline.local import session
from pipeline.node_result import NodeResult, OutputArtifact
from pipeline.progress import Display
from pipeline.run_log import RunLog
from pipeline.run_result import RunResult

DEFAULT_ROOT = Path("rehearsals")
_READ_FROM = ("data_path", "schema")
# Parameters that name places outside of the job: a rehearsal must not write to where the job would.
_WRITTEN_TO = {"serving_dir": "serving", "checkpoint_dir": "checkpoints", "cache_dir": "cache"}
_SPEC_VERSION = "2.1.0"


@dataclasses.dataclass(frozen=True)
class RehearsalOptions:
    """What a person may ask of a rehearsal.

    Attributes:
      mode: the backend; None = Kubeflow for a YAML file, Vertex AI for a JSON file.
      given: values of runtime parameters, by name.
      exec_prefix: command that runs another one inside the image.
      environment: of the steps.
    """

    mode: Mode | None = None
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)
    exec_prefix: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def rehearse(
    job_file: Path,
    root: Path | None = None,
    options: RehearsalOptions | None = None,
    *,
    display_of: Callable[[RunLog], Display],
) -> RunResult:
    """Runs every task of a compiled job on this machine; what did not change comes from earlier rehearsals.

    Args:
      job_file: PipelineJob (JSON) or PipelineSpec (YAML).
      root: where everything is written; ``rehearsals/<name>-<mode>`` by default.
      options: of this rehearsal.
      display_of: makes the display, given the log and the terminal's streams.

    Raises:
      InputError: no job, parameters that do not fit it, or the root is in use.
      ComponentError: a step failed.
    """
    started = time.monotonic()
    require_kubeflow()
    options = options or RehearsalOptions()
    prefix_of(options.exec_prefix)
    job = read_job(job_file)
    spec = job["pipelineSpec"]
    mode: Mode = options.mode or ("kfp" if job_file.suffix in (".yaml", ".yml") else "vertex")
    if spec.get("schemaVersion") != _SPEC_VERSION:
        raise ConfigError(
            f"A job of schema version {_SPEC_VERSION} is required, the only one that Kubeflow takes, but {job_file} "
            f"has {spec.get('schemaVersion')!r}. Compile it with tfx-norm compile."
        )
    name = spec["pipelineInfo"]["name"]
    folder = (root or DEFAULT_ROOT / f"{name}-{mode}").absolute()
    values = values_for_here(job_values(job, options.given), options.given, folder)
    if is_ours(spec):
        check_values(values)
    if mode == "kfp":
        values = with_data_version(values, options.given)
    names = task_names(spec)
    with session(folder, display_of) as held:
        run = f"{name}-{datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')[:-3]}"
        logs = folder / "logs" / run
        held.display.note(f"Rehearsal folder {folder}\nA log a step in {logs}")
        containers = Containers(
            Backend(mode, folder),
            Commands(logs, options.environment, options.exec_prefix),
            Records(folder / "records.json"),
            name,
            run,
        )
        held.display.start(names)
        watcher = _Shown(held.display, containers.backend)
        try:
            Dag(spec, containers, watcher).run(values)
        except TaskError as error:
            if held.stopped():
                raise KeyboardInterrupt from error
            raise _component_error(error, held.log) from error
        except KeyboardInterrupt:
            watcher.stopped()
            raise
        held.display.close()
        plan, task = _learned(watcher.results, spec)
        from pipeline.run_result import collect

        result = collect(watcher.results, plan, task, logs)
        return dataclasses.replace(
            _in_the_artifact(result, watcher.results),
            report=_report(watcher.results),
            elapsed=time.monotonic() - started,
        )


def values_for_here(values: Mapping[str, Any], given: Mapping[str, str], root: Path) -> dict[str, Any]:
    """The job's values, with folders of the rehearsal for places that the job would write to.

    A relative path that was given is one of the current folder: a step has another one.
    """
    here = dict(values)
    for name in _READ_FROM:
        if name in given and not is_elsewhere(given[name]):
            here[name] = os.path.abspath(given[name])
    for name, folder in _WRITTEN_TO.items():
        if here.get(name) and name not in given:
            here[name] = str(root / folder)
    return here


class _Shown:
    """Tells the display, and keeps what ``collect`` reads."""

    def __init__(self, display: Display, backend: Backend) -> None:
        self._display, self._backend = display, backend
        self._began: tuple[str, float] | None = None
        self.results: dict[str, NodeResult] = {}

    def running(self, name: str) -> None:
        self._began = name, time.monotonic()
        self._display.running(name)

    def finished(self, name: str, result: Result, seconds: float) -> None:
        outputs = {key: tuple(map(self._artifact, listed)) for key, listed in result.artifacts.items()}
        if result.state in ("done", "cached"):
            self.results[name] = NodeResult(result.state, seconds, outputs)
        self._began = None
        self._display.finished(name, result.state, seconds, _rows(outputs))

    def stopped(self) -> None:
        """A person has stopped the task that was running."""
        if self._began is not None:
            self._display.finished(self._began[0], "stopped", time.monotonic() - self._began[1], None)

    def _artifact(self, artifact: Mapping[str, Any]) -> OutputArtifact:
        title = title_of(artifact).removeprefix("tfx.")
        return OutputArtifact(self._backend.stored(artifact["uri"]), title, artifact["metadata"])


def _rows(outputs: Mapping[str, tuple[OutputArtifact, ...]]) -> int | None:
    from pipeline.run_rows import rows_of_examples

    found = [artifact for listed in outputs.values() for artifact in listed if artifact.type_name == "Examples"]
    return (sum(rows_of_examples(found[0]).values()) or None) if found else None


def _component_error(error: TaskError, log: RunLog) -> ComponentError:
    cause = error.cause
    if isinstance(cause, InputError):
        return ComponentError(error.task, f"{error.task}: {cause}", str(log.path), bad_input=True)
    bad_input = cause.status == BAD_INPUT
    message = str(cause) if bad_input else f"{error.task} failed: {cause}"
    return ComponentError(error.task, message, str(cause.log), bad_input=bad_input)


def _learned(results: Mapping[str, NodeResult], spec: Mapping[str, Any]) -> tuple[FeaturePlan, str]:
    """The plan and the task of a job of ours; of another one a plan without a label, and no task."""
    from schemas.loader import load_schema

    schema = next(_of_type(results, "Schema"), None)
    plan = FeaturePlan(())
    if schema is not None:
        with contextlib.suppress(InputError):
            plan = FeaturePlan.from_schema(load_schema(f"{schema.uri}/schema.pbtxt"))
    trainer = spec["root"]["dag"]["tasks"].get("Trainer", {}).get("inputs", {}).get("parameters", {})
    custom = trainer.get("custom_config", {}).get("runtimeValue", {}).get("constant", "{}")
    training = json.loads(custom).get("training", "{}")
    return plan, json.loads(training).get("task", "")


def _in_the_artifact(result: RunResult, results: Mapping[str, NodeResult]) -> RunResult:
    """The result with the model that the Pusher's artifact holds, where the pod took its serving folder with it."""
    pushed = next(_of_type(results, "PushedModel"), None)
    if result.model is not None or pushed is None or pushed.properties.get("pushed") != 1:
        return result
    if not (Path(pushed.uri) / "saved_model.pb").exists():
        return result
    return dataclasses.replace(result, model=pushed.uri, reasons=[])


def _report(results: Mapping[str, NodeResult]) -> str | None:
    report = next(_of_type(results, "tfxnorm.RunReport"), None)
    return f"{report.uri}/report.html" if report is not None else None


def _of_type(results: Mapping[str, NodeResult], type_name: str) -> Iterator[OutputArtifact]:
    return (
        artifact
        for result in results.values()
        for listed in result.outputs.values()
        for artifact in listed
        if artifact.type_name == type_name
    )
