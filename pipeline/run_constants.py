"""The constants behind a TransformGraph artifact, whoever wrote it."""

import functools
from pathlib import Path

from components.constants import FILE_NAME, NormalizationConstants
from components.errors import DataError


@functools.cache
def constants_of(transform_graph_uri: str) -> NormalizationConstants | None:
    """The artifact's constants file, or what is in its graph; None for a graph that normalizes nothing.

    An artifact never changes, so each is read once.
    """
    if (Path(transform_graph_uri) / FILE_NAME).exists():
        return NormalizationConstants.load(transform_graph_uri)
    from components.frozen import FrozenTransform

    try:
        return FrozenTransform.load(transform_graph_uri).constants
    except DataError:
        return None
