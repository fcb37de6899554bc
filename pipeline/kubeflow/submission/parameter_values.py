"""``NAME=VALUE`` of the command line against the parameters that a compiled job declares."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.errors import ConfigError

# What a parameter's type makes of its text; ValueError where it cannot.
_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "STRING": ("a text", str),
    "NUMBER_INTEGER": ("a whole number", int),
    "NUMBER_DOUBLE": ("a number", float),
    "BOOLEAN": ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    "LIST": ("a JSON list", json.loads),
    "STRUCT": ("a JSON object", json.loads),
}


def parameter_values(spec: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """The values that ``given`` sets, by name and in the types that ``spec`` (a PipelineSpec as a dict) declares.

    What has a default and is not given is left out: the service puts the default in.

    Raises:
      ConfigError: not NAME=VALUE, a name that the job does not have or that is given twice, a value of another type,
        or a parameter without a default that is not given.
    """
    declared = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"A parameter must look like NAME=VALUE but is {text!r}.")
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise ConfigError(f"The job has no parameter {name!r}. Its parameters: {known}.")
        if name in values:
            raise ConfigError(f"The parameter {name!r} is given twice. Leave one of them out.")
        kind = declared[name].get("parameterType", "STRING")
        wanted, read = _READERS[kind]
        try:
            values[name] = read(value)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"The parameter {name!r} must be {wanted} but is {value!r}.") from error
    missing = sorted(
        name
        for name, definition in declared.items()
        if name not in values and "defaultValue" not in definition and not definition.get("isOptional")
    )
    if missing:
        raise ConfigError(
            f"The job's parameters without a default must be given: {', '.join(missing)}. "
            f"Add {' '.join(f'--param {name}=VALUE' for name in missing)}."
        )
    return values
