"""Record batches of a table to serialized tf.Examples."""

from typing import Any

import numpy as np
import pyarrow as pa


def encoder() -> Any:
    """tfx_bsl's C++ encoder; it takes batches of lists only (see ``as_lists``)."""
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    return RecordBatchToExamplesEncoder()


def as_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with every scalar as a list of one value; a null stays null.

    The encoder makes of a null a feature of its name without any kind: a value that is absent, not 0 and not ''.
    """
    return pa.record_batch([_as_list(column) for column in batch.columns], names=batch.schema.names)


def _as_list(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return column
    if not column.null_count:
        return pa.ListArray.from_arrays(pa.array(np.arange(len(column) + 1, dtype=np.int32)), column)
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    offsets = np.concatenate([[0], np.cumsum(~missing)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32(), mask=np.concatenate([missing, [False]])), column.drop_null()
    )
