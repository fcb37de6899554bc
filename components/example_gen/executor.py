"""The executor of ArrowExampleGen: execution properties to a plan, the plan through Beam, totals to the artifact."""

import json
import os
import posixpath
from collections.abc import Callable
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from tfx import types
from tfx.components.example_gen import base_example_gen_executor, utils, write_split
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.errors import DataError, input_error_in
from components.example_gen import image_folder, tables
from components.example_gen.custom_options import options_of
from components.example_gen.shards import Counts, Plan, Shard, Source, WriteShards, publish
from components.example_gen.window import OpenWindow, WindowOptions
from components.step_settings import with_settings
from schemas.loader import load_schema

_SCHEMA_FILE = "schema.pbtxt"
_SUMMARY = "summary.json"


class Executor(base_example_gen_executor.BaseExampleGenExecutor):  # type: ignore[misc]
    """Reads tables by Arrow and writes the standard layout of an Examples artifact."""

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Not used: rows never are Beam elements here."""
        raise NotImplementedError("ArrowExampleGen writes whole files in Do; it has no PTransform of single rows.")

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes ``Split-<name>/*data_tfrecord-*.gz`` and custom properties: rows_read, rows_<split>..., spans...

        Raises:
          DataError: data that cannot be read as declared, in one line.
          SchemaError: a schema that cannot be used.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs = _proto(exec_properties, standard_component_specs.INPUT_CONFIG_KEY, example_gen_pb2.Input())
        outputs = _proto(exec_properties, standard_component_specs.OUTPUT_CONFIG_KEY, example_gen_pb2.Output())
        options, base = options_of(exec_properties), exec_properties[standard_component_specs.INPUT_BASE_KEY]
        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        split_names = utils.generate_output_split_names(inputs, outputs)
        artifact.split_names = artifact_utils.encode_split_names(split_names)

        work = posixpath.join(artifact.uri, ".temp-ingestion")
        uris = {name: artifact_utils.get_split_uri([artifact], name) for name in split_names}
        window = WindowOptions.of(with_settings(options), base)
        tf.io.gfile.makedirs(work)
        try:
            if window is None:
                sources = _image_sources if options.get("data_format") == image_folder.FORMAT else _sources
                totals = self._write(sources(base, inputs, outputs, work), outputs, options, work, uris, base)
            else:
                totals = self._write_window(window, inputs, outputs, options, work, uris, artifact)
        except Exception as error:
            message = input_error_in(error)
            if message is None:
                raise
            raise DataError(message) from error
        finally:
            tf.io.gfile.rmtree(work)

        for name, rows in totals.items():
            artifact.set_int_custom_property(name, rows)
        _describe(artifact, exec_properties)

    def _write(
        self,
        sources: list[Source],
        outputs: example_gen_pb2.Output,
        options: dict[str, Any],
        work: str,
        split_uris: dict[str, str],
        base: str,
    ) -> dict[str, int]:
        reading = _Reading.of(options)
        paths = [source.path for source in sources]
        if reading.data_format == image_folder.FORMAT:
            types = image_folder.plan_types(reading.declared, base)
        else:
            types = tables.plan_types(
                paths, reading.data_format, reading.declared, reading.optional, reading.null_values
            )
        totals = self._run(sources, _plan(types, reading, outputs, work), publish, split_uris)
        return dict(totals)

    def _write_window(
        self,
        options: WindowOptions,
        inputs: example_gen_pb2.Input,
        outputs: example_gen_pb2.Output,
        custom: dict[str, Any],
        work: str,
        split_uris: dict[str, str],
        artifact: types.Artifact,
    ) -> dict[str, int]:
        reading, window = _Reading.of(custom), OpenWindow(options)
        found = window.types(reading.data_format, reading.declared, reading.optional, reading.null_values)
        plan = _plan(found, reading, outputs, work)

        def convert(sources: list[Source]) -> list[Shard | Counts]:
            listed = self._run(sources, plan, _listed)
            return [*(Shard(*shard) for shard in listed["shards"]), *(Counts(*counts) for counts in listed["counts"])]

        written = window.write(plan, [split.name for split in inputs.splits], split_uris, convert)
        artifact.set_string_custom_property("spans", json.dumps(written.spans))
        artifact.set_string_custom_property("spans_converted", json.dumps(written.converted))
        artifact.set_int_custom_property("entries_evicted", written.evicted)
        return written.totals

    def _run(self, sources: list[Source], plan: Plan, conclude: Callable[..., Any], *arguments: Any) -> Any:
        """What ``conclude`` makes of all that was written, by way of a file, because a runner returns nothing."""
        path = posixpath.join(plan.work, _SUMMARY)
        with self._make_beam_pipeline() as pipeline:
            written = (
                pipeline
                | "Files" >> beam.Create(sources)
                | "OneWorkerAFile" >> beam.Reshuffle()
                | "WriteShards" >> beam.ParDo(WriteShards(plan))
            )
            (
                pipeline
                | "Once" >> beam.Create([None])
                | "Conclude" >> beam.Map(conclude, beam.pvalue.AsList(written), *arguments)
                | "Summary" >> beam.Map(_write_json, path)
            )
        with tf.io.gfile.GFile(path) as file:
            return json.loads(file.read())


class _Reading(NamedTuple):
    """How tables are read, from the node's options and its schema."""

    data_format: str
    declared: dict[str, str]
    optional: frozenset[str]
    null_values: tuple[str, ...]
    require: tuple[str, ...]

    @classmethod
    def of(cls, options: dict[str, Any]) -> "_Reading":
        """A schema is read where one is named."""
        declared: dict[str, str] = {}
        optional: frozenset[str] = frozenset()
        if options.get("schema_uri"):
            schema = load_schema(_schema_file(options["schema_uri"]))
            declared, optional = tables.column_types_of_schema(schema), tables.optional_columns_of_schema(schema)
        null_values = tuple(options.get("null_values", tables.DEFAULT_NULL_VALUES))
        return cls(
            options.get("data_format", "csv"), declared, optional, null_values, tuple(options.get("require", ()))
        )


