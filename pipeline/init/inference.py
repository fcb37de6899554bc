"""What TensorFlow Data Validation makes of the table: statistics over every row, and a schema inferred from them.

The statistics' combiners are fed in this process, block by block: no Beam runner, which would cost more than the
statistics of a table that fits one machine.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2


def infer_schema(batches: Iterable[pa.RecordBatch]) -> schema_pb2.Schema:
    """The schema that tfdv infers from all rows: names, types, presence, values a row, domains of texts.

    Loads TensorFlow Data Validation, which takes seconds.
    """
    import tensorflow_data_validation as tfdv

    schema: schema_pb2.Schema = tfdv.infer_schema(statistics_of(batches), infer_feature_shape=False)
    return schema


def statistics_of(batches: Iterable[pa.RecordBatch]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """tfdv's statistics over all rows, as its StatisticsGen would give them."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    generators = stats_impl.get_generators(tfdv.StatsOptions(), in_memory=True)
    accumulators = [generator.create_accumulator() for generator in generators]
    for batch in batches:
        lists = as_lists(batch)
        accumulators = [
            generator.add_input(accumulator, lists)
            for generator, accumulator in zip(generators, accumulators, strict=True)
        ]
    return stats_impl.extract_statistics_output(accumulators, generators)


def as_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with each flat column as lists of one value, a missing value as a null list: the form tfdv reads."""
    columns = [_as_list(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_list(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_null(column.type):
        return column
    present = np.asarray(column.is_valid())
    ends = np.concatenate([[0], np.cumsum(present)]).astype(np.int32)
    # A null offset makes the list that starts there null; the last offset ends the last list and is never null.
    offsets = pa.array(ends, mask=np.concatenate([~present, [False]]))
    return pa.ListArray.from_arrays(offsets, column.drop_null())
