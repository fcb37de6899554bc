"""The two files of a job: PipelineJob as JSON for Vertex AI, PipelineSpec as YAML for Kubeflow."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError, DataError

_WORDS = {"STRING": "str", "NUMBER_INTEGER": "int", "NUMBER_DOUBLE": "float", "BOOLEAN": "bool"}


def as_json(job: Mapping[str, Any]) -> str:
    """The whole PipelineJob, keys in order."""
    return json.dumps(job, sort_keys=True, indent=1) + "\n"


def as_yaml(job: Mapping[str, Any]) -> str:
    """Its PipelineSpec, below a comment that says what it takes, in the form that kfp's own compiler writes."""
    spec = job["pipelineSpec"]
    lines = ["# PIPELINE DEFINITION", f"# Name: {spec['pipelineInfo']['name']}", "# Inputs:"]
    for name, parameter in sorted(spec["root"].get("inputDefinitions", {}).get("parameters", {}).items()):
        line = f"#    {name}: {_WORDS.get(parameter['parameterType'], parameter['parameterType'])}"
        if "defaultValue" in parameter:
            line += f" [Default: {parameter['defaultValue']!r}]"
        lines.append(line)
    # As wide as it may be: a folded line would double the file.
    return "\n".join(lines) + "\n" + str(yaml.safe_dump(spec, sort_keys=True, width=1 << 20))


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Writes all of them into the folder; each appears under its name when it is whole.

    Raises:
      ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside, because the folder may be a mount of its own, into which nothing can be renamed from outside.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
            for name, text in files.items():
                (Path(scratch) / name).write_text(text, encoding="utf-8")
            for name in files:
                os.replace(Path(scratch) / name, folder / name)
    except OSError as error:
        raise ConfigError(f"Cannot write to {folder}: {error.strerror}. Choose another --out.") from error


def read_job(path: Path) -> dict[str, Any]:
    """A PipelineJob, of a JSON file, or around the PipelineSpec of a YAML file.

    Raises:
      DataError: no such file, or it is no job.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except OSError as error:
        raise DataError(f"Cannot read the job {path}: {error.strerror}. Compile one first.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} is no compiled job: {str(error).splitlines()[0]}") from error
    job = loaded if isinstance(loaded, dict) and "pipelineSpec" in loaded else {"pipelineSpec": loaded}
    spec = job["pipelineSpec"]
    if not isinstance(spec, dict) or not {"root", "components", "deploymentSpec"} <= set(spec):
        raise DataError(f"{path} is no compiled job: it has neither a PipelineJob nor a PipelineSpec.")
    return job
