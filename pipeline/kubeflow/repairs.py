"""What TFX's Kubeflow compiler leaves out or gets wrong, put right in the job that it made.

The same in TFX 1.16 and 1.21. Each repair names its defect and has a test that shows the job without it.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import ConfigError

Job = dict[str, Any]
_SPEC_FLAG = "--json_serialized_inputs_spec_args"
_NODE_SUFFIX = "_task"


def repaired(job: Mapping[str, Any], pipeline: Any) -> Job:
    """A copy of the job that ``KubeflowV2DagRunner`` made of ``pipeline``, with all repairs.

    Args:
      job: a PipelineJob as a dictionary, of spec 2.1.
      pipeline: the TFX pipeline that it was made of.

    Raises:
      ConfigError: the pipeline has something that neither TFX nor we can compile.
    """
    result = copy.deepcopy(dict(job))
    spec = result["pipelineSpec"]
    _refuse_rolling_ranges(pipeline)
    _restore_defaults(spec, pipeline)
    _restore_producers(spec)
    _restore_types_of_outputs(spec)
    _restore_resources(spec, pipeline)
    _refuse_dangling(spec)
    return result


def _restore_defaults(spec: Job, pipeline: Any) -> None:
    """TFX writes the names and types of runtime parameters, but not their defaults."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for parameter in _runtime_parameters(pipeline):
        if parameter.name in declared and parameter.default is not None:
            declared[parameter.name] |= {"defaultValue": parameter.default, "isOptional": True}


def _runtime_parameters(pipeline: Any) -> Iterator[Any]:
    from tfx.orchestration.data_types import RuntimeParameter

    for component in pipeline.components:
        yield from (value for value in component.exec_properties.values() if isinstance(value, RuntimeParameter))


def _restore_producers(spec: Job) -> None:
    """TFX lets a property that another step computes come from the task ``<id>_task``; the task is called ``<id>``."""
    for tasks in _dags(spec):
        for task in tasks.values():
            for parameter in task.get("inputs", {}).get("parameters", {}).values():
                made = parameter.get("taskOutputParameter")
                if made and made["producerTask"] not in tasks:
                    made["producerTask"] = made["producerTask"].removesuffix(_NODE_SUFFIX)


def _restore_types_of_outputs(spec: Job) -> None:
    """TFX declares a property that another step computes as text, so that a whole number arrives as a float."""
    for tasks in _dags(spec):
        for task in tasks.values():
            component = spec["components"][task["componentRef"]["name"]]
            for name, parameter in task.get("inputs", {}).get("parameters", {}).items():
                made = parameter.get("taskOutputParameter")
                if not made or made["producerTask"] not in tasks:
                    continue
                producer = spec["components"][tasks[made["producerTask"]]["componentRef"]["name"]]
                kind = producer["outputDefinitions"]["parameters"][made["outputParameterKey"]]["parameterType"]
                component["inputDefinitions"]["parameters"][name]["parameterType"] = kind
                _tell_the_container(spec, component)


def _tell_the_container(spec: Job, component: Job) -> None:
    """The step reads its inputs' types from an argument."""
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    arguments = container["args"]
    arguments[arguments.index(_SPEC_FLAG) + 1] = json.dumps(component["inputDefinitions"], indent=2, sort_keys=True)


def _restore_resources(spec: Job, pipeline: Any) -> None:
    """TFX ignores ``with_platform_config`` of a file-based ExampleGen."""
    from google.protobuf import json_format

    for component in pipeline.components:
        config = getattr(component, "platform_config", None)
        executor = spec["deploymentSpec"]["executors"].get(f"{component.id}_executor", {})
        if config and "container" in executor:
            executor["container"].setdefault("resources", json_format.MessageToDict(config))


def _refuse_rolling_ranges(pipeline: Any) -> None:
    """TFX's driver for Kubeflow fails in the step: it has no record of the spans before."""
    for component in pipeline.components:
        if "rolling_range" in str(component.exec_properties.get("range_config") or ""):
            raise ConfigError(
                f"{component.id}: a rolling range of spans cannot run on Kubeflow or Vertex AI, where the step does "
                "not know the runs before. Use data.window, or a static range."
            )


def _refuse_dangling(spec: Job) -> None:
    """Every task that another one waits for must be there: the backends' own message comes when the job is sent."""
    for tasks in _dags(spec):
        for name, task in tasks.items():
            inputs = task.get("inputs", {})
            producers = [a["taskOutputArtifact"]["producerTask"] for a in inputs.get("artifacts", {}).values()]
            producers += [
                p["taskOutputParameter"]["producerTask"]
                for p in inputs.get("parameters", {}).values()
                if "taskOutputParameter" in p
            ]
            missing = sorted({*producers, *task.get("dependentTasks", [])} - set(tasks))
            if missing:
                raise ConfigError(f"{name} waits for {missing[0]}, which TFX did not compile into the job.")


def _dags(spec: Job) -> Iterator[dict[str, Any]]:
    """The tasks of the root, and of each component that is a pipeline of its own."""
    yield spec["root"]["dag"]["tasks"]
    yield from (c["dag"]["tasks"] for c in spec.get("components", {}).values() if "dag" in c)
