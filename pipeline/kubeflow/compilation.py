"""A configuration -> the two files of its job."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.feature_plan import FeaturePlan
from pipeline import inputs
from pipeline.beam_args import LOCAL_RUNNER, local_beam_args
from pipeline.config import PipelineConfig, load_config
from pipeline.kubeflow import defaults, files, job
from pipeline.kubeflow.parameters import JobParameter, parameters_of
from pipeline.kubeflow.support import require_kubeflow
from pipeline.kubeflow.value_checks import check_values


@dataclasses.dataclass(frozen=True)
class Compiled:
    """Where a job is.

    Attributes:
      vertex: the PipelineJob, JSON.
      kubeflow: the PipelineSpec, YAML.
      parameters: defaults of its runtime parameters, by name.
      notes: what a person should know.
    """

    vertex: Path
    kubeflow: Path
    parameters: Mapping[str, Any]
    notes: Sequence[str] = ()


def compile_job(config_file: str, out: Path, image: str, given: Sequence[str] = (), root: str = "") -> Compiled:
    """Writes ``<name>.json`` and ``<name>.yaml``; nothing is packaged, uploaded or looked up.

    Args:
      config_file: the TOML file.
      out: the folder.
      image: of every step.
      given: ``NAME=VALUE``, other defaults for runtime parameters.
      root: the pipeline root, a URI; ``kubeflow.pipeline_root`` by default.

    Raises:
      InputError: no Python for it, a configuration or schema that cannot be used, or one that names what only this
        machine has.
    """
    require_kubeflow()
    config = load_config(config_file)
    image = defaults.image_name(image)
    plan = inputs.checked_plan(config)
    if root:
        config = dataclasses.replace(config, kubeflow=dataclasses.replace(config.kubeflow, pipeline_root=root))
    defaults.check_places(config)
    defaults.check_model(config.trainer.model, config_file)
    values = defaults.given_values(given)
    parameters = _parameters(config, values)
    names = [parameter.name for parameter in parameters]
    for name in values:
        if name not in names:
            raise ConfigError(f"--param {name}: this job has no such parameter. It has {', '.join(names)}.")
    check_values({parameter.name: parameter.default for parameter in parameters})
    config, notice = with_beam_args(config, image)
    schema_digest = hashlib.sha256(inputs.read_bytes(config.data.schema)).hexdigest()

    def made(config: PipelineConfig, has_resolver: bool) -> dict[str, Any]:
        parameters = _parameters(config, values)
        compiled = job.with_driver(tfx_job(config, plan, parameters, image, has_resolver))
        compiled = job.with_parameters(compiled, parameters)
        compiled = job.with_constant(compiled, ("ImportSchemaGen", "ArrowExampleGen"), "schema_digest", schema_digest)
        return job.with_steps(compiled, config.kubeflow.steps)

    name = config.pipeline.name
    alone, left_out = without_the_model_before(config)
    vertex, kubeflow = made(config, True), made(alone, False)
    written = {f"{name}.json": files.as_json(vertex), f"{name}.yaml": files.as_yaml(kubeflow)}
    files.write_files(out, written)
    shown = {parameter.name: parameter.default for parameter in parameters}
    notes = [note for note in (notice, left_out) if note]
    return Compiled(out / f"{name}.json", out / f"{name}.yaml", shown, notes)


def _parameters(config: PipelineConfig, given: Mapping[str, str]) -> list[JobParameter]:
    """The job's parameters with the defaults that were given."""
    known = parameters_of(config, *defaults.input_places(config, given))
    return [
        dataclasses.replace(parameter, default=parameter.parse(given[parameter.name]))
        if parameter.name in given
        else parameter
        for parameter in known
    ]


def with_beam_args(config: PipelineConfig, image: str) -> tuple[PipelineConfig, str | None]:
    """The configuration with Beam's arguments for a step; workers elsewhere run the job's image."""
    beam = config.beam
    args, notice = local_beam_args(beam.args, beam.running_mode, beam.workers)
    is_local = args[0].rpartition(".")[2] == LOCAL_RUNNER
    if not is_local and not any(arg.startswith("--sdk_container_image") for arg in args):
        args = (*args, f"--sdk_container_image={image}")
    return dataclasses.replace(config, beam=dataclasses.replace(beam, args=args)), notice


def without_the_model_before(config: PipelineConfig) -> tuple[PipelineConfig, str | None]:
    """The configuration where no latest blessed model can be looked up, and what it then does not do.

    Open-source Kubeflow has no resolver; Vertex AI has one.
    """
    thresholds = tuple(
        dataclasses.replace(threshold, max_drop=None)
        for threshold in config.evaluation.thresholds
        if threshold.min is not None or threshold.max is not None
    )
    lost = [f"the threshold max_drop of {t.metric}" for t in config.evaluation.thresholds if t.max_drop is not None]
    if not config.drift.baseline and config.drift.action != "off":
        lost.append("a baseline for DriftGate (unless drift_baseline names one)")
    evaluation = dataclasses.replace(config.evaluation, thresholds=thresholds)
    note = (
        f"The YAML is without {' and '.join(lost)}: open-source Kubeflow cannot look up the model before."
        if lost
        else None
    )
    return dataclasses.replace(config, evaluation=evaluation), note


def tfx_job(
    config: PipelineConfig, plan: FeaturePlan, parameters: Sequence[JobParameter], image: str, has_resolver: bool
) -> dict[str, Any]:
    """The PipelineJob that TFX makes of the configuration's pipeline, repaired."""
    from pipeline.definition import Places, pipeline_at
    from pipeline.kubeflow.tfx_compiler import compiled
    from pipeline.report_step import with_report

    values = {parameter.name: str(parameter.default) for parameter in parameters}
    if "data_path" in values:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, path=values["data_path"]))
    pinned = inputs.pinned_constants(config, plan)
    places = Places(
        schema=values["schema"],
        columns=values["schema"],
        data_digest="",
        artifacts=config.kubeflow.pipeline_root or "pipeline-root",
        serving=values["serving_dir"],
        checkpoints=values["checkpoint_dir"],
        cache=values["cache_dir"],
        constants_from=config.transform.constants if pinned is not None else "",
        constants_digest=pinned.digest if pinned is not None else "",
        has_resolver=has_resolver,
    )
    made = compiled(with_report(pipeline_at(places, config, plan)), image)
    if not config.kubeflow.pipeline_root:
        del made["runtimeConfig"]
    return made
