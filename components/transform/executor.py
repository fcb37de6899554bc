"""The executor of NormalizingTransform: measure, bind the constants, let tf.Transform write the graph, freeze it."""

import dataclasses
import hashlib
import json
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.transform import executor as stock
from tfx.components.transform import executor_utils
from tfx.components.util import examples_utils, tfxio_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils

from components.artifacts import write_constants
from components.cache.shelf import CacheOptions
from components.constants import DigestError, NormalizationConstants
from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform
from components.frozen.record_files import matching_files
from components.moments.analyzer import measured
from components.moments.finish import finish
from components.provenance import Provenance
from components.rows_read import RowsRead
from components.span_files import files_by_span
from components.step_settings import with_settings
from components.transform import processor
from components.transform.beam_analysis import FANOUT, measure
from components.transform.measured import Measured
from components.transform.pinned import fitted
from components.transform.record_reader import BATCH_BYTES
from components.transform.span_statistics import Groups, SpanStatistics, statistics_of
from components.transform.trace import frozen_graph
from components.transform.unit_statistics import read_statistics
from schemas.loader import load_schema

CONSTANTS, PINNED, PINNED_DIGEST = "constants", "constants_from", "constants_digest"
READ_BYTES, MERGE_FANOUT, CODE_DIGEST = "max_batch_bytes", "merge_fanout", "code_digest"
CACHE_DIR, CACHE_BYTES = "cache_dir", "cache_max_bytes"
# Stored bytes of a span that two cores read in about ten seconds; a Beam pipeline starts in one, or in minutes.
SPAN_BYTES_HERE = 1 << 30
PREPROCESSING_FN = "components.transform.preprocessing.preprocessing_fn"


class Executor(stock.Executor):
    """Transform's executor behind an analysis of our own."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See ``NormalizingTransform``.

        Raises:
          DataError: what the data do not allow; fewer or more rows than the examples state; examples that are no
            TFRecords of tf.Examples; a preprocessing_fn that does not call ``global_moments``.
          SchemaError: a schema that cannot be used, or constants that do not fit it.
        """
        exec_properties = with_settings(exec_properties)
        uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
        schema = io_utils.get_only_uri_in_dir(uri)
        plan = FeaturePlan.from_schema(load_schema(schema))
        plan.require_image_sizes()
        account = None
        if exec_properties.get(PINNED):
            fit = pinned_constants(exec_properties[PINNED], exec_properties.get(PINNED_DIGEST), plan)
            code = exec_properties.get(CODE_DIGEST) or ""
            made = dataclasses.replace(fit.provenance, schema_digest=digest_of_file(schema), code_version=code)
            constants = fit.with_provenance(made)
        else:
            splits = analyzed_files(input_dict, exec_properties)
            dated = spans_are_dates(input_dict[standard_component_specs.EXAMPLES_KEY])
            groups = files_by_span((file for files in splits.values() for file in files), dated)
            found = self._measured(groups, plan, exec_properties)
            account = RowsRead.of(found.units, splits)
            account.check(stated_rows(input_dict[standard_component_specs.EXAMPLES_KEY], splits))
            spans = tuple(span for span in groups if span)
            made = Provenance(digest_of_file(schema), exec_properties.get(CODE_DIGEST) or "", spans)
            constants = finish(plan, found.statistics).with_provenance(made)
            found.counters.write(artifact_utils.get_single_instance(output_dict[CONSTANTS]))
        logging.info("Constants %s of %d rows.", constants.digest, constants.rows)
        properties = {**exec_properties, **_with_plan(exec_properties, plan)}
        with measured(constants):
            processor.run(
                lambda: super(Executor, self).Do(input_dict, output_dict, properties),
                exec_properties.get(READ_BYTES) or BATCH_BYTES,
            )
        graph_uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        _frozen(constants, graph_uri, exec_properties).save(graph_uri)
        if account is not None:
            account.save(graph_uri)
        written = NormalizationConstants.load(graph_uri)  # these name the frozen graph, too
        write_constants(artifact_utils.get_single_instance(output_dict[CONSTANTS]), written)

    def _measured(self, groups: Groups, plan: FeaturePlan, exec_properties: dict[str, Any]) -> SpanStatistics:
        """The statistics of all groups of files, on Beam; with a cache and spans, of new and changed spans only.

        A small span is read on all cores here, sooner than a Beam pipeline starts; a large one on Beam.
        """
        batch_bytes = exec_properties.get(READ_BYTES) or BATCH_BYTES
        fanout = exec_properties.get(MERGE_FANOUT)

        def on_beam(files: Sequence[str]) -> Measured:
            logging.info("Measuring %d features in %d files.", len(plan.read), len(files))
            return measure(
                files,
                plan,
                self._make_beam_pipeline,
                self._get_tmp_dir(),
                batch_bytes=batch_bytes,
                fanout=FANOUT if fanout is None else fanout,
            )

        def of_span(files: Sequence[str]) -> Measured:
            if stored_bytes(files) > SPAN_BYTES_HERE:
                return on_beam(files)
            return read_statistics(files, plan, batch_bytes=batch_bytes)

        folder = exec_properties.get(CACHE_DIR)
        if not folder or not any(groups):
            files = [file for group in groups.values() for file in group]
            spans = tuple(span for span in groups if span)
            whole = on_beam(files)
            return SpanStatistics(whole.statistics, whole.units, spans, (), (), stored_bytes(files), 0)
        cache = CacheOptions(folder, exec_properties[CACHE_BYTES])
        return statistics_of(groups, plan, of_span, cache, exec_properties.get(CODE_DIGEST) or "")


