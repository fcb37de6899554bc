"""RunReport: what a pipeline's artifacts say, as one page, in anyone's pipeline."""

from typing import Any, ClassVar

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.artifacts import CheckBlessing, RunReportArtifact
from components.report.collect import Sources, collect
from components.report.render import FILE_NAME, render

_VERDICTS = ("audit", "drift", "parity")


class RunReportSpec(types.ComponentSpec):
    """A transform graph and statistics, and whatever else there is."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "title": ExecutionParameter(type=str, optional=True),
        "code_digest": ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
        "examples": ChannelParameter(type=standard_artifacts.Examples, optional=True),
        **{name: ChannelParameter(type=CheckBlessing, optional=True) for name in _VERDICTS},
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"report": ChannelParameter(type=RunReportArtifact)}


class RunReportExecutor(base_executor.BaseExecutor):
    """Collects, renders, writes."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:
        """See RunReport."""

        def uri(name: str) -> str:
            return str(artifact_utils.get_single_uri(input_dict[name])) if input_dict.get(name) else ""

        sources = Sources(
            uri("transform_graph"),
            uri("statistics"),
            uri("model_run"),
            uri("evaluation"),
            verdicts=tuple(filter(None, map(uri, _VERDICTS))),
            examples=uri("examples"),
        )
        facts = collect(sources, exec_properties["title"])
        report = artifact_utils.get_single_instance(output_dict["report"])
        tf.io.gfile.makedirs(report.uri)
        with tf.io.gfile.GFile(f"{report.uri}/{FILE_NAME}", "wb") as file:
            file.write(render(facts).encode("utf-8", "backslashreplace"))
        logging.info("RunReport: %d features, %d verdicts.", len(facts.features), len(facts.checks))


class RunReport(base_component.BaseComponent):
    """Writes ``report.html``: constants, histograms, verdicts, training and evaluation of a run.

    When each component ran, and the lineage, stand in the orchestrator's records; ``tfx-norm run`` adds them to the
    report of a local run. What cannot be read is named on the page and fails nothing.

    Output: ``report`` (RunReportArtifact), a folder with ``report.html``.
    """

    SPEC_CLASS = RunReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RunReportExecutor)

    def __init__(
        self,
        transform_graph: types.BaseChannel,
        statistics: types.BaseChannel,
        model_run: types.BaseChannel | None = None,
        evaluation: types.BaseChannel | None = None,
        audit: types.BaseChannel | None = None,
        drift: types.BaseChannel | None = None,
        parity: types.BaseChannel | None = None,
        examples: types.BaseChannel | None = None,
        *,
        title: str = "Pipeline run",
        code_digest: str = "",
    ) -> None:
        """Wires the component.

        Args:
          transform_graph: ours or the stock Transform's, with constants in it.
          statistics: of StatisticsGen.
          model_run: of a Trainer with our ``run_fn``, or any Keras training with TensorBoard logs.
          evaluation: of the Evaluator.
          audit, drift, parity: blessings of the checks.
          examples: raw ones, of which images are shown.
          title: the page's.
          code_digest: only enters the cache key, so that another release reports again.
        """
        super().__init__(
            spec=RunReportSpec(
                transform_graph=transform_graph,
                statistics=statistics,
                model_run=model_run,
                evaluation=evaluation,
                audit=audit,
                drift=drift,
                parity=parity,
                examples=examples,
                report=types.Channel(type=RunReportArtifact),
                title=title,
                code_digest=code_digest,
            )
        )
