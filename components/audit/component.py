"""ConstantsAudit: the constants in the graph are the statistics of the data, or the run stops."""

import os

import tensorflow as tf
from absl import logging
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, ExampleStatistics, TransformGraph

from components.artifacts import CheckBlessing, write_verdict
from components.audit.audit import Evidence, audit
from components.audit.statistics import dataset_of
from components.frozen import FrozenTransform
from components.frozen.record_files import matching_files
from components.verdict import stop_unless_blessed

SAMPLE_BYTES = 2**30  # 80 CPU seconds, by 1.3 for 18 MB of flights; smaller splits are recounted whole


@component
def ConstantsAudit(
    examples: InputArtifact[Examples],
    statistics: InputArtifact[ExampleStatistics],
    transform_graph: InputArtifact[TransformGraph],
    blessing: OutputArtifact[CheckBlessing],
    split: Parameter[str] = "train",
    sample_bytes: Parameter[int] = SAMPLE_BYTES,
    seed: Parameter[int] = 0,
    code_digest: Parameter[str] = "",
) -> None:
    """Stops the run unless the graph holds the statistics of the split, to the last bit.

    ``code_digest`` only enters the cache key, so that another release audits again.

    Raises:
      CheckFailedError: listing every finding.
    """
    frozen = FrozenTransform.load(transform_graph.uri)
    files = matching_files(os.path.join(artifact_utils.get_split_uri([examples], split), "*"))
    by_split = {}
    for name in artifact_utils.decode_split_names(statistics.split_names):
        path = os.path.join(statistics.uri, f"Split-{name}", "FeatureStats.pb")
        with tf.io.gfile.GFile(path, "rb") as file:
            by_split[name] = dataset_of(file.read(), path)
    verdict = audit(frozen, Evidence(files, by_split, split, sample_bytes, seed))
    write_verdict(blessing, verdict, frozen.digest)
    stop_unless_blessed(verdict)
    logging.info("ConstantsAudit: %d features, %d shards, nothing found.", len(frozen.constants), len(files))
