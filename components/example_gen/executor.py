"""The executor of ArrowExampleGen: execution properties to a plan, the plan through Beam, totals to the artifact."""

import json
import os
import posixpath
from typing import Any

import apache_beam as beam
import tensorflow as tf
from google.protobuf import json_format, struct_pb2
from tfx import types
from tfx.components.example_gen import base_example_gen_executor, utils, write_split
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.errors import DataError, input_error_in
from components.example_gen import tables
from components.example_gen.shards import Plan, Source, WriteShards, publish
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
        """Writes ``Split-<name>/data_tfrecord-*.gz`` and the totals as custom properties (rows_read, rows_<split>...).

        Raises:
          DataError: data that cannot be read as declared, in one line.
          SchemaError: a schema that cannot be used.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs = _proto(exec_properties, standard_component_specs.INPUT_CONFIG_KEY, example_gen_pb2.Input())
        outputs = _proto(exec_properties, standard_component_specs.OUTPUT_CONFIG_KEY, example_gen_pb2.Output())
        options = _options(exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        split_names = utils.generate_output_split_names(inputs, outputs)
        artifact.split_names = artifact_utils.encode_split_names(split_names)

        work = posixpath.join(artifact.uri, ".temp-ingestion")
        sources = _sources(exec_properties[standard_component_specs.INPUT_BASE_KEY], inputs, outputs)
        plan = _plan(sources, outputs, options, work)
        uris = {name: artifact_utils.get_split_uri([artifact], name) for name in split_names}
        tf.io.gfile.makedirs(work)
        try:
            self._run(sources, plan, uris)
            with tf.io.gfile.GFile(posixpath.join(work, _SUMMARY)) as file:
                totals = json.loads(file.read())
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

    def _run(self, sources: list[Source], plan: Plan, split_uris: dict[str, str]) -> None:
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
                | "Publish" >> beam.Map(publish, beam.pvalue.AsList(written), split_uris)
                | "Summary" >> beam.Map(_write_json, posixpath.join(plan.work, _SUMMARY))
            )


def _sources(input_base: str, inputs: example_gen_pb2.Input, outputs: example_gen_pb2.Output) -> list[Source]:
    by_hash = bool(outputs.split_config.splits)
    found = [
        (path, None if by_hash else split.name)
        for split in inputs.splits
        for path in tables.list_files(os.path.join(input_base, split.pattern))
    ]
    return [Source(index, path, split) for index, (path, split) in enumerate(found)]


def _plan(sources: list[Source], outputs: example_gen_pb2.Output, options: dict[str, Any], work: str) -> Plan:
    declared: dict[str, str] = {}
    optional: frozenset[str] = frozenset()
    if options.get("schema_uri"):
        schema = load_schema(_schema_file(options["schema_uri"]))
        declared, optional = tables.column_types_of_schema(schema), tables.optional_columns_of_schema(schema)
    data_format = options.get("data_format", "csv")
    null_values = tuple(options.get("null_values", tables.DEFAULT_NULL_VALUES))
    kinds = tables.plan_types([source.path for source in sources], data_format, declared, optional, null_values)
    require = tuple(options.get("require", ()))
    config = outputs.split_config
    partition = config.partition_feature_name or None
    for name, role in [*((name, "required") for name in require), *([(partition, "partition")] if partition else [])]:
        if name not in kinds:
            raise DataError(f"The {role} column {name!r} is not in the data. The columns are {', '.join(kinds)}.")
    buckets = {split.name: split.hash_buckets for split in config.splits}
    return Plan(data_format, kinds, null_values, require, buckets, partition, work)


def _schema_file(uri: str) -> str:
    return posixpath.join(uri, _SCHEMA_FILE) if tf.io.gfile.isdir(uri) else uri


def _options(exec_properties: dict[str, Any]) -> dict[str, Any]:
    custom = _proto(exec_properties, standard_component_specs.CUSTOM_CONFIG_KEY, example_gen_pb2.CustomConfig())
    struct = struct_pb2.Struct()
    if custom.HasField("custom_config") and not custom.custom_config.Unpack(struct):
        raise DataError("custom_config of ArrowExampleGen must be a google.protobuf.Struct; use the constructor.")
    options: dict[str, Any] = json_format.MessageToDict(struct)
    return options


def _proto(exec_properties: dict[str, Any], key: str, message: Any) -> Any:
    if exec_properties.get(key):
        proto_utils.json_to_proto(exec_properties[key], message)
    return message


def _write_json(totals: dict[str, int], path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(totals))


def _describe(artifact: types.Artifact, exec_properties: dict[str, Any]) -> None:
    payload_format = exec_properties.get(standard_component_specs.OUTPUT_DATA_FORMAT_KEY)
    if payload_format:
        examples_utils.set_payload_format(artifact, payload_format)
    file_format = exec_properties.get(standard_component_specs.OUTPUT_FILE_FORMAT_KEY)
    if file_format:
        examples_utils.set_file_format(artifact, write_split.to_file_format_str(file_format))
