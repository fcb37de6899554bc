"""Whether the graph's own numbers are, bit by bit, those that ``constants.json`` states."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from components.audit.const_walk import bearing, constants_behind, nodes_by_name
from components.audit.expected import center_and_scale, every_number, swapped
from components.constants import NormalizationConstants
from components.feature_plan import model_name
from components.frozen.freeze import FrozenGraph
from components.verdict import Finding

_PAIRED = 8  # numbers that are tried in pairs to name the feature they belong to

Floats = npt.NDArray[np.float64]


def standing_constants(graph: FrozenGraph) -> dict[str, Floats]:
    """The distinct float64 constants behind each normalized feature's output, by the schema's own name."""
    nodes = nodes_by_name(graph.graph_def)
    within = bearing(nodes)
    ends = {feature.name: graph.outputs[model_name(feature.name)] for feature in graph.constants.plan.normalized}
    return {
        name: np.concatenate([constants_behind(nodes, within, tensor) for tensor in tensors])
        for name, tensors in ends.items()
    }


def constants_findings(constants: NormalizationConstants, standing: Mapping[str, Floats]) -> tuple[Finding, ...]:
    """One finding for each feature whose constants do not all stand in the graph, to the last bit, or not alone."""
    expected = {name: center_and_scale(constants[name]) for name in standing}
    explained = np.concatenate([np.array([0.0, 1.0]), *(every_number(constants[name]).ravel() for name in standing)])
    owner = {pair.tobytes(): name for name, pair in expected.items()}
    findings = []
    for name, found in standing.items():
        absent = expected[name][~_stands(expected[name], found)]
        if absent.size:
            findings.append(_finding(constants, name, found, absent, owner))
        elif (extra := found[~_stands(found, explained)]).size:
            came = f"{float(extra[0]).hex()} ({float(extra[0])!r}) stands there, too"
            message = f"(x - center) * scale takes no other float64 constant, but {came}. Analyse again."
            findings.append(Finding("formula_changed", message, name))
    return tuple(findings)


def _stands(wanted: Floats, found: Floats) -> npt.NDArray[np.bool_]:
    return np.isin(np.ascontiguousarray(wanted).view(np.uint64), found.view(np.uint64))


def _finding(
    constants: NormalizationConstants, name: str, found: Floats, absent: Floats, owner: Mapping[bytes, str]
) -> Finding:
    first = float(absent[0])
    stated = f"the graph must hold {first.hex()} ({first!r}), which constants.json states, but"
    pairs = (
        [np.array([[a], [b]]) for a in found for b in found]
        if absent.size == center_and_scale(constants[name]).size and found.size <= _PAIRED
        else []
    )
    others = [other for pair in pairs if (other := owner.get(pair.tobytes())) not in (None, name)]
    if others:
        return Finding("features_permuted", f"{stated} holds the constants of {others[0]!r}. Analyse again.", name)
    if _stands(swapped(constants[name]), found).all():
        return Finding("mean_variance_swapped", f"{stated} has mean and variance swapped. Analyse again.", name)
    nearest = min(found.tolist(), key=lambda value: abs(value - first), default=None)
    came = "holds no float64 constant there" if nearest is None else f"the nearest there is {nearest.hex()}"
    return Finding("constant_changed", f"{stated} {came} ({nearest!r}). The graph was edited: analyse again.", name)
