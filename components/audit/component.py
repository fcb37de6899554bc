"""ConstantsAudit: the constants in the graph are the statistics of the data, or the run stops."""

import os

import tensorflow as tf
from absl import logging
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, ExampleStatistics, TransformGraph

from components.artifacts import CheckBlessing, write_verdict
from components.audit.account import Shard
from components.audit.audit import Evidence, audit
from components.audit.statistics import dataset_of
from components.frozen import FrozenTransform, graph_file
from components.frozen.freeze import FrozenGraph, freeze
from components.frozen.record_files import matching_files
from components.rows_read import RowsRead
from components.verdict import stop_unless_blessed

SAMPLE_BYTES = 2**30  # about 110 CPU seconds, by 11 µs for a row of 20 columns; smaller splits are recounted whole


@component
def ConstantsAudit(
    examples: InputArtifact[list[Examples]],
    statistics: InputArtifact[list[ExampleStatistics]],
    transform_graph: InputArtifact[TransformGraph],
    blessing: OutputArtifact[CheckBlessing],
    split: Parameter[str] = "train",
    sample_bytes: Parameter[int] = SAMPLE_BYTES,
    seed: Parameter[int] = 0,
    code_digest: Parameter[str] = "",
) -> None:
    """Stops the run unless the graph holds the statistics of the split, to the last bit.

    ``split`` is what was analysed; several names are separated by commas. ``examples`` may be several artifacts, with
    ``statistics`` of each. ``sample_bytes`` bounds the shards that are recounted; with 0 none is, and the constants are
    held against the graph, the reader's account and the statistics only. ``code_digest`` only enters the cache key, so
    that another release audits again.

    Raises:
      CheckFailedError: listing every finding.
    """
    frozen = FrozenTransform.load(transform_graph.uri)
    splits = split.split(",")
    evidence = Evidence(
        shards=[shard for artifact in examples for name in splits for shard in _shards(artifact, name)],
        statistics=_statistics(statistics),
        splits=splits,
        sample_bytes=sample_bytes,
        seed=seed,
        account=RowsRead.load(transform_graph.uri),
        recorded=_recorded(examples, splits),
        applied=_applied(transform_graph.uri),
    )
    verdict = audit(frozen, evidence)
    write_verdict(blessing, verdict, frozen.digest)
    stop_unless_blessed(verdict)
    logging.info("ConstantsAudit: %d features, %d shards: nothing.", len(frozen.constants), len(evidence.shards))


def _applied(graph: str) -> FrozenGraph | None:
    """NormalizingTransform leaves both; of the stock Transform's the frozen graph was made a moment ago."""
    return freeze(f"{graph}/transform_fn") if graph_file.is_there(graph) else None


def _shards(examples: Examples, split: str) -> list[Shard]:
    paths = matching_files(os.path.join(artifact_utils.get_split_uri([examples], split), "*"))
    return [Shard(path, split, int(tf.io.gfile.stat(path).length)) for path in paths]


def _statistics(artifacts: list[ExampleStatistics]) -> dict[str, list[statistics_pb2.DatasetFeatureStatistics]]:
    by_split: dict[str, list[statistics_pb2.DatasetFeatureStatistics]] = {}
    for artifact in artifacts:
        for name in artifact_utils.decode_split_names(artifact.split_names):
            path = os.path.join(artifact.uri, f"Split-{name}", "FeatureStats.pb")
            with tf.io.gfile.GFile(path, "rb") as file:
                by_split.setdefault(name, []).append(dataset_of(file.read(), path))
    return by_split


def _recorded(examples: list[Examples], splits: list[str]) -> int | None:
    """Rows of the splits as ArrowExampleGen records them; None where an artifact says nothing."""
    names = [f"rows_{split}" for split in splits]
    if not all(artifact.has_custom_property(name) for artifact in examples for name in names):
        return None
    return sum(artifact.get_int_custom_property(name) for artifact in examples for name in names)
