"""AnomalyGate: ExampleValidator reports and goes on; this component stops the run."""

import os

import tensorflow as tf
from absl import logging
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies

from components.anomalies.gate import stop_on_anomalies


@component
def AnomalyGate(
    anomalies: InputArtifact[ExampleAnomalies],
    code_digest: Parameter[str] = "",
) -> None:
    """Stops the run unless every split is free of anomalies of severity ERROR.

    ``code_digest`` only enters the cache key, so that another release checks again.

    Raises:
      AnomaliesError: listing split, feature and finding.
    """
    found = {
        split: read_anomalies(anomalies.uri, split)
        for split in artifact_utils.decode_split_names(anomalies.split_names)
    }
    stop_on_anomalies(found)
    logging.info("AnomalyGate: %d splits checked, none has anomalies.", len(found))


def read_anomalies(uri: str, split: str) -> anomalies_pb2.Anomalies:
    """The ExampleValidator's finding for one split."""
    path = os.path.join(uri, f"Split-{split}", "SchemaDiff.pb")
    with tf.io.gfile.GFile(path, "rb") as file:
        return anomalies_pb2.Anomalies.FromString(file.read())
