"""What an operation says of itself: the functions that it runs, its inputs by argument, a constant's value."""

import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_DATASET = re.compile(r"Dataset(V\d+)?$")


def is_dataset_op(operation: tf.Operation) -> bool:
    """Whether it makes a dataset."""
    return _DATASET.search(operation.type) is not None


def callees(operation: tf.Operation) -> Iterator[tuple[str, str]]:
    """The functions that an operation runs: (attribute, function name)."""
    for attribute in operation.op_def.attr:
        if attribute.type in ("func", "list(func)"):
            value = operation.get_attr(attribute.name)
            for function in value if isinstance(value, list) else [value]:
                if function.name:
                    yield attribute.name, function.name


def arguments(operation: tf.Operation) -> dict[str, list[tf.Tensor]]:
    """The inputs of an operation by argument."""
    found, at = {}, 0
    for argument in operation.op_def.input_arg:
        size = 1
        if argument.type_list_attr:
            size = len(operation.get_attr(argument.type_list_attr))
        elif argument.number_attr:
            size = operation.get_attr(argument.number_attr)
        found[argument.name] = list(operation.inputs)[at : at + size]
        at += size
    return found


def captured(operation: tf.Operation, attribute: str) -> list[tf.Tensor]:
    """What an operation hands to one of its functions beside the elements: what that function captured."""
    given = arguments(operation)
    names = (f"{attribute}_other_arguments", f"{attribute}_other_args", "other_arguments", "captured_inputs")
    return next((given[name] for name in names if name in given), [])


def constant_value(tensor: tf.Tensor) -> Any:
    """The value of a tensor that depends on constants and known shapes alone; None for any other."""
    known: dict[str, Any] = {}
    computed: dict[str, tf.Operation] = {}
    waiting = [tensor]
    while waiting:
        current = waiting.pop()
        value = tf.get_static_value(current)
        if value is not None:
            known[current.name] = value
        elif current.op.type == "Placeholder" or current.op.op_def.is_stateful or any(callees(current.op)):
            return None
        elif current.op.name not in computed:
            computed[current.op.name] = current.op
            waiting += current.op.inputs
    if tensor.name in known:
        return known[tensor.name]
    nodes = tf.compat.v1.GraphDef(node=[operation.node_def for operation in computed.values()])
    with tf.Graph().as_default() as graph:
        fed = {name: tf.constant(value) for name, value in known.items()}
        [result] = tf.graph_util.import_graph_def(nodes, input_map=fed, return_elements=[tensor.name])
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(result)
