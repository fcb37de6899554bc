"""What a job may take for granted: places that every step can reach, and code that the image has."""

import importlib.machinery
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import ConfigError
from pipeline.code_digest import model_digest
from pipeline.config import PipelineConfig
from pipeline.kubeflow.model_function import check_function
from pipeline.kubeflow.uris import BUNDLED, is_elsewhere, packaged

OURS = ("schemas", "components", "pipeline", "tfxnorm")


def data_place(config: PipelineConfig, given: Mapping[str, str]) -> str:
    """Where the steps find the data; empty for BigQuery.

    Raises:
      ConfigError: the configuration names a path that only this machine has.
    """
    if config.data.format == "bigquery":
        return ""
    if "data_path" in given or config.kubeflow.data:
        return _in_a_step("data_path", given.get("data_path", config.kubeflow.data))
    if config.data.dataset:
        return f"{BUNDLED}{config.data.dataset}"
    _refuse_local("data.path", config.data.path, "data_path", "kubeflow.data")
    return config.data.path


def schema_place(config: PipelineConfig, given: Mapping[str, str]) -> str:
    """Where the steps find the schema.

    Raises:
      ConfigError: the configuration names a path that only this machine has.
    """
    if "schema" in given or config.kubeflow.schema:
        return _in_a_step("schema", given.get("schema", config.kubeflow.schema))
    if "://" in config.data.schema:
        return config.data.schema
    in_package = packaged(config.data.schema, OURS)
    if in_package is None:
        _refuse_local("data.schema", config.data.schema, "schema", "kubeflow.schema")
    return in_package or ""


def input_places(config: PipelineConfig, given: Mapping[str, str]) -> tuple[str, str]:
    """Where the steps find data and schema.

    Raises:
      ConfigError: saying of both what only this machine has.
    """
    found, wrong = [], []
    for place in (data_place, schema_place):
        try:
            found.append(place(config, given))
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError(" ".join(wrong))
    data, schema = found
    return data, schema


def check_places(config: PipelineConfig) -> None:
    """Returns where whatever else the configuration names can be reached by every step.

    Raises:
      ConfigError: it names a path that only this machine has.
    """
    named = {
        "trainer.checkpoint_dir": config.trainer.checkpoint_dir,
        "cache.dir": config.cache.dir,
        "transform.constants": config.transform.constants,
        "drift.baseline": config.drift.baseline,
        "kubeflow.pipeline_root": config.kubeflow.pipeline_root,
        "kubeflow.serving": config.kubeflow.serving,
    }
    for key, place in named.items():
        if place and not is_elsewhere(place):
            raise ConfigError(
                f"{key} = {place!r} is a path of this machine, which no step of the job has. Give a URI, such as "
                "gs://BUCKET/FOLDER, or leave it out."
            )


def check_model(path: str, config_file: str) -> str:
    """The digest of the model's code, which must be installed, as it must be in the image.

    Raises:
      ConfigError: there is no such module or function, or it merely lies beside the configuration or in the current
        folder.
    """
    top = path.partition(":")[0].partition(".")[0]
    own = {str(Path(config_file).resolve().parent), os.getcwd()}
    installed = [entry for entry in sys.path if entry and os.path.abspath(entry) not in own]
    if top not in OURS and importlib.machinery.PathFinder.find_spec(top, installed) is None:
        raise ConfigError(
            f"trainer.model = {path!r} must be importable in the image, but {top!r} is installed nowhere here. Install "
            "it in the image (a Dockerfile of two lines: FROM the image, RUN pip install), and here, too."
        )
    digest = model_digest(path)
    check_function(path)
    return digest


def image_name(image: str) -> str:
    """The image's name.

    Raises:
      ConfigError: it is none.
    """
    if not image or image != image.strip() or any(mark.isspace() for mark in image):
        raise ConfigError(f"--image must be an image's name, such as REGISTRY/REPOSITORY:TAG, but is {image!r}.")
    return image


def _in_a_step(parameter: str, place: str) -> str:
    """A place that a person says the steps have."""
    if not is_elsewhere(place) and not os.path.isabs(place):
        raise ConfigError(
            f"{parameter} = {place!r} must be a URI or an absolute path: a step has a working folder of its own."
        )
    return place


def _refuse_local(key: str, place: str, parameter: str, in_file: str) -> None:
    if not is_elsewhere(place):
        raise ConfigError(
            f"{key} is {place}, a path that only this machine has. Say where the steps find it, as a URI or as a path "
            f"that they have: --param {parameter}=gs://BUCKET/..., or {in_file} in the configuration."
        )


def given_values(texts: Sequence[str], option: str = "--param") -> dict[str, str]:
    """``NAME=VALUE`` texts by name.

    Raises:
      ConfigError: one is not of that form, or a name comes twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} must be NAME=VALUE but is {text!r}.")
        if name in values:
            raise ConfigError(f"{option} {name} is given twice.")
        values[name] = value
    return values
