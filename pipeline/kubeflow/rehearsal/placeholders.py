"""The placeholders in a container's command line: ``{{$.inputs.parameters['x']}}`` and the like."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.errors import DataError

WHOLE = "{{$}}"
PLACEHOLDER = re.compile(
    r"\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\['([^']+)'\]"
    r"(?:\.(uri|path|value|output_file|metadata\['([^']+)'\]))?\}\}"
)
_MOST_BYTES = 128 * 1024  # Linux, MAX_ARG_STRLEN


def filled(argument: str, executor_input: Mapping[str, Any], path_of: Callable[[str], str]) -> str:
    """The argument with its placeholders replaced.

    Args:
      argument: of a command line.
      executor_input: the ExecutorInput as JSON; ``{{$}}`` is all of it.
      path_of: the path at which the step finds a URI.

    Raises:
      DataError: a placeholder that names nothing, or an argument longer than Linux passes on.
    """

    def one(found: re.Match[str]) -> str:
        try:
            return _value(found, executor_input, path_of)
        except (KeyError, IndexError) as error:
            raise DataError(f"The placeholder {found[0]} names nothing: there is no {error}.") from error

    if argument == WHOLE:
        text = json.dumps(executor_input)
    else:
        text = PLACEHOLDER.sub(one, argument.replace(WHOLE, json.dumps(executor_input)))
    size = len(text.encode())
    if size >= _MOST_BYTES:
        raise DataError(f"An argument of {size:,} bytes was to be passed; Linux takes fewer than {_MOST_BYTES:,}.")
    return text


def _value(found: re.Match[str], executor_input: Mapping[str, Any], path_of: Callable[[str], str]) -> str:
    side, kind, key, accessor, of_metadata = found.groups()
    if kind == "parameters":
        if side == "outputs":
            return str(executor_input["outputs"]["parameters"][key]["outputFile"])
        value = executor_input["inputs"]["parameterValues"][key]
        return value if isinstance(value, str) else json.dumps(value)
    artifact = executor_input[side]["artifacts"][key]["artifacts"][0]
    if accessor == "path":
        return path_of(artifact["uri"])
    if accessor == "value":
        return Path(path_of(artifact["uri"])).read_text(encoding="utf-8")
    if of_metadata:
        return str(artifact["metadata"][of_metadata])
    return str(artifact["uri"])
