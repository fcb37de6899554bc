"""A frozen graph as two files in a folder: ``frozen_transform.pb`` and ``constants.json``, which names its SHA-256.

The graph is a ``MetaGraphDef`` whose one signature names the tensors of every raw feature and every model tensor, so
that reading it takes no SavedModel loader, no eager mode and no tensorflow_transform.
"""

import hashlib
import os

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.constants import FILE_NAME as CONSTANTS_NAME
from components.constants import DigestError, NormalizationConstants
from components.errors import DataError
from components.frozen.freeze import FrozenGraph

GRAPH_NAME = "frozen_transform.pb"
_SIGNATURE = "transform_features"


def is_there(folder: str) -> bool:
    """Whether a folder holds a frozen graph."""
    return bool(tf.io.gfile.exists(f"{folder}/{GRAPH_NAME}"))


def read(folder: str) -> FrozenGraph:
    """What ``write`` wrote.

    Raises:
      DataError: a file is missing or is not what its name says.
      DigestError: see ``decode``.
    """
    constants = NormalizationConstants.load(folder)
    try:
        with tf.io.gfile.GFile(f"{folder}/{GRAPH_NAME}", "rb") as file:
            return decode(file.read(), constants, folder)
    except (tf.errors.OpError, DecodeError) as error:
        raise DataError(f"No frozen graph can be read from {folder}/{GRAPH_NAME}: {error}") from error


def write(graph: FrozenGraph, folder: str) -> tuple[str, str]:
    """Writes both files, each whole or not at all, and returns their paths: graph, constants."""
    text, constants = encode(graph)
    tf.io.gfile.makedirs(folder)
    contents = {f"{folder}/{GRAPH_NAME}": text, f"{folder}/{CONSTANTS_NAME}": constants.to_json().encode()}
    for path, content in contents.items():
        temporary = f"{path}.{os.getpid()}"
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(temporary, path, overwrite=True)
    graph_path, constants_path = contents
    return graph_path, constants_path


def encode(graph: FrozenGraph) -> tuple[bytes, NormalizationConstants]:
    """The bytes of the graph file, and the constants that name their SHA-256."""
    meta_graph = tf.compat.v1.MetaGraphDef(graph_def=graph.graph_def)
    signature = meta_graph.signature_def[_SIGNATURE]
    for name, placeholders in graph.inputs.items():
        _fill(signature.inputs[name], [f"{placeholder}:0" for placeholder in placeholders])
    for name, tensors in graph.outputs.items():
        _fill(signature.outputs[name], list(tensors))
    text = meta_graph.SerializeToString(deterministic=True)
    return text, graph.constants.with_graph(hashlib.sha256(text).hexdigest())


def decode(text: bytes, constants: NormalizationConstants, source: str) -> FrozenGraph:
    """What ``encode`` made.

    Raises:
      DigestError: the graph is not the one that the constants were written with.
    """
    found = hashlib.sha256(text).hexdigest()
    if constants.graph_sha256 != found:
        raise DigestError(
            f"The constants of {source} were written with a graph of SHA-256 {constants.graph_sha256 or '(none)'}, but "
            f"the graph there has {found}. One of them was edited or replaced: take both from one analysis."
        )
    meta_graph = tf.compat.v1.MetaGraphDef.FromString(text)
    signature = meta_graph.signature_def[_SIGNATURE]
    return FrozenGraph(
        meta_graph.graph_def,
        {name: tuple(n.split(":")[0] for n in _tensor_names(info)) for name, info in signature.inputs.items()},
        {name: _tensor_names(info) for name, info in signature.outputs.items()},
        constants,
    )


def _fill(info: tf.compat.v1.TensorInfo, tensors: list[str]) -> None:
    if len(tensors) == 1:
        info.name = tensors[0]
    else:
        parts = info.coo_sparse
        parts.indices_tensor_name, parts.values_tensor_name, parts.dense_shape_tensor_name = tensors


def _tensor_names(info: tf.compat.v1.TensorInfo) -> tuple[str, ...]:
    if info.WhichOneof("encoding") == "name":
        return (info.name,)
    parts = info.coo_sparse
    return parts.indices_tensor_name, parts.values_tensor_name, parts.dense_shape_tensor_name
