"""What every container of a compiled job runs: TFX's entry point, with the runtime parameters worked in.

It takes the same arguments as ``tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor``; with ``--driver``
first, those of TFX's driver of a file-based ExampleGen. On open-source Kubeflow it repairs artifact types and URIs, and
runs that driver itself, which nobody else does there; on Vertex AI there is nothing to repair.
"""

import json
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import input_error_in
from pipeline.kubeflow.open_source import localized, restored
from pipeline.kubeflow.parameters import PREFIX, applied

MOUNT = "TFX_NORM_MOUNT"  # where the launcher's mirrors are, for tests and rehearsals; the root elsewhere
_DRIVER = "tfx.orchestration.kubeflow.v2.file_based_example_gen.driver"
_EXECUTOR = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_INPUT, _SPEC, _CLASS = (
    "--json_serialized_invocation_args",
    "--json_serialized_inputs_spec_args",
    "--executor_class_path",
)
_BAD_INPUT = 2


def main(argv: Sequence[str]) -> int:
    """Runs one step; 2 where the data, schema or configuration is at fault, which the last line then says."""
    try:
        _run(list(argv), dict(os.environ))
    except Exception as error:
        message = input_error_in(error)
        if message is None:
            raise
        print(f"tfx-norm: {' '.join(message.split())}", file=sys.stderr, flush=True)
        return _BAD_INPUT
    return 0


def _run(arguments: list[str], environment: Mapping[str, str]) -> None:
    only_driver = arguments[:1] == ["--driver"]
    arguments = arguments[1:] if only_driver else arguments
    place = arguments.index(_INPUT) + 1
    spec = json.loads(arguments[arguments.index(_SPEC) + 1]) if _SPEC in arguments else {}
    executor_input, remote = localized(json.loads(arguments[place]), spec, environment.get(MOUNT, "/"))
    executor_input = with_parameters(executor_input)
    arguments[place] = json.dumps(executor_input)
    output_file = executor_input["outputs"]["outputFile"]
    if only_driver:
        _call(_DRIVER, arguments)
        return
    if _is_file_based(arguments[arguments.index(_CLASS) + 1], executor_input) and not _exists(output_file):
        _call(_DRIVER, arguments)
    _call(_EXECUTOR, arguments)
    if remote:
        with open(output_file, encoding="utf-8") as file:
            output = restored(json.load(file), remote)
        with open(output_file, "w", encoding="utf-8") as file:
            json.dump(output, file)


def with_parameters(executor_input: Mapping[str, Any]) -> dict[str, Any]:
    """The ExecutorInput whose properties have the step's runtime parameters worked in, which are taken away."""
    inputs = executor_input.get("inputs", {})
    given = inputs.get("parameterValues", {})
    values = {name.removeprefix(PREFIX): value for name, value in given.items() if name.startswith(PREFIX)}
    properties = {name: value for name, value in given.items() if not name.startswith(PREFIX)}
    uris = {
        key: listed["artifacts"][0]["uri"]
        for key, listed in executor_input["outputs"].get("artifacts", {}).items()
        if listed.get("artifacts")
    }
    return {**executor_input, "inputs": {**inputs, "parameterValues": applied(properties, values, uris)}}


def _is_file_based(executor: str, executor_input: Mapping[str, Any]) -> bool:
    if "input_base" not in executor_input["inputs"]["parameterValues"]:
        return False
    from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
    from tfx.utils import import_utils

    return issubclass(import_utils.import_class_by_path(executor), BaseExampleGenExecutor)


def _exists(path: str) -> bool:
    from tfx.dsl.io import fileio

    return bool(fileio.exists(path))


def _call(module: str, arguments: Sequence[str]) -> None:
    """Runs one of TFX's command lines in this process."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
