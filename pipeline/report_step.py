"""The report as a step of the pipeline, for an orchestrator that runs nothing else of ours behind the last one."""

from tfx.orchestration.pipeline import Pipeline

from components.report.component import RunReport
from pipeline.code_digest import code_digest


def with_report(pipeline: Pipeline) -> Pipeline:
    """The pipeline of ``pipeline.definition`` with RunReport as its last step, behind the Pusher.

    A model that was not good enough to push has a report, too. Where a check stops the run there is none: no
    orchestrator starts a step whose predecessor failed, and the verdict is the message of the step that did. A run on
    this machine writes its report by itself, also then, and with what ML Metadata knows (``pipeline.run_report``).
    """
    nodes = {node.id: node for node in pipeline.components}
    outputs = {name: node.outputs for name, node in nodes.items()}
    report = RunReport(
        transform_graph=outputs["NormalizingTransform"]["transform_graph"],
        statistics=outputs["StatisticsGen"]["statistics"],
        model_run=outputs["Trainer"]["model_run"],
        evaluation=outputs["Evaluator"]["evaluation"],
        audit=outputs["ConstantsAudit"]["blessing"],
        drift=outputs["DriftGate"]["blessing"],
        parity=outputs["ParityCheck"]["blessing"],
        title=pipeline.pipeline_info.pipeline_name,
        code_digest=code_digest(),
    )
    report.add_upstream_node(nodes["Pusher"])
    # Kubeflow's compiler asks the pipeline's own registry, which was closed when the pipeline was made.
    with pipeline.dsl_context_registry.temporary_mutable():
        pipeline.dsl_context_registry.put_node(report)
    pipeline.components = [*pipeline.components, report]
    return pipeline
