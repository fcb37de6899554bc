"""WHERE on the command line: from a run, an artifact, a graph, a model or a file to the constants in it."""

import os
from pathlib import Path

from components.constants import FILE_NAME, IN_A_MODEL, NormalizationConstants
from components.errors import DataError

METADATA_NAME = "metadata.db"
_STOCK_GRAPH = "transform_fn"


def constants_at(where: str | os.PathLike[str]) -> NormalizationConstants:
    """The constants at a place; only a graph that the stock Transform wrote, or a URI, loads TensorFlow.

    The first of these that is there:

    * a constants file (``*.json``);
    * the folder with ``constants.json``: a constants artifact, a frozen folder, a transform graph with frozen graph;
    * an exported or pushed model, or TFX's Model artifact: ``constants.json`` among its assets;
    * a run's folder: the transform graph of the newest run in its ``metadata.db`` that has one;
    * a folder of numbered versions (a serving folder): the highest number, by the rules above and below;
    * a transform graph as the stock Transform wrote it, frozen on the way.

    Only the constants are read: whether a graph or a model beside them agrees is what ``FrozenTransform.load`` and
    ``serve-check`` find out.

    Raises:
      DataError: nothing of the kind there.
      DigestError: the constants disagree with each other or with their digest.
      NotFrozenError: a stock graph with tables, variables or other state.
    """
    place = str(where).rstrip("/") or "/"
    if place.endswith(".json") and not _is_folder(place):
        return NormalizationConstants.load(place)
    found = _in_folder(place)
    if found is None and _is_file(f"{place}/{METADATA_NAME}"):
        found = _in_folder(_newest_graph(place))
    if found is None and (versions := _versions(place)):
        place = f"{place}/{max(versions, key=int)}"
        found = _in_folder(place)
    if found is None:
        raise DataError(
            f"No normalization constants at {place}{'' if _is_folder(place) else ', which is no folder'}. Looked for: "
            f"a file *.json; {FILE_NAME} in a folder (constants, frozen graph, transform graph); assets/{FILE_NAME} (a "
            f"model); Format-Serving (a Model artifact); {METADATA_NAME} (a run's folder); numbered versions (a "
            f"serving folder); {_STOCK_GRAPH} (a transform graph of the stock Transform)."
        )
    return found


def _in_folder(folder: str) -> NormalizationConstants | None:
    for place in (folder, *(f"{folder}/{inside}" for inside in IN_A_MODEL)):
        if _is_file(f"{place}/{FILE_NAME}"):
            return NormalizationConstants.load(place)
    if not _is_folder(f"{folder}/{_STOCK_GRAPH}"):
        return None
    from components.frozen import FrozenTransform

    return FrozenTransform.load(folder).constants


def _newest_graph(root: str) -> str:
    """The folder of the newest run's transform graph, also where the whole root was moved or copied."""
    from pipeline.run_record import newest_output

    graph = newest_output(f"{root}/{METADATA_NAME}", "TransformGraph")
    if graph is None:
        raise DataError(f"No run in {root} has a transform graph yet: its Transform has not finished. Run it first.")
    moved = f"{root}/artifacts/{graph.uri.rpartition('/artifacts/')[2]}"
    place = moved if _is_folder(moved) else graph.uri
    if not _is_folder(place):
        raise DataError(
            f"The transform graph of the newest run in {root} was {graph.uri}, which is gone. Run again, or give a "
            f"pushed model, such as {root}/serving."
        )
    return place


def _versions(folder: str) -> list[str]:
    return [name for name in _names(folder) if name.isdecimal() and _is_folder(f"{folder}/{name}")]


def _is_file(path: str) -> bool:
    if "://" not in path:
        return Path(path).is_file()
    import tensorflow as tf

    return bool(tf.io.gfile.exists(path))


def _is_folder(path: str) -> bool:
    if "://" not in path:
        return Path(path).is_dir()
    import tensorflow as tf

    return bool(tf.io.gfile.isdir(path))


def _names(folder: str) -> list[str]:
    if not _is_folder(folder):
        return []
    if "://" not in folder:
        return os.listdir(folder)
    import tensorflow as tf

    return [str(name).rstrip("/") for name in tf.io.gfile.listdir(folder)]
