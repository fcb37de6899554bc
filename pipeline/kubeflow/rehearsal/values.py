"""Values of parameters: of the job, from the command line and its defaults, and of a task, from where they come."""

import json
from collections.abc import Mapping
from typing import Any

from components.errors import ConfigError
from pipeline.kubeflow.parameters import parsed
from pipeline.kubeflow.value_checks import check_finite

_KINDS = {"NUMBER_INTEGER": int, "INT": int, "NUMBER_DOUBLE": float, "DOUBLE": float}
Json = dict[str, Any]


def kind_of(declared: Mapping[str, Any]) -> str:
    """The declared type, of spec 2.1 or 2.0."""
    return str(declared.get("parameterType") or declared.get("type") or "STRING")


def job_values(job: Mapping[str, Any], given: Mapping[str, str]) -> Json:
    """Every runtime parameter's value.

    Raises:
      ConfigError: a required one is missing, one is unknown, or a value is not of its type, or not finite.
    """
    declared = job["pipelineSpec"]["root"].get("inputDefinitions", {}).get("parameters", {})
    values = {**job.get("runtimeConfig", {}).get("parameterValues", {}), **given}
    unknown = sorted(set(values) - set(declared))
    if unknown:
        known = ", ".join(declared) or "none"
        raise ConfigError(f"--param {unknown[0]}: this job has no such parameter. It has {known}.")
    missing = [
        name
        for name, spec in declared.items()
        if name not in values and "defaultValue" not in spec and not spec.get("isOptional")
    ]
    if missing:
        raise ConfigError(f"The job's parameter {missing[0]!r} has no default: give it by --param {missing[0]}=VALUE.")
    result = {}
    for name, spec in declared.items():
        if name in values or "defaultValue" in spec:
            value = values.get(name, spec.get("defaultValue"))
            result[name] = from_text(name, kind_of(spec), value) if isinstance(value, str) else value
    check_finite(result)
    return result


def from_text(name: str, kind: str, text: str) -> Any:
    """A text as a value of a declared type.

    Raises:
      ConfigError: it is none.
    """
    if kind == "STRING":
        return text
    if kind in _KINDS:
        return parsed(name, _KINDS[kind], text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"The parameter {name} must be JSON ({kind}) but is {text!r}.") from error


def constant(value: Mapping[str, Any]) -> Any:
    """A constant of spec 2.1 or 2.0."""
    if "constant" in value:
        return value["constant"]
    old = value["constantValue"]
    if "intValue" in old:
        return int(old["intValue"])
    return float(old["doubleValue"]) if "doubleValue" in old else old.get("stringValue", "")


def typed(values: Mapping[str, Any], declared: Mapping[str, Any]) -> Json:
    """Whole numbers as such where they are declared: a job's JSON has nothing but floats."""
    return {
        name: int(value)
        if kind_of(declared.get(name, {})) in ("NUMBER_INTEGER", "INT") and not isinstance(value, str | bool)
        else value
        for name, value in values.items()
    }
