"""What the ways gave -> a verdict: the largest distance from the reference, by feature and way. NumPy only."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import NormalizationConstants
from components.feature_plan import model_names
from components.parity.reference import Row, reference
from components.parity.ulps import worst_ulps
from components.verdict import Finding, Verdict

Tensors = Mapping[str, npt.NDArray[Any]]
_WORDS = {
    "parity_beam_transform": "tf.Transform's own pass on Beam",
    "parity_map": "the parallel map that feeds the Trainer",
    "parity_serving": "the model's serving signature in a process of its own",
}


def judge(
    constants: NormalizationConstants,
    ways: Mapping[str, tuple[Tensors, Sequence[Row]]],
    max_ulps: float,
    *,
    served_digest: str,
    served_graph: str = "",
    disagreements: Sequence[str] = (),
    figures: Mapping[str, Any] | None = None,
) -> Verdict:
    """The verdict of the check ``parity``.

    Args:
      constants: of this run; the reference follows them alone.
      ways: by the name of the fault that a way would be, its model tensors and the rows behind them.
      max_ulps: of float32, the largest distance from exact arithmetic on the constants that is right.
      served_digest: of the constants among the model's assets.
      served_graph: SHA-256 of the frozen graph among them; compared where the run's is known (the stock Transform
        leaves none).
      disagreements: sentences about signatures of the model that do not agree.
      figures: to add to those of the comparison.
    """
    findings = []
    if served_digest != constants.digest:
        message = (
            f"the model serves constants {served_digest}, but this run's are {constants.digest}: it was exported with "
            "the graph of another run. Train again."
        )
        findings.append(Finding("older_graph", message))
    elif constants.graph_sha256 not in ("", served_graph):
        message = (
            f"the model serves the right constants in a graph of SHA-256 {served_graph}, but this run's graph has "
            f"{constants.graph_sha256}: it was exported with the graph of another run or release. Train again."
        )
        findings.append(Finding("older_graph", message))
    features: dict[str, dict[str, float]] = {}
    for fault, (tensors, rows) in ways.items():
        expected = reference(constants, rows)
        for feature in constants.plan.inputs:
            for name in model_names(feature):
                if name not in expected or expected[name].dtype.kind not in "fi":
                    continue  # texts that are passed on, and images
                if name not in tensors:
                    message = f"{_WORDS[fault]} gives no tensor {name}. The graph there is not that of these constants."
                    findings.append(Finding(fault, message, feature.name))
                    continue
                ulps = worst_ulps(tensors[name], expected[name])
                features.setdefault(name, {})[fault.removeprefix("parity_")] = ulps
                if not ulps <= max_ulps:
                    at = _worst_row(tensors[name], expected[name])
                    message = (
                        f"{_WORDS[fault]} gives {name} {ulps:.4g} ulp from its constants; at most {max_ulps:g} is right"
                        f"{at}. The graph there is not that of these constants."
                    )
                    findings.append(Finding(fault, message, feature.name))
    untold = [name for f in constants.plan.inputs for name in model_names(f) if name not in features]
    findings += [Finding("scores_differ", sentence) for sentence in disagreements]
    table = {**(figures or {}), "max_ulps": max_ulps, "not_compared": untold, "features": features}
    return Verdict("parity", tuple(findings), (), table)


def _worst_row(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> str:
    if found.shape != expected.shape or not found.size or found.dtype.kind not in "fi":
        return f" (shape {found.shape}, {expected.shape} was required)"
    with np.errstate(invalid="ignore"):
        distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    at = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
    return f" ({found.flat[at]:.9g} where {expected.flat[at]:.9g} is right)"