def stored_bytes(files: Sequence[str]) -> int:
    """The size of files together, as they are stored."""
    return sum(int(tf.io.gfile.stat(file).length) for file in files)


def spans_are_dates(examples: Sequence[Any]) -> bool:
    """Whether ArrowExampleGen named its spans by dates; where their names are lost, a span is its number."""
    texts = [artifact.get_string_custom_property("spans") for artifact in examples]
    return all(texts) and all(isinstance(span, str) for text in texts for span in json.loads(text))


def pinned_constants(where: str, digest: str | None, plan: FeaturePlan) -> NormalizationConstants:
    """The constants of an analysis done elsewhere, for this plan; where they came from is in their provenance.

    Raises:
      DataError: none there.
      DigestError: they are not those that were asked for.
      SchemaError: they do not fit the plan.
    """
    constants = NormalizationConstants.load(where)
    if digest and constants.digest != digest:
        raise DigestError(
            f"The constants at {where} have digest {constants.digest}, but {digest} was asked for. They were replaced: "
            "take the right ones, or ask for these."
        )
    fit = fitted(constants, plan, where)
    # A copy that was made for this step says itself where the original lies; no graph was built of it.
    is_prepared = constants.provenance.source and not constants.graph_sha256
    return fit.with_provenance(constants.provenance) if is_prepared else fit


def digest_of_file(path: str) -> str:
    """Hex SHA-256 of a small file's bytes."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def analyzed_files(input_dict: dict[str, Any], exec_properties: dict[str, Any]) -> dict[str, list[str]]:
    """The files of the splits that are to be analyzed, by split.

    Raises:
      DataError: there is none, or they are no TFRecords of tf.Examples.
    """
    examples = input_dict[standard_component_specs.EXAMPLES_KEY]
    payload, _ = tfxio_utils.resolve_payload_format_and_data_view_uri(examples)
    formats = {examples_utils.get_file_format(artifact) for artifact in examples}
    if payload != example_gen_pb2.FORMAT_TF_EXAMPLE or not all(name.startswith("tfrecord") for name in formats):
        name = example_gen_pb2.PayloadFormat.Name(payload)
        raise DataError(
            f"NormalizingTransform reads TFRecords of tf.Examples, but the examples are {name} in files of format "
            f"{sorted(formats)}. Write them as TFRecords, or take tfx.components.Transform with our preprocessing_fn."
        )
    config = exec_properties.get(standard_component_specs.SPLITS_CONFIG_KEY)
    splits = executor_utils.ResolveSplitsConfig(config, examples).analyze
    split_of = {uri.rstrip("/"): split for split in splits for uri in artifact_utils.get_split_uris(examples, split)}
    files: dict[str, list[str]] = {split: [] for split in splits}
    for file in matching_files([io_utils.all_files_pattern(uri) for uri in split_of]):
        files[split_of[posixpath.dirname(file)]].append(file)
    return files


def stated_rows(examples: Sequence[types.Artifact], splits: Iterable[str]) -> dict[str, int]:
    """Rows of each split, where all artifacts state them, as our ExampleGens do: a custom property ``rows_<split>``."""
    return {
        split: sum(artifact.get_int_custom_property(f"rows_{split}") for artifact in examples)
        for split in splits
        if all(artifact.has_custom_property(f"rows_{split}") for artifact in examples)
    }


def _with_plan(exec_properties: dict[str, Any], plan: FeaturePlan) -> dict[str, str]:
    """The custom_config of the preprocessing_fn, with the plan; too long to travel as an argument of a step."""
    key = standard_component_specs.CUSTOM_CONFIG_KEY
    config = json_utils.loads(exec_properties.get(key) or "null") or {}
    return {key: json_utils.dumps({**config, "feature_plan": plan.to_json()})}


def _frozen(constants: NormalizationConstants, graph_uri: str, exec_properties: dict[str, Any]) -> FrozenTransform:
    """Our own preprocessing_fn is traced anew, so that it takes absent values; another one's graph is frozen."""
    if exec_properties.get(standard_component_specs.PREPROCESSING_FN_KEY) == PREPROCESSING_FN:
        return FrozenTransform(frozen_graph(constants))
    return FrozenTransform.load(graph_uri)
