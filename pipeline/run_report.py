"""``report.html`` of a local run: what its artifacts say, when each component ran, and what became of it."""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from components.report import render
from components.report.collect import Sources, collect
from components.report.facts import ArtifactFacts, Node, Outcome, Pairs, RunFacts
from components.report.wording import duration
from components.verdict import CheckFailedError, Verdict
from pipeline import kept_reports
from pipeline.config import PipelineConfig
from pipeline.failure import ComponentError, whole_error
from pipeline.node_runner import NodeByNodeRunner
from pipeline.run_lineage import Execution, Lineage, read_lineage
from pipeline.run_result import RunResult


def write_report(
    root: Path,
    config: PipelineConfig,
    runner: NodeByNodeRunner,
    *,
    result: RunResult | None = None,
    failure: ComponentError | None = None,
) -> Path:
    """Writes the report into the run's folder; see ``kept_reports.keep``.

    Args:
      root: the run's folder.
      config: what was run.
      runner: that ran it.
      result: of a run that came to its end.
      failure: of one that did not.
    """
    assert runner.record is not None
    facts = _facts(config, runner, read_lineage(runner.record), result, failure)
    return kept_reports.keep(render.render(facts), root, runner.record.run_id)


def _facts(
    config: PipelineConfig,
    runner: NodeByNodeRunner,
    lineage: Lineage,
    result: RunResult | None,
    failure: ComponentError | None,
) -> RunFacts:
    facts = collect(_sources(lineage, result, failure), config.pipeline.name, _about(config, lineage))
    return dataclasses.replace(
        facts,
        outcome=outcome(result, failure),
        timeline=timeline(lineage, runner.nodes, failure),
        lineage=tuple(_artifacts(lineage)),
    )


def failed_verdict(failure: BaseException | None) -> Verdict | None:
    """The verdict of the check that stopped the run, however often its error was wrapped; None where none did."""
    seen: set[int] = set()
    while failure is not None and id(failure) not in seen:
        if isinstance(failure, CheckFailedError):
            # As it would be read from a file: figures may be numbers of NumPy.
            return Verdict.from_json(failure.verdict.to_json()) if failure.verdict is not None else None
        seen.add(id(failure))
        failure = failure.__cause__ or failure.__context__
    return None


def _about(config: PipelineConfig, lineage: Lineage) -> Pairs:
    lines = [("Task", config.pipeline.task), ("Data", config.data.path or "BigQuery")]
    if lineage.executions:
        began = lineage.executions[0].started
        took = max(execution.ended for execution in lineage.executions) - began
        when = datetime.fromtimestamp(began).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        lines = [("Began", when), ("Took", duration(took)), *lines]
    return tuple(lines)


def outcome(result: RunResult | None, failure: ComponentError | None) -> Outcome:
    """How the run ended; the findings of a check that stopped it stand in its verdict."""
    if failure is not None:
        text = whole_error(failure.__cause__) if failure.__cause__ is not None else str(failure)
        message = text if failed_verdict(failure) is None else ""
        return Outcome("bad", f"{failure.component} failed, nothing was pushed", message)
    if result is not None and result.reasons:
        return Outcome("bad", "No model was pushed", "\n".join(result.reasons))
    if result is not None and result.model:
        return Outcome("good", f"Model pushed to {result.model}")
    return Outcome("good", "Finished")


def timeline(lineage: Lineage, nodes: tuple[str, ...], failure: ComponentError | None = None) -> tuple[Node, ...]:
    """Every node of the pipeline in its order; one without an execution has not run."""
    began = min((execution.started for execution in lineage.executions), default=0.0)
    by_node = {execution.node: execution for execution in lineage.executions}
    return tuple(_node(name, by_node.get(name), began, failure) for name in nodes)


def _node(name: str, execution: Execution | None, began: float, failure: ComponentError | None) -> Node:
    failed = failure is not None and failure.component == name
    if execution is None:
        return Node(name, "failed" if failed else "not run")
    state = "failed" if failed else execution.state
    return Node(name, state, execution.started - began, max(0.0, execution.ended - execution.started))


def _artifacts(lineage: Lineage) -> Iterator[ArtifactFacts]:
    """Those that the run wrote or took from the cache, in the order of their makers, then what it only read."""
    made = {artifact: (e.node, key) for e in lineage.executions for key, artifact in e.outputs}
    read: dict[int, dict[str, None]] = {}
    for execution in lineage.executions:
        for _, artifact in execution.inputs:
            read.setdefault(artifact, {})[execution.node] = None
    for artifact in [*made, *(artifact for artifact in read if artifact not in made)]:
        known = lineage.artifacts[artifact]
        producer, key = made.get(artifact, ("an earlier run", ""))
        yield ArtifactFacts(artifact, known.type_name, known.uri, producer, key, tuple(read.get(artifact, ())))


def _sources(lineage: Lineage, result: RunResult | None, failure: ComponentError | None) -> Sources:
    """The artifacts of this run; TFX keeps nothing of a component that failed."""
    found: dict[str, list[str]] = {}
    for execution in lineage.executions:
        for _, artifact in execution.outputs:
            known = lineage.artifacts[artifact]
            found.setdefault(known.type_name, []).append(known.uri)

    def first(type_name: str) -> str:
        return next(iter(found.get(type_name, ())), "")

    return Sources(
        transform_graph=first("TransformGraph"),
        statistics=first("ExampleStatistics"),
        model_run=first("ModelRun"),
        evaluation=first("ModelEvaluation"),
        verdicts=tuple(found.get("tfxnorm.CheckBlessing", ())),
        failed=failed_verdict(failure),
        metrics=result.metrics if result is not None else None,
    )
