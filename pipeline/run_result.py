"""What came of a run, gathered from the artifacts of its components."""

import dataclasses
import math
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.constants import NormalizationConstants
from components.feature_plan import FeaturePlan
from components.span_counters import SpanCounters
from pipeline.baseline import baseline

if TYPE_CHECKING:
    from pipeline.node_result import NodeResult


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
      constants: what the analysis found; None for a pipeline without one.
      analysis: what that analysis read, and what it took from the cache, in this run or the one that it is reused from;
        None without one, and for pinned constants.
      metrics: evaluation metrics and the baseline's, by flat name.
      model: absolute path of the pushed SavedModel; None where the model was not blessed.
      reasons: why no model was pushed; empty where one was.
      transform_graph: absolute path of the transform graph.
      log: absolute path of the log.
      seconds: wall time by component.
      elapsed: wall time of the whole run, loading of TFX included.
      report: absolute path of the report; None where none could be made.
      left_out: rows that lacked a required column and were left out.
      cached: components that came from the cache.
      peak_bytes: largest resident memory of this process or one of its workers.
      report: absolute path of the report; None where none could be made.
    """

    constants: NormalizationConstants | None
    metrics: Mapping[str, float]
    model: str | None
    reasons: Sequence[str]
    transform_graph: str | None
    log: str
    seconds: Mapping[str, float]
    cached: Sequence[str]
    left_out: int
    peak_bytes: int
    elapsed: float = 0.0
    report: str | None = None
    analysis: SpanCounters | None = None

    @property
    def ok(self) -> bool:
        """Whether the run did what it is for: a model is pushed."""
        return not self.reasons


def as_json(result: RunResult) -> dict[str, Any]:
    """The object that ``run --json`` prints; a number that is not finite is null."""
    return {
        "constants_digest": result.constants.digest if result.constants is not None else None,
        "rows": result.constants.rows if result.constants is not None else None,
        "metrics": {name: value if math.isfinite(value) else None for name, value in result.metrics.items()},
        "model": result.model,
        "report": result.report,
        "transform_graph": result.transform_graph,
        "log": result.log,
        "analysis": None if result.analysis is None else dataclasses.asdict(result.analysis),
        "seconds": {name: round(seconds, 3) for name, seconds in result.seconds.items()},
    }


def collect(results: "Mapping[str, NodeResult]", plan: FeaturePlan, task: str, log: Path) -> RunResult:
    """Reads constants, metrics, baseline and model from the components' artifacts; what is not there is left out."""
    from components.report.evaluation import read_metrics
    from pipeline.labels import read_labels
    from pipeline.run_constants import constants_of
    from pipeline.run_rows import ROWS_LEFT_OUT, first_artifact

    graph = first_artifact(results, "TransformGraph")
    evaluation = first_artifact(results, "ModelEvaluation")
    examples = first_artifact(results, "Examples")
    analysed = first_artifact(results, "tfxnorm.NormalizationConstants")
    analysis = None if analysed is None else SpanCounters.of(analysed.properties)
    metrics: dict[str, float] = {}
    if evaluation is not None:
        metrics.update(read_metrics(evaluation.uri))
        if examples is not None and plan.label is not None:
            train, held_out = (read_labels(examples.uri, split, plan.label) for split in ("train", "eval"))
            metrics.update(baseline(task, train, held_out))
    model, reasons = _pushed_model(results)
    return RunResult(
        constants=constants_of(graph.uri) if graph is not None else None,
        metrics=metrics,
        model=model,
        reasons=reasons,
        transform_graph=str(Path(graph.uri).absolute()) if graph is not None else None,
        log=str(log),
        seconds={name: result.seconds for name, result in results.items()},
        cached=[name for name, result in results.items() if result.state == "cached"],
        left_out=int(examples.properties.get(ROWS_LEFT_OUT, 0)) if examples is not None else 0,
        peak_bytes=peak_bytes(),
        analysis=analysis.after(examples.properties) if analysis is not None and examples is not None else analysis,
    )


def _pushed_model(results: "Mapping[str, NodeResult]") -> tuple[str | None, list[str]]:
    from components.report.evaluation import unmet_thresholds
    from pipeline.run_rows import first_artifact

    pushed = first_artifact(results, "PushedModel")
    if pushed is None:  # A pipeline without a Pusher has nothing to fail at.
        return None, []
    if pushed.properties.get("pushed") == 1:
        model = Path(str(pushed.properties["pushed_destination"])).absolute()
        if model.exists():
            return str(model), []
        return None, [f"the pushed model {model} has been deleted; run again with --from Pusher"]
    evaluation = first_artifact(results, "ModelEvaluation")
    reasons = unmet_thresholds(evaluation.uri) if evaluation is not None else []
    return None, reasons or ["the Evaluator blessed no model; see the log"]


def peak_bytes() -> int:
    """Largest resident memory that this process, or one of its ended children, has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return unit * max(resource.getrusage(each).ru_maxrss for each in who)
