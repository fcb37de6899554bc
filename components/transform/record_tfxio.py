"""TFRecords of tf.Examples for tf.Transform, read and parsed by TensorFlow's kernels into Arrow record batches.

The stock reader takes each record through Python and Beam, and parses 4 times slower (benchmarks/analysis.py).
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio
from tfx_bsl.tfxio import tensor_representation_util

from components.frozen.record_files import matching_files
from components.transform.example_parser import parser
from components.transform.read_ahead import ahead
from components.transform.record_reader import BATCH_BYTES, MAX_ROWS, Parse, explained, parsed_batches
from components.transform.work_units import UNIT_BYTES, WorkUnit, located, work_units

METRICS_NAMESPACE = "tfx_norm"
_DTYPES = {pa.float32(): tf.float32, pa.int64(): tf.int64, pa.large_binary(): tf.string}


class ParsedTFRecords(tfxio.TFExampleRecord):
    """A stock TFExampleRecord with another ``BeamSource``: its batches hold as many rows as ``batch_bytes`` allow.

    Same Arrow schema, tensors, projections and values as the stock one, with two differences: a feature that a record
    names without a value is absent, and a value that a dense feature without default lacks is an error at once. Only
    the features of the schema are parsed, after ``Project`` only those projected to.
    """

    def __init__(
        self,
        file_pattern: str | list[str],
        schema: schema_pb2.Schema,
        raw_record_column_name: str | None = None,
        telemetry_descriptors: list[str] | None = None,
        batch_bytes: int = BATCH_BYTES,
        unit_bytes: int = UNIT_BYTES,
    ) -> None:
        """As the stock one; an uncompressed file of more than ``unit_bytes`` is read in ranges, 0 cuts none."""
        super().__init__(
            file_pattern,
            schema=schema,
            raw_record_column_name=raw_record_column_name,
            telemetry_descriptors=telemetry_descriptors,
        )
        self._batch_bytes, self._unit_bytes = batch_bytes, unit_bytes

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:
        """Pipeline -> record batches of at most ``batch_size`` rows, in no order; raw records go the stock way.

        Projected to no column at all, it gives nothing.

        Raises (when it runs):
          DataError: a record that cannot be read or parsed, by file, record and byte.
          FalseBoundaryError: records hold other records; read with ``unit_bytes=0``.
        """
        if self.raw_record_column_name is not None:
            return super().BeamSource(batch_size)
        columns, rows = tuple(_columns(self)), MAX_ROWS if batch_size is None else batch_size
        if not columns:
            # Arrow 10 knows no rows without columns, and tf.Transform asks for none where it analyzes nothing.
            return beam.Create([])
        files, unit_bytes, batch_bytes = self._file_pattern, self._unit_bytes, self._batch_bytes

        @beam.ptransform_fn
        @beam.typehints.with_output_types(pa.RecordBatch)
        def read(pipeline: beam.Pipeline) -> beam.PCollection:
            units = work_units(matching_files(files), unit_bytes)
            return (
                pipeline
                | "NameUnits" >> beam.Create([dataclasses.astuple(unit) for unit in units], reshuffle=False)
                | "DealOutUnits" >> beam.Reshuffle()
                | "ParseEachUnit" >> beam.ParDo(_ParseUnit(columns, batch_bytes, rows))
            )

        return read()

    def _ProjectImpl(self, tensor_names: list[str]) -> "ParsedTFRecords":
        schema = tensor_representation_util.ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return ParsedTFRecords(
            self._file_pattern,
            schema,
            self.raw_record_column_name,
            self.telemetry_descriptors,
            self._batch_bytes,
            self._unit_bytes,
        )


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column of the Arrow schema: its values' type, and how many there are in every row if that is fixed."""

    name: str
    values: pa.DataType
    shape: tuple[int, ...] | None

    @property
    def form(self) -> Any:
        """How it is parsed."""
        dtype = _DTYPES[self.values]
        if self.shape is not None:
            return tf.io.FixedLenFeature(self.shape, dtype)
        return tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)

    def array(self, parsed: Any) -> pa.Array:
        """The parsed column, without a copy of numbers; a row without values is null."""
        if self.shape is None:
            splits = parsed.row_splits.numpy()
            absent = splits[:-1] == splits[1:]
            # The last offset is none of a row, so that it is never null.
            offsets = pa.array(splits, mask=np.append(absent, False)) if absent.any() else pa.array(splits)
            values = parsed.values.numpy()
        else:
            values = parsed.numpy().reshape(-1)
            offsets = pa.array(np.arange(0, len(values) + 1, math.prod(self.shape), dtype=np.int64))
        return pa.LargeListArray.from_arrays(offsets, pa.array(values, self.values))


def _columns(source: tfxio.TFExampleRecord) -> Iterator[_Column]:
    representations = source.TensorRepresentations()
    for field in source.ArrowSchema():
        dense = representations[field.name].dense_tensor if field.name in representations else None
        shape = None
        if dense is not None and dense.column_name == field.name and not dense.HasField("default_value"):
            shape = tuple(dim.size for dim in dense.shape.dim)
        # No value a row is one offset again and again, as for a ragged column.
        yield _Column(field.name, field.type.value_type, shape if shape is None or math.prod(shape) else None)


class _ParseUnit(beam.DoFn):
    """A unit -> its record batches."""

    def __init__(self, columns: Sequence[_Column], batch_bytes: int, max_rows: int) -> None:
        self._columns, self._batch_bytes, self._max_rows = columns, batch_bytes, max_rows
        self._rows = beam.metrics.Metrics.counter(METRICS_NAMESPACE, "rows_read")
        self._units = beam.metrics.Metrics.counter(METRICS_NAMESPACE, "units_read")

    def setup(self) -> None:
        self._parse: Parse = parser({column.name: column.form for column in self._columns})
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")

    def teardown(self) -> None:
        self._helper.shutdown()

    def process(self, unit: tuple[str, int, int, int, str]) -> Iterator[pa.RecordBatch]:
        with explained(WorkUnit(*unit), self._parse):
            batches = parsed_batches(located(WorkUnit(*unit)), self._parse, self._batch_bytes, self._max_rows)
            for read in ahead(batches, self._helper):
                arrays = [column.array(read.parsed[column.name]) for column in self._columns]
                batch = pa.RecordBatch.from_arrays(arrays, [column.name for column in self._columns])
                self._rows.inc(batch.num_rows)
                yield batch
        self._units.inc()
