"""The artifact type of the constants, so that any TFX component can take them and a run be found by their digest."""

from typing import Any

import tensorflow as tf
from tfx.types.artifact import Artifact

from components.constants import FILE_NAME, DigestError, NormalizationConstants


class ConstantsArtifact(Artifact):
    """A folder with ``constants.json``; ML Metadata knows ``digest``, ``rows`` and ``features`` (how many).

    The type's name is ``namespace.Title``, which Kubeflow demands. In a container there, TFX takes the name for the
    import path of the class: the package ``tfxnorm`` answers to it. The three are custom properties, because TFX 1.16
    compiles no type of ours with declared ones for Kubeflow.
    """

    TYPE_NAME = "tfxnorm.NormalizationConstants"


def write_constants(artifact: Any, constants: NormalizationConstants) -> None:
    """Writes ``constants.json`` into the artifact's folder and states digest, rows and features in its properties.

    Args:
      artifact: a ConstantsArtifact with a URI.
      constants: what to write.
    """
    tf.io.gfile.makedirs(artifact.uri)
    constants.save(f"{artifact.uri}/{FILE_NAME}")
    artifact.set_string_custom_property("digest", constants.digest)
    artifact.set_int_custom_property("rows", constants.rows)
    artifact.set_int_custom_property("features", len(constants))


def read_constants(artifact: Any) -> NormalizationConstants:
    """What ``write_constants`` wrote.

    Raises:
      DataError: nothing readable there.
      DigestError: the file was edited, or it is not the one that was registered with the artifact.
    """
    constants = NormalizationConstants.load(artifact.uri)
    registered = artifact.get_string_custom_property("digest")
    if registered and registered != constants.digest:
        raise DigestError(
            f"The artifact at {artifact.uri} is registered with digest {registered}, but the constants there have "
            f"{constants.digest}. The file was replaced: analyse again."
        )
    return constants
