"""What TensorFlow keeps to itself, in one place: its inner names are used here and nowhere else (2.16 and 2.21).

``Dataset._inputs``, ``Dataset._functions`` and ``StructuredFunctionWrapper._func`` give the Python functions of a
dataset, ``Function._list_all_concrete_functions`` the traces of a ``tf.function``, and ``function_def_to_graph_def``,
by which SavedModels are loaded, makes a graph of a function.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def


@dataclasses.dataclass(frozen=True)
class MapFunction:
    """A function that was given to a transformation of a dataset.

    Attributes:
      name: of the traced function, in the dataset's graph too.
      python: what the user gave.
      traced: its ConcreteFunction.
    """

    name: str
    python: Callable[..., Any]
    traced: Any


def map_functions(dataset: tf.data.Dataset) -> Iterator[MapFunction]:
    """The functions of a dataset and of all its inputs, each dataset once."""
    seen: set[int] = set()
    waiting = [dataset]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        waiting += current._inputs()
        for wrapper in current._functions():
            traced = wrapper.function
            name = traced.name
            yield MapFunction(name.decode() if isinstance(name, bytes) else name, wrapper._func, traced)


def traces(function: Any) -> list[Any]:
    """The ConcreteFunctions of a ``tf.function``; one with an ``input_signature`` is traced if it was not."""
    return list(function._list_all_concrete_functions())


def graph_of(function: Any) -> tuple[tf.compat.v1.GraphDef, list[str], list[str]]:
    """The graph of a FunctionDef and its inputs' and outputs' tensor names; its callees are in the current graph."""
    graph_def, flat = function_def_to_graph_def(function)
    inputs = [flat[argument.name] for argument in function.signature.input_arg]
    outputs = [flat[function.ret[result.name]] for result in function.signature.output_arg]
    return graph_def, inputs, outputs
