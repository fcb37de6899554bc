"""Ops that keep a graph from being a pure function: tables, variables, Python, random numbers."""

from collections.abc import Iterator

import tensorflow as tf

# The checks of the policies ``error``; the one stateful op that changes nothing.
_ALLOWED = {"Assert", "Placeholder"}
_INSTEAD = {
    "a lookup table": "tag the column as 'category', whose vocabulary is part of the constants",
    "Python code": "write it with TensorFlow ops",
    "random numbers": "draw them in the dataset, after the transform, by a stateless op with a seed",
    "a variable": "measure it by global_moments, whose result is a constant",
    "state": "leave it out of the preprocessing_fn",
}


def kind_of_state(op_type: str) -> str:
    """What sort of state an op of this type is, in words."""
    if "Table" in op_type:
        return "a lookup table"
    if "PyFunc" in op_type:
        return "Python code"
    if op_type.startswith(("Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal")):
        return "random numbers"
    return "a variable" if "Variable" in op_type or op_type.startswith("VarHandle") else "state"


def stateful_ops(graph: tf.Graph) -> Iterator[tuple[str, str]]:
    """(type, name) of each op, those of nested functions included, that is stateful or reads a resource."""
    for op in graph.get_operations():
        reads_resource = any(tensor.dtype in (tf.resource, tf.variant) for tensor in op.inputs)
        if (op.op_def.is_stateful or reads_resource) and op.type not in _ALLOWED:
            yield op.type, op.name
    for function in graph.as_graph_def().library.function:
        for node in function.node_def:
            if kind_of_state(node.op) != "state":
                yield node.op, f"{function.signature.name}/{node.name}"


def sentence(source: str, found: list[tuple[str, str]]) -> str:
    """The message of a NotFrozenError: all ops by kind, and what to do instead."""
    by_kind: dict[str, list[str]] = {}
    for op_type, name in found:
        by_kind.setdefault(kind_of_state(op_type), []).append(f"{op_type} {name!r}")
    parts = [f"{kind} ({', '.join(ops)}): {_INSTEAD[kind]}" for kind, ops in by_kind.items()]
    return f"The transform graph of {source} cannot be frozen into constants. It holds {'; '.join(parts)}."
