"""The float64 constants that a model tensor depends on, found by walking the GraphDef from its end."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Floats = npt.NDArray[np.float64]
Nodes = Mapping[str, tf.compat.v1.NodeDef]

# Ops whose result at a place depends on their inputs at the same place only.
_BY_ELEMENT = ("Identity", "Cast", "Sub", "Mul", "Add", "AddV2", "RealDiv", "Maximum", "Minimum", "SelectV2", "Log1p")


@dataclasses.dataclass(frozen=True)
class Part:
    """Which part of a block matters: ``start`` to ``stop`` of the ``size`` along the first or the last axis."""

    axis: int
    start: int
    stop: int
    size: int

    def of(self, value: Floats) -> Floats:
        """The part of a constant that spreads over the block; all of it where it is the same for every feature."""
        if value.ndim == 0 or (self.axis == 0 and value.ndim < 2) or value.shape[self.axis] != self.size:
            return value
        return value[self.start : self.stop] if self.axis == 0 else value[..., self.start : self.stop]


def nodes_by_name(graph_def: tf.compat.v1.GraphDef) -> dict[str, tf.compat.v1.NodeDef]:
    """The nodes of a graph."""
    return {node.name: node for node in graph_def.node}


def bearing(nodes: Nodes) -> frozenset[str]:
    """The float64 ``Const`` nodes and all that depends on one, so that a walk need not enter thousands of columns."""
    consumers: dict[str, list[str]] = {}
    for node in nodes.values():
        for source in node.input:
            consumers.setdefault(source.partition(":")[0], []).append(node.name)
    float64 = tf.float64.as_datatype_enum
    waiting = [node.name for node in nodes.values() if node.op == "Const" and node.attr["dtype"].type == float64]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += consumers.get(name, ())
    return frozenset(found)


def constants_behind(nodes: Nodes, within: frozenset[str], tensor: str) -> Floats:
    """float64 [n]: the distinct values (by their bits) of all float64 ``Const`` nodes behind a tensor.

    Where features were stacked into a block and cut apart again, only a feature's own row or columns count. ``within``
    is what ``bearing`` gives.
    """
    values = [np.ravel(value) for value in _walk(nodes, within, tensor)]
    bits = np.unique(np.concatenate(values).view(np.uint64)) if values else np.zeros(0, np.uint64)
    return bits.view(np.float64)


def _walk(nodes: Nodes, within: frozenset[str], end: str) -> Iterator[Floats]:
    waiting: list[tuple[str, Part | None]] = [(end, None)]
    seen: set[tuple[str, Part | None]] = set()
    while waiting:
        at = waiting.pop()
        tensor, part = at
        name, _, number = tensor.partition(":")
        if at in seen or name not in within:
            continue
        seen.add(at)
        node = nodes[name]
        if node.op == "Const":
            value = np.asarray(tf.make_ndarray(node.attr["value"].tensor))
            yield part.of(value) if part else value
            continue
        inputs = [source for source in node.input if not source.startswith("^")]
        cut = _cut(nodes, node, int(number or 0))
        if cut is not None:
            source, part = cut
            waiting.append((inputs[source], part))
        else:
            waiting += [(source, part if node.op in _BY_ELEMENT else None) for source in inputs]


def _cut(nodes: Nodes, node: tf.compat.v1.NodeDef, output: int) -> tuple[int, Part] | None:
    """The input that an op cuts into pieces, and the piece that this output is; None for any other op."""
    if node.op == "Unpack" and node.attr["axis"].i == 0:
        return 0, Part(0, output, output + 1, node.attr["num"].i)
    if node.op == "SplitV" and all(nodes[name.partition(":")[0]].op == "Const" for name in node.input[1:]):
        sizes, axis = (
            np.ravel(tf.make_ndarray(nodes[name.partition(":")[0]].attr["value"].tensor)) for name in node.input[1:]
        )
        stop = int(sizes[: output + 1].sum())
        if int(axis[0]) in (1, -1):
            return 0, Part(-1, stop - int(sizes[output]), stop, int(sizes.sum()))
    return None
