"""``analyze``: from TFRecords of tf.Examples to a FrozenTransform, without a pipeline."""

import os
from collections.abc import Sequence
from typing import Literal

from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ConfigError
from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform
from components.frozen.record_files import Files, matching_files
from components.local_runner import LOCAL_RUNNER_ARG
from components.moments.finish import finish
from components.transform.measured import Measured
from components.transform.trace import frozen_graph
from components.transform.unit_statistics import read_statistics
from schemas.loader import load_schema


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
      engine: ``in_process`` reads and accumulates here, on all cores, without a runner; ``beam`` on a Beam runner. The
        same reader, the same accumulator, the same bits.
      beam_args: Beam's, for the engine ``beam``; its FnApiRunner where they name no runner.

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
        measured = read_statistics(files, plan)
    elif engine == "beam":
        measured = _by_beam(files, plan, beam_args)
    else:
        raise ConfigError(f"engine must be 'in_process' or 'beam' but is {engine!r}.")
    return FrozenTransform(frozen_graph(finish(plan, measured.statistics)))


def _by_beam(files: Sequence[str], plan: FeaturePlan, beam_args: Sequence[str]) -> Measured:
    import apache_beam as beam

    from components.transform.beam_analysis import measure

    args = list(beam_args)
    if not any(word.split("=")[0] == "--runner" for word in args):
        args.append(LOCAL_RUNNER_ARG)
    return measure(files, plan, lambda: beam.Pipeline(argv=args))
