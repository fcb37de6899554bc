"""``analyze``: from TFRecords of tf.Examples to a FrozenTransform, without a pipeline."""

import os
import tempfile
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.constants import NormalizationConstants
from components.errors import ConfigError, DataError
from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform, damage
from components.frozen.record_files import Files, compression_of, matching_files
from components.moments.columns import SparseParts
from components.moments.finish import finish
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import TableStatistics, columns_read
from components.transform.trace import frozen_graph, raw_feature_spec
from schemas.loader import load_schema

# Rows parsed at once: enough for the fixed cost of a call to vanish, few enough for 2,000 features in memory.
_BATCH = 8_192


def analyze(
    files_or_pattern: Files,
    schema: str | os.PathLike[str] | schema_pb2.Schema,
    *,
    engine: Literal["in_process", "beam"] = "in_process",
    beam_args: Sequence[str] = (),
) -> FrozenTransform:
    """Computes the constants of all rows, exactly, and freezes them into a transform.

    Args:
      files_or_pattern: TFRecord files of tf.Examples (names that end in ``.gz`` are gzip), or a glob.
      schema: annotated as ``schemas/README.md`` says; a path, a URI or the proto.
      engine: ``in_process`` reads and accumulates here, without a runner; ``beam`` runs the tf.Transform analyzer. The
        same accumulator, the same graph, the same bits.
      beam_args: Beam's, for the engine ``beam``.

    Raises:
      DataError: no file, a damaged one, or data that the plan does not allow.
      SchemaError: a schema that cannot be used.
      ConfigError: an unknown engine, or Beam's arguments without it.
    """
    proto = schema if isinstance(schema, schema_pb2.Schema) else load_schema(schema)
    plan, files = FeaturePlan.from_schema(proto), matching_files(files_or_pattern)
    if engine == "in_process" and beam_args:
        raise ConfigError(f"beam_args {list(beam_args)} are for engine='beam'; engine='in_process' runs no Beam.")
    if engine == "in_process":
        constants = finish(plan, read_statistics(files, plan))
    elif engine == "beam":
        constants = _by_beam(files, proto, plan, beam_args)
    else:
        raise ConfigError(f"engine must be 'in_process' or 'beam' but is {engine!r}.")
    return FrozenTransform(frozen_graph(constants))


def read_statistics(files: Sequence[str], plan: FeaturePlan, batch_size: int = _BATCH) -> TableStatistics:
    """The exact statistics of all rows, read and parsed by TensorFlow's own kernels; no runner.

    Raises:
      DataError: a file that cannot be read, by name; a row that lacks a column that the schema requires.
    """
    tree = MergeTree(plan)
    names = {feature.name for feature in columns_read(plan)}
    spec = {name: form for name, form in raw_feature_spec(plan).items() if name in names}

    @tf.autograph.experimental.do_not_convert
    def parse(rows: tf.Tensor) -> dict[str, Any]:
        parsed: dict[str, Any] = tf.io.parse_example(rows, spec)
        return parsed

    for file in files:
        records = tf.data.TFRecordDataset(file, compression_of(file), buffer_size=8 << 20)
        batches = records.batch(batch_size).map(parse, num_parallel_calls=2)
        try:
            with damage.named([file], parse):
                for batch in batches.prefetch(2):
                    columns = [_parts(batch[feature.name]) for feature in columns_read(plan)]
                    tree.add(TableStatistics.of(plan, columns))
        except tf.errors.OpError as error:
            raise DataError(f"Cannot read {file}: {error.message.splitlines()[0]}") from error
    return tree.merged()


def _parts(column: Any) -> Any:
    if isinstance(column, tf.SparseTensor):
        return SparseParts(column.indices.numpy(), column.values.numpy(), column.dense_shape.numpy())
    return column.numpy()


def _by_beam(
    files: Sequence[str], schema: schema_pb2.Schema, plan: FeaturePlan, beam_args: Sequence[str]
) -> NormalizationConstants:
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from tfx_bsl.public import tfxio

    from components.transform.preprocessing import preprocessing_fn

    custom_config = {"feature_plan": plan.to_json()}
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(argv=list(beam_args)) as pipeline, tft_beam.Context(temp_dir=folder):
            source = tfxio.TFExampleRecord(list(files), schema=schema, telemetry_descriptors=["tfx_norm"])
            transform = (pipeline | source.BeamSource(), source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
                lambda inputs: preprocessing_fn(inputs, custom_config)
            )
            _ = transform | tft_beam.WriteTransformFn(folder)
        return FrozenTransform.load(folder).constants
