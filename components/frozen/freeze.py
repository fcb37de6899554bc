"""A saved transform function -> a GraphDef in which everything the data determined is a ``Const``."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.constants import NormalizationConstants
from components.errors import DataError, NotFrozenError
from components.frozen.bodies import function_body, reached
from components.frozen.offences import message, operations_with_state

_OUTPUT_NAMES = "frozen_output"


@dataclasses.dataclass(frozen=True)
class FrozenGraph:
    """A graph without variables, tables and captures.

    Attributes:
      graph_def: the ops.
      inputs: placeholder names by raw feature: one for a dense column, three (indices, values, dense shape) for a
        sparse one.
      outputs: tensor names (``op:0``) by model name: one, or three (indices, values, dense shape) for a sparse one.
      constants: what the analysis wrote into the graph.
    """

    graph_def: tf.compat.v1.GraphDef
    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, tuple[str, ...]]
    constants: NormalizationConstants


def freeze(saved_model: str) -> FrozenGraph:
    """Freezes the ``transform_fn`` folder of a TransformGraph artifact.

    Raises:
      DataError: not such a folder, or a graph that holds no normalization constants.
      NotFrozenError: a graph with tables, variables or other state, each of them by name.
    """
    if not tf.compat.v1.executing_eagerly_outside_functions():
        raise DataError(
            f"{saved_model} must be frozen before it is loaded without eager execution. Write it once in a process "
            "with eager execution by FrozenTransform.load(...).save(folder), and load that folder."
        )
    try:
        loaded = tf.saved_model.load(saved_model)
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"No transform graph at {saved_model}: {error}") from error
    if not hasattr(loaded, "transform_fn"):
        raise DataError(f"{saved_model} is a SavedModel but holds no transform_fn of tf.Transform (2.x).")
    function = loaded.transform_fn
    function = function.concrete_functions[0] if hasattr(function, "concrete_functions") else function
    _refuse_state(function, saved_model)
    return freeze_function(function, _constants_in(function.graph, _captured(function), saved_model))


def freeze_function(function: Any, constants: NormalizationConstants) -> FrozenGraph:
    """Freezes a concrete function of one dict of raw columns that returns a dict of model tensors.

    Raises:
      NotFrozenError: it has tables, variables or other state.
    """
    _refuse_state(function, "this function")
    graph, values = function.graph, _captured(function)
    placeholders = graph.inputs[: len(graph.inputs) - len(values)]
    raw = tf.nest.pack_sequence_as(graph.structured_input_signature[0][0], placeholders, expand_composites=True)
    inputs = {
        name: tuple(part.op.name for part in tf.nest.flatten(column, expand_composites=True))
        for name, column in raw.items()
    }
    bound = _without_waiting(bind(graph.as_graph_def(), values), {tensor.op.name for tensor in graph.outputs})
    graph_def, names = fold(bound, [tensor.name for tensor in graph.outputs])
    remaining = iter(names)
    outputs = {
        name: tuple(next(remaining) for _ in tf.nest.flatten(graph.structured_outputs[name], expand_composites=True))
        for name in sorted(graph.structured_outputs)
    }
    return FrozenGraph(graph_def, inputs, outputs, constants)


def _refuse_state(function: Any, source: str) -> None:
    library, body = function_body(function)
    bodies = reached(library, body)
    found = [offence for inner in bodies for offence in operations_with_state(inner, f"the graph of {source}")]
    if found:
        raise NotFrozenError(message(found))


def _captured(function: Any) -> dict[str, Any]:
    """What a concrete function captures, by the placeholder that stands for it."""
    captured = list(function.captured_inputs)
    placeholders = function.graph.inputs[len(function.graph.inputs) - len(captured) :]
    return {
        placeholder.op.name: tf.get_static_value(value)
        for placeholder, value in zip(placeholders, captured, strict=True)
    }


def bind(graph_def: tf.compat.v1.GraphDef, values: Mapping[str, object]) -> tf.compat.v1.GraphDef:
    """The graph with the named placeholders replaced by ``Const`` nodes of these values."""
    bound = tf.compat.v1.GraphDef()
    bound.CopyFrom(graph_def)
    for node in bound.node:
        if node.name in values:
            dtype = tf.dtypes.as_dtype(node.attr["dtype"].type)
            node.CopyFrom(_const(node.name, values[node.name], dtype))
    return bound


def _without_waiting(graph_def: tf.compat.v1.GraphDef, outputs: set[str]) -> tf.compat.v1.GraphDef:
    """The graph with outputs that wait for nothing but their own inputs.

    ``tf.function`` makes each returned identity wait for every stateful op of the function, the check of a label among
    them; a check that an output itself needs sits in its inputs.
    """
    for node in graph_def.node:
        if node.name in outputs:
            data = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(data)
    return graph_def


def fold(graph_def: tf.compat.v1.GraphDef, outputs: list[str]) -> tuple[tf.compat.v1.GraphDef, list[str]]:
    """Evaluates everything that depends on constants alone, and drops what the outputs do not need.

    Returns:
      The folded graph, and the outputs' tensor names in it (identity ops, so that a folded output has a name too).
    """
    with tf.Graph().as_default() as graph:
        tensors = tf.graph_util.import_graph_def(graph_def, return_elements=outputs, name="")
        ends = [tf.identity(tensor, name=f"{_OUTPUT_NAMES}_{i}") for i, tensor in enumerate(tensors)]
        known: set[str] = set()
        frontier: set[tf.Tensor] = set()
        for op in graph.get_operations():
            free = op.type in ("Placeholder", "NoOp") or op.op_def.is_stateful
            if not free and all(x.op.name in known for x in op.inputs) and _names(op.control_inputs) <= known:
                known.add(op.name)
            else:
                frontier |= {x.ref() for x in op.inputs if x.op.name in known and x.op.type != "Const"}
        tensors_to_fold = [ref.deref() for ref in sorted(frontier, key=lambda ref: ref.deref().name)]
        with tf.compat.v1.Session(graph=graph) as session:
            values = session.run(tensors_to_fold)
        folded = graph.as_graph_def()
    consts = {
        tensor.name: _const(f"folded_{i}", value, tensor.dtype)
        for i, (tensor, value) in enumerate(zip(tensors_to_fold, values, strict=True))
    }
    for node in folded.node:
        for at, name in enumerate(node.input):
            if not name.startswith("^"):
                full = name if ":" in name else f"{name}:0"
                if full in consts:
                    node.input[at] = consts[full].name
    folded.node.extend(consts.values())
    names = [end.op.name for end in ends]
    return tf.compat.v1.graph_util.extract_sub_graph(folded, names), [f"{name}:0" for name in names]


def _names(operations: list[tf.Operation]) -> set[str]:
    return {operation.name for operation in operations}


def _const(name: str, value: object, dtype: tf.DType) -> tf.compat.v1.NodeDef:
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype=dtype))
    return node


def _constants_in(graph: tf.Graph, values: Mapping[str, Any], source: str) -> NormalizationConstants:
    """The constants that the analyzer put at the head of a string vector (``components.moments.wire``)."""
    strings = [value for value in values.values() if getattr(value, "dtype", None) == np.object_]
    strings += [
        tf.get_static_value(op.outputs[0])
        for op in graph.get_operations()
        if op.type == "Const" and op.outputs[0].dtype == tf.string
    ]
    found = {
        vector[0]: NormalizationConstants.from_json(vector[0], source)
        for vector in strings
        if vector.ndim == 1 and vector.size and b'"format_version"' in vector[0][:100]
    }
    if len(found) > 1:
        raise DataError(
            f"{source} holds {len(found)} different sets of constants: its preprocessing_fn called global_moments more "
            "than once. Measure all features in one call, by one plan."
        )
    if not found:
        raise DataError(f"{source} holds no normalization constants: its preprocessing_fn did not call global_moments.")
    return next(iter(found.values()))
