"""The constants in a model, a transform graph, a folder or a file."""

import tensorflow as tf

from components.constants import FILE_NAME, IN_A_MODEL, NormalizationConstants
from components.frozen.transform import FrozenTransform


def stored_constants(where: str) -> NormalizationConstants:
    """Reads a constants file (``*.json``), a folder with one, a model with one among its assets, or a graph.

    Raises:
      DataError: nothing of the kind there.
      DigestError: the constants disagree with each other or with their digest.
    """
    place = where.rstrip("/")
    if place.endswith(".json"):
        return NormalizationConstants.load(place)
    for folder in (place, *(f"{place}/{inside}" for inside in IN_A_MODEL)):
        if tf.io.gfile.exists(f"{folder}/{FILE_NAME}"):
            return NormalizationConstants.load(folder)
    return FrozenTransform.load(place).constants