def _listed(_: None, results: list[Shard | Counts]) -> dict[str, list[Any]]:
    """All results, for JSON."""
    return {
        "shards": [result for result in results if isinstance(result, Shard)],
        "counts": [result for result in results if isinstance(result, Counts)],
    }


def _sources(
    input_base: str, inputs: example_gen_pb2.Input, outputs: example_gen_pb2.Output, work: str
) -> list[Source]:
    by_hash = bool(outputs.split_config.splits)
    found = [
        (path, None if by_hash else split.name)
        for split in inputs.splits
        for path in tables.list_files(os.path.join(input_base, split.pattern))
    ]
    return [Source(index, path, split) for index, (path, split) in enumerate(found)]


def _image_sources(
    input_base: str, inputs: example_gen_pb2.Input, outputs: example_gen_pb2.Output, work: str
) -> list[Source]:
    """Lists of images; of a pattern such as ``train/*/*`` the folder before the first wildcard is the root."""
    by_hash = bool(outputs.split_config.splits)
    found = []
    for split in inputs.splits:
        root = posixpath.join(input_base, split.pattern.partition("*")[0])
        folder = posixpath.join(work, f"lists-{split.name}")
        tf.io.gfile.makedirs(folder)
        paths = image_folder.write_lists(image_folder.list_images(root), folder)
        found += [(path, None if by_hash else split.name) for path in paths]
    return [Source(index, path, split) for index, (path, split) in enumerate(found)]


def _plan(kinds: dict[str, str], reading: _Reading, outputs: example_gen_pb2.Output, work: str) -> Plan:
    config = outputs.split_config
    partition = config.partition_feature_name or None
    required = ((name, "required") for name in reading.require)
    for name, role in [*required, *([(partition, "partition")] if partition else [])]:
        if name not in kinds:
            raise DataError(f"The {role} column {name!r} is not in the data. The columns are {', '.join(kinds)}.")
    buckets = {split.name: split.hash_buckets for split in config.splits}
    return Plan(reading.data_format, kinds, reading.null_values, reading.require, buckets, partition, work)


def _schema_file(uri: str) -> str:
    return posixpath.join(uri, _SCHEMA_FILE) if tf.io.gfile.isdir(uri) else uri


def _proto(exec_properties: dict[str, Any], key: str, message: Any) -> Any:
    if exec_properties.get(key):
        proto_utils.json_to_proto(exec_properties[key], message)
    return message


def _write_json(totals: Any, path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(totals))


def _describe(artifact: types.Artifact, exec_properties: dict[str, Any]) -> None:
    payload_format = exec_properties.get(standard_component_specs.OUTPUT_DATA_FORMAT_KEY)
    if payload_format:
        examples_utils.set_payload_format(artifact, payload_format)
    file_format = exec_properties.get(standard_component_specs.OUTPUT_FILE_FORMAT_KEY)
    if file_format:
        examples_utils.set_file_format(artifact, write_split.to_file_format_str(file_format))
