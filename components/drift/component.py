"""DriftGate: this run's constants against those of the last blessed run."""

from typing import Any, ClassVar

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.artifacts import CheckBlessing, ConstantsArtifact, read_constants, write_verdict
from components.constants import NormalizationConstants
from components.drift.gate import Limits, drift_verdict
from components.frozen import FrozenTransform
from components.frozen.stored_constants import stored_constants
from components.verdict import line, stop_unless_blessed

_LIMITS = ("mean_shift", "sigma_ratio", "missing_rate", "nonfinite_rate", "key_share", "z")


class DriftGateSpec(types.ComponentSpec):
    """Constants or a transform graph, and a baseline that may be absent."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "baseline": ExecutionParameter(type=str, optional=True),
        "action": ExecutionParameter(type=str, optional=True),
        "code_digest": ExecutionParameter(type=str, optional=True),
        **{name: ExecutionParameter(type=float, optional=True) for name in _LIMITS},
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "constants": ChannelParameter(type=ConstantsArtifact, optional=True),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph, optional=True),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"blessing": ChannelParameter(type=CheckBlessing)}


class DriftExecutor(base_executor.BaseExecutor):
    """Reads both sides, judges, writes the verdict, and stops the run where it must."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:
        """See DriftGate."""
        after = _after(input_dict)
        before = _before(input_dict, exec_properties.get("baseline") or "")
        limits = Limits(**{name: exec_properties[name] for name in _LIMITS})
        verdict = drift_verdict(before, after, limits, exec_properties["action"])
        write_verdict(artifact_utils.get_single_instance(output_dict["blessing"]), verdict, after.digest)
        for warning in verdict.warnings:
            logging.warning("DriftGate:%s", line(warning))
        stop_unless_blessed(verdict)
        logging.info("DriftGate: %d features against %s.", len(after), before.digest if before else "no baseline")


def _after(inputs: Any) -> NormalizationConstants:
    if inputs.get("constants"):
        return read_constants(artifact_utils.get_single_instance(inputs["constants"]))
    graph = artifact_utils.get_single_instance(inputs["transform_graph"])
    return FrozenTransform.load(graph.uri).constants


def _before(inputs: Any, baseline: str) -> NormalizationConstants | None:
    if baseline:
        return stored_constants(baseline)
    if inputs.get("baseline_model"):
        return stored_constants(artifact_utils.get_single_instance(inputs["baseline_model"]).uri)
    return None


class DriftGate(base_component.BaseComponent):
    """Stops or warns where this run's constants moved away from those of the last blessed run.

    Output: ``blessing`` (CheckBlessing, check ``drift``). Without a baseline the run is blessed.
    """

    SPEC_CLASS = DriftGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DriftExecutor)

    def __init__(
        self,
        constants: types.BaseChannel | None = None,
        transform_graph: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
        *,
        baseline: str = "",
        action: str = "warn",
        limits: Limits | None = None,
        code_digest: str = "",
    ) -> None:
        """Wires the component.

        Args:
          constants: of this run; or
          transform_graph: ours or the stock Transform's, whose constants are read.
          baseline_model: of TFX's Resolver with LatestBlessedModelStrategy; may hold nothing.
          baseline: path or URI of a constants file, an artifact or a model, instead of ``baseline_model``.
          action: "block", "warn" or "off".
          limits: what may change; the defaults of ``Limits`` if None.
          code_digest: only enters the cache key, so that another release checks again.

        Raises:
          ValueError: not exactly one of constants and transform_graph, two baselines, or another action.
        """
        if (constants is None) == (transform_graph is None):
            raise ValueError("DriftGate needs the constants of this run or its transform_graph: exactly one of them.")
        if baseline and baseline_model is not None:
            raise ValueError("DriftGate compares with a baseline_model or with a baseline, but got both.")
        if action not in ("warn", "block", "off"):
            raise ValueError(f"DriftGate's action must be 'warn', 'block' or 'off' but is {action!r}.")
        chosen = limits or Limits()
        super().__init__(
            spec=DriftGateSpec(
                constants=constants,
                transform_graph=transform_graph,
                baseline_model=baseline_model,
                blessing=types.Channel(type=CheckBlessing),
                baseline=baseline,
                action=action,
                code_digest=code_digest,
                **{name: float(getattr(chosen, name)) for name in _LIMITS},
            )
        )
