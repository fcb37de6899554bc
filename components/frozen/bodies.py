"""Datasets and functions as bodies of operations: inputs, operations, outputs, and what they call."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from components.frozen.operations import callees
from components.frozen.tensorflow_internals import graph_of

# An array in memory is data: what the maps hold does not depend on it.
_CONST_BYTES = 1 << 12


@dataclasses.dataclass(frozen=True)
class Body:
    """The operations of one function, or of a dataset's own graph.

    Attributes:
      name: as TensorFlow calls it.
      inputs: its arguments, captured ones last.
      operations: all of them, in the order of the graph.
      outputs: what it returns.
      prefix: what the operations' names begin with here and nowhere else.
    """

    name: str
    inputs: tuple[tf.Tensor, ...]
    operations: tuple[tf.Operation, ...]
    outputs: tuple[tf.Tensor, ...]
    prefix: str = ""

    def name_of(self, operation: tf.Operation) -> str:
        """The operation's own name."""
        return str(operation.name).removeprefix(self.prefix)

    @functools.cached_property
    def in_order(self) -> tuple[tf.Operation, ...]:
        """The operations, each after those that it reads from, as far as there is no circle."""
        done: dict[str, tf.Operation] = {}
        entered: set[str] = set()
        for first in self.operations:
            waiting = [first]
            while waiting:
                operation = waiting[-1]
                missing = [x.op for x in operation.inputs if x.op.name not in entered]
                if operation.name not in entered:
                    entered.add(operation.name)
                    waiting += missing
                else:
                    done.setdefault(operation.name, operation)
                    waiting.pop()
        return tuple(done.values())


class Library:
    """The functions that a graph calls, each turned into a body when it is first asked for."""

    def __init__(self, graph_def: tf.compat.v1.GraphDef) -> None:
        """Holds the functions of ``graph_def``."""
        self._functions = {function.signature.name: function for function in graph_def.library.function}
        self._bodies: dict[str, Body] = {}
        self._graph = tf.Graph()
        functions = tf.compat.v1.GraphDef(library=graph_def.library, versions=graph_def.versions)
        with self._graph.as_default():
            tf.graph_util.import_graph_def(functions, name="")

    def __contains__(self, name: str) -> bool:
        """Whether it has a function of that name."""
        return name in self._functions

    def body(self, name: str) -> Body:
        """The body of a function."""
        if name not in self._bodies:
            with self._graph.as_default():
                self._bodies[name] = self.imported(name, *graph_of(self._functions[name]))
        return self._bodies[name]

    def imported(
        self, name: str, graph_def: tf.compat.v1.GraphDef, inputs: Sequence[str], outputs: Sequence[str]
    ) -> Body:
        """A graph as a body; its functions have to be in this library."""
        nodes = tf.compat.v1.GraphDef(node=graph_def.node, versions=graph_def.versions)
        prefix = f"body_{len(self._graph.get_operations())}"
        with self._graph.as_default():
            tensors = tf.graph_util.import_graph_def(nodes, return_elements=[*inputs, *outputs], name=prefix)
        operations = tuple(self._graph.get_operation_by_name(f"{prefix}/{node.name}") for node in graph_def.node)
        return Body(name, tuple(tensors[: len(inputs)]), operations, tuple(tensors[len(inputs) :]), f"{prefix}/")


def dataset_body(dataset: tf.data.Dataset) -> tuple[Library, Body] | None:
    """The graph of a dataset as TensorFlow itself writes it; None for one whose arrays in memory exceed 2 GiB."""
    variant = tf.data.experimental.to_variant(dataset)
    if tf.is_symbolic_tensor(variant):
        # Without eager execution the dataset stands in a graph already.
        whole = variant.graph.as_graph_def()
        graph_def, end = tf.compat.v1.graph_util.extract_sub_graph(whole, [variant.op.name]), variant.name
        graph_def.library.CopyFrom(whole.library)
    else:
        ignore_state = 1
        text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=ignore_state)
        graph_def = tf.compat.v1.GraphDef.FromString(text.numpy())
        if not graph_def.node:
            return None
        end = _cut_off_return(graph_def)
    for node in graph_def.node:
        _leave_out_large(node)
    library = Library(graph_def)
    return library, library.imported("dataset", graph_def, [], [end])


def _cut_off_return(graph_def: tf.compat.v1.GraphDef) -> str:
    [at] = [i for i, node in enumerate(graph_def.node) if node.op == "_Retval"]
    end = graph_def.node[at].input[0]
    del graph_def.node[at]
    return end if ":" in end else f"{end}:0"


def _leave_out_large(node: Any) -> None:
    if node.op == "Const" and node.ByteSize() > _CONST_BYTES:
        dtype, shape = node.attr["dtype"].type, node.attr["value"].tensor.tensor_shape
        placeholder = tf.compat.v1.NodeDef(name=node.name, op="Placeholder", input=node.input)
        placeholder.attr["dtype"].type = dtype
        placeholder.attr["shape"].shape.CopyFrom(shape)
        node.CopyFrom(placeholder)


def function_body(function: Any) -> tuple[Library, Body]:
    """The body of a ConcreteFunction."""
    graph_def = function.graph.as_graph_def()
    library = Library(graph_def)
    inputs, outputs = ([tensor.name for tensor in ends] for ends in (function.inputs, function.outputs))
    return library, library.imported(function.graph.name, graph_def, inputs, outputs)


def reached(library: Library, body: Body) -> Iterator[Body]:
    """A body and all bodies that it runs, each once."""
    seen: set[str] = set()
    waiting = [body]
    while waiting:
        current = waiting.pop()
        yield current
        for operation in current.operations:
            if operation.type == "GeneratorDataset":
                continue  # from_generator: a reader in Python, as files are read in C++
            for _, name in callees(operation):
                if name in library and name not in seen:
                    seen.add(name)
                    waiting.append(library.body(name))
