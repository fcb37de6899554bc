"""From what a person asked for to a job that a service can start; nothing leaves this machine here."""

import dataclasses
import datetime
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from components.errors import ConfigError
from pipeline.config import load_config
from pipeline.kubeflow.compilation import compile_job
from pipeline.kubeflow.data_version import NAME, with_data_version
from pipeline.kubeflow.defaults import given_values
from pipeline.kubeflow.files import read_job
from pipeline.kubeflow.rehearsal.values import job_values
from pipeline.kubeflow.submission.job import Job, Service, with_caching
from pipeline.kubeflow.submission.schema_upload import GOOGLE_STORAGE, SchemaUpload
from pipeline.kubeflow.support import require_kubeflow
from pipeline.kubeflow.value_checks import check_values, is_ours

Target = Literal["vertex", "kfp"]


@dataclasses.dataclass(frozen=True)
class Order:
    """What a person asked for.

    Attributes:
      source: a configuration, which is compiled first, or a compiled job.
      image: of every step of a configuration's job; a compiled one has its own.
      parameters: ``NAME=VALUE``.
      use_cache: False runs every step; True leaves caching as it was compiled.
      name: of the run or schedule; empty = the pipeline's with the time.
      pipeline_root, service_account, experiment, schedule: as in ``Job``.
    """

    source: Path
    image: str = ""
    parameters: Sequence[str] = ()
    use_cache: bool = True
    name: str = ""
    pipeline_root: str = ""
    service_account: str = ""
    experiment: str = ""
    schedule: str = ""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A job, the local schema that it needs elsewhere, and what a person should know."""

    job: Job
    upload: SchemaUpload | None = None
    notes: Sequence[str] = ()

    def request(self, service: Service) -> dict[str, Any]:
        """What ``service`` would be sent, and before it the upload, as JSON."""
        request = service.request(self.job)
        if self.upload is None:
            return request
        return {**request, "upload": {"from": str(self.upload.file), "to": self.upload.uri}}


def order_of(options: Mapping[str, Any]) -> Order:
    """The order that the command line's options are.

    Raises:
      ConfigError: to wait for a schedule.
    """
    if options["wait"] and options["schedule"]:
        raise ConfigError("--wait is for a run that begins now, not for a --schedule.")
    return Order(
        source=options["source"],
        image=options["image"],
        parameters=options["param"],
        use_cache=not options["no_cache"],
        name=options["name"],
        pipeline_root=options["pipeline_root"],
        service_account=options["service_account"],
        experiment=options["experiment"],
        schedule=options["schedule"],
    )


def prepared(order: Order, target: Target) -> Prepared:
    """The job of an order, complete and checked against its own declarations.

    Raises:
      InputError: no Python for it; a configuration or a file that cannot be used; a parameter that is unknown, missing
        or of another type.
    """
    require_kubeflow()
    given = given_values(order.parameters)
    if order.source.suffix != ".toml":
        return Prepared(_job(order, target, _compiled(order, target), given))
    if not order.image:
        raise ConfigError("A configuration's job needs --image IMAGE, which every step runs in.")
    config = load_config(order.source)
    root = order.pipeline_root or config.kubeflow.pipeline_root
    upload = None
    is_local = "schema" not in given and not config.kubeflow.schema and "://" not in config.data.schema
    if is_local and root.startswith(GOOGLE_STORAGE):
        upload = SchemaUpload.below(root, config.data.schema)
        given = {**given, "schema": upload.uri}
    with tempfile.TemporaryDirectory() as folder:
        texts = [f"{name}={value}" for name, value in given.items()]
        made = compile_job(str(order.source), Path(folder), order.image, texts, root=root)
        job = read_job(made.vertex if target == "vertex" else made.kubeflow)
    return Prepared(_job(order, target, job, given, root), upload, made.notes)


def _compiled(order: Order, target: Target) -> dict[str, Any]:
    if order.image:
        raise ConfigError(f"--image is for a configuration; the compiled job {order.source} names its own.")
    if target == "kfp" and order.source.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"Kubeflow takes the YAML file of a compiled job but got {order.source}.")
    return read_job(order.source)


def _job(order: Order, target: Target, compiled: Mapping[str, Any], given: Mapping[str, str], root: str = "") -> Job:
    values = job_values(compiled, given)
    if is_ours(compiled["pipelineSpec"]):
        check_values(values)
    spec = compiled["pipelineSpec"] if order.use_cache else with_caching(compiled["pipelineSpec"], False)
    runtime = compiled.get("runtimeConfig", {})
    sent = {name: values[name] for name in (*runtime.get("parameterValues", {}), *given)}
    if target == "kfp" and NAME in values and NAME not in given:
        # Kubeflow's cache does not look at the data. A run has their version of now; a schedule has none that holds.
        if order.schedule:
            spec = with_caching(spec, False, reading=NAME)
        else:
            sent[NAME] = with_data_version(values, given)[NAME]
    time = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
    return Job(
        spec=spec,
        name=order.name or f"{spec['pipelineInfo']['name']}-{time}",
        pipeline_root=order.pipeline_root or root or runtime.get("gcsOutputDirectory", ""),
        parameters=sent,
        service_account=order.service_account,
        experiment=order.experiment,
        schedule=order.schedule,
    )
