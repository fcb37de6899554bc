"""The artifact types: constants, so that a run can be found by their digest, and blessings of the checks on them."""

from typing import Any

import tensorflow as tf
from tfx.types.artifact import Artifact

from components.constants import FILE_NAME, DigestError, NormalizationConstants
from components.errors import DataError
from components.verdict import FILE_NAME as VERDICT_NAME
from components.verdict import Verdict


class ConstantsArtifact(Artifact):
    """A folder with ``constants.json``; ML Metadata knows ``digest``, ``rows`` and ``features`` (how many).

    Of an analysis also what it read, ``components.span_counters``.

    The type's name is ``namespace.Title``, which Kubeflow demands. In a container there, TFX takes the name for the
    import path of the class: the package ``tfxnorm`` answers to it. All are custom properties, because TFX 1.16
    compiles no type of ours with declared ones for Kubeflow.
    """

    TYPE_NAME = "tfxnorm.NormalizationConstants"


class CheckBlessing(Artifact):
    """A folder with ``verdict.json``; ML Metadata knows ``check``, ``blessed`` (1 or 0) and ``digest``.

    A check that fails raises, so that every orchestrator stops there; the artifact of a failed step is registered by
    none, but the file is there for a person to read.
    """

    TYPE_NAME = "tfxnorm.CheckBlessing"


class RunReportArtifact(Artifact):
    """A folder with ``report.html``, one page that needs no network."""

    TYPE_NAME = "tfxnorm.RunReport"


def write_verdict(artifact: Any, verdict: Verdict, digest: str = "") -> None:
    """Writes ``verdict.json`` into the artifact's folder and states what it says in the properties.

    Args:
      artifact: a CheckBlessing with a URI.
      verdict: of the check.
      digest: of the constants that were checked.
    """
    tf.io.gfile.makedirs(artifact.uri)
    with tf.io.gfile.GFile(f"{artifact.uri}/{VERDICT_NAME}", "w") as file:
        file.write(verdict.to_json())
    artifact.set_string_custom_property("check", verdict.check)
    artifact.set_int_custom_property("blessed", int(verdict.blessed))
    artifact.set_string_custom_property("digest", digest)


def read_verdict(uri: str) -> Verdict:
    """What ``write_verdict`` wrote.

    Raises:
      DataError: nothing readable there.
    """
    path = f"{uri.rstrip('/')}/{VERDICT_NAME}"
    try:
        with tf.io.gfile.GFile(path) as file:
            return Verdict.from_json(file.read(), path)
    except tf.errors.OpError as error:
        raise DataError(f"No verdict at {path}: {error.message}") from error


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
    for name in ("source", "source_digest", "source_schema_digest", "source_code_version"):  # of pinned constants
        if value := getattr(constants.provenance, name):
            artifact.set_string_custom_property(name, value)


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
