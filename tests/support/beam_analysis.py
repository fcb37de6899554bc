"""Analyses through tf.Transform on a Beam runner, with what its counters say."""

import dataclasses
import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from graph_tables import Row, write_records
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from components.constants import NormalizationConstants
from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform
from components.transform.analyze import analyze
from components.transform.preprocessing import preprocessing_fn

IN_MEMORY = ("--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",)


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What a run gave: constants, and counters by name (``tfx_norm``'s and tf.Transform's own)."""

    constants: NormalizationConstants
    counters: Mapping[str, int]


def write_shards(schema: str, rows: Sequence[Row], shards: int, folder: Path) -> list[str]:
    """The rows dealt out to so many TFRecord files."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = FeaturePlan.from_schema(_proto(schema))
    return [str(write_records(plan, rows[i::shards], folder / f"{i}-of-{shards}.tfrecord")) for i in range(shards)]


def in_process(schema: str, files: Sequence[str]) -> NormalizationConstants:
    """``analyze`` without a runner."""
    return analyze(files, _proto(schema), engine="in_process").constants


def analysis(schema: str, files: Sequence[str], beam_args: Sequence[str], batch_size: int) -> Analysis:
    """``AnalyzeDataset`` over all files."""
    with tempfile.TemporaryDirectory() as folder:
        with _pipeline(beam_args) as pipeline, tft_beam.Context(temp_dir=folder):
            source = _source(schema, files)
            data = pipeline | source.BeamSource(batch_size)
            transform = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(_preprocessing_fn(schema))
            _ = transform | tft_beam.WriteTransformFn(folder)
        return Analysis(FrozenTransform.load(folder).constants, _counters(pipeline))


def analysis_with_cache(
    schema: str, spans: Mapping[str, Sequence[str]], beam_args: Sequence[str], batch_size: int, cache: Path
) -> Analysis:
    """``AnalyzeDatasetWithCache`` over the files by span; reads and writes the folder ``cache``."""
    files_by_key = {tft_beam.analyzer_cache.DatasetKey(name): files for name, files in spans.items()}
    with tempfile.TemporaryDirectory() as folder:
        with _pipeline(beam_args) as pipeline, tft_beam.Context(temp_dir=folder):
            data, config = {}, None
            for key, files in files_by_key.items():
                source = _source(schema, files)
                config = source.TensorAdapterConfig()
                data[key] = pipeline | f"Read {key.key}" >> source.BeamSource(batch_size)
            known = pipeline | tft_beam.analyzer_cache.ReadAnalysisCacheFromFS(str(cache), list(files_by_key))
            step = tft_beam.AnalyzeDatasetWithCache(_preprocessing_fn(schema), pipeline=pipeline)
            transform, found = (data, known, config) | step
            _ = found | tft_beam.analyzer_cache.WriteAnalysisCacheToFS(pipeline, str(cache))
            _ = transform | tft_beam.WriteTransformFn(folder)
        return Analysis(FrozenTransform.load(folder).constants, _counters(pipeline))


def pipeline_proto(schema: str) -> Any:
    """The pipeline of ``analysis`` as a runner gets it; nothing runs."""
    with tempfile.TemporaryDirectory() as folder, tft_beam.Context(temp_dir=folder):
        pipeline = _pipeline(IN_MEMORY)
        source = _source(schema, ["unread.tfrecord"])
        data = pipeline | beam.Create([])
        transform = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(_preprocessing_fn(schema))
        _ = transform | tft_beam.WriteTransformFn(folder)
        return pipeline.to_runner_api()


def cache_keys(schema: str) -> set[bytes]:
    """The keys under which tf.Transform would cache the analysis of a data set; nothing runs."""
    with tempfile.TemporaryDirectory() as folder, tft_beam.Context(temp_dir=folder):
        pipeline = _pipeline(IN_MEMORY)
        key = tft_beam.analyzer_cache.DatasetKey("span")
        config = _source(schema, ["unread.tfrecord"]).TensorAdapterConfig()
        step = tft_beam.AnalyzeDatasetWithCache(_preprocessing_fn(schema), pipeline=pipeline)
        _, found = ({key: pipeline | beam.Create([])}, {}, config) | step
        return set(found[key].cache_dict)


def _pipeline(beam_args: Sequence[str]) -> beam.Pipeline:
    return beam.Pipeline(argv=list(beam_args))


def _source(schema: str, files: Sequence[str]) -> tfxio.TFExampleRecord:
    return tfxio.TFExampleRecord(list(files), schema=_proto(schema), telemetry_descriptors=["test"])


def _preprocessing_fn(schema: str) -> Any:
    config = {"feature_plan": FeaturePlan.from_schema(_proto(schema)).to_json()}
    return functools.partial(preprocessing_fn, custom_config=config)


def _proto(schema: str) -> schema_pb2.Schema:
    return text_format.Parse(schema, schema_pb2.Schema())


def _counters(pipeline: beam.Pipeline) -> dict[str, int]:
    counters = pipeline.result.metrics().query()["counters"]
    totals: dict[str, int] = {}
    for counter in counters:
        name = counter.key.metric.name
        # The job service reports what was attempted, the runner in this process what was committed as well.
        seen = counter.attempted if counter.committed is None else counter.committed
        totals[name] = totals.get(name, 0) + seen
    return totals
