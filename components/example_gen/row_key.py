"""Which split a row belongs to: SHA-256 of a canonical encoding of its values, the same on every stack.

A value is encoded as type byte (``i`` int64, ``f`` float32, ``b`` bytes; in capitals for a list), missing flag
(1 missing, 0 not), length (uint32: bytes of the value; of a list: its number of elements) and the value, all
little-endian; a missing value has length 0. NaN is always 0x7fc00000. Inside a list of bytes every element
is its length (uint32) and its bytes. A row is its columns one after another, in the order of the batch.
"""

import hashlib
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import DataError

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

_CODES = {"int64": b"i", "float": b"f", "binary": b"b"}


def row_digests(batch: pa.RecordBatch, columns: Sequence[str] | None = None) -> npt.NDArray[np.uint8]:
    """uint8 [rows, 32]: SHA-256 of the encoding of ``columns`` (all of the batch's where None)."""
    names = batch.schema.names if columns is None else columns
    parts = [_encoded(batch.column(batch.schema.get_field_index(name))) for name in names]
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", parts[0].type)) if len(parts) > 1 else parts[0]
    offsets, data = _parts(joined)
    view, sha256 = data.data, hashlib.sha256
    digests = b"".join([sha256(view[a:b]).digest() for a, b in itertools.pairwise(offsets.tolist())])
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def split_of(digests: npt.NDArray[np.uint8], buckets: Sequence[int]) -> npt.NDArray[np.int64]:
    """int64 [rows]: the index of each row's split.

    The digest, as a big-endian number, modulo the total of ``buckets``; the first ``buckets[0]`` remainders belong
    to split 0, the next ``buckets[1]`` to split 1, and so on.
    """
    total = np.uint64(sum(buckets))
    words = digests.view(">u4").astype(np.uint64)
    remainder = np.zeros(len(digests), np.uint64)
    for word in range(words.shape[1]):
        remainder = ((remainder << np.uint64(32)) | words[:, word]) % total
    return np.searchsorted(np.cumsum(buckets), remainder.astype(np.int64), side="right")


def splits(
    batch: pa.RecordBatch, buckets: Sequence[int], partition_feature: str | None = None
) -> npt.NDArray[np.int64]:
    """int64 [rows]: the split of each row, by the whole row or by the partition feature alone.

    Raises:
      DataError: the partition feature is not a column, or is missing in a row.
    """
    if partition_feature is None:
        return split_of(row_digests(batch), buckets)
    if partition_feature not in batch.schema.names:
        raise DataError(
            f"The partition feature {partition_feature!r} is not a column. The columns are "
            f"{', '.join(batch.schema.names)}."
        )
    column = batch.column(batch.schema.get_field_index(partition_feature))
    if column.null_count:
        raise DataError(
            f"The partition feature {partition_feature!r} is missing in {column.null_count} rows. Every row needs it; "
            "leave such rows out by naming it under `require`."
        )
    return split_of(row_digests(batch, [partition_feature]), buckets)


def _encoded(column: pa.Array) -> pa.Array:
    """Binary [rows], never null: the encoding of one column."""
    if pa.types.is_list(column.type):
        return _encoded_lists(column)
    missing = _bools(column.is_null())
    code = _CODES[str(column.type)]
    if code == b"b":
        lengths = _lengths(column)
        heads = _heads(code, missing, lengths)
        values = column if not column.null_count else pc.fill_null(column, b"")
        return pc.binary_join_element_wise(_fixed(heads), values.cast(pa.binary()), pa.scalar(b"", pa.binary()))
    values = _little_endian(column)
    lengths = np.where(missing, 0, values.shape[1])
    rows = np.concatenate([_heads(code, missing, lengths), values], axis=1)
    if not missing.any():
        return _fixed(rows)
    keep = np.ones(rows.shape, bool)
    keep[missing, 6:] = False
    return _binary(np.concatenate([[0], np.cumsum(lengths + 6)]), rows[keep])


def _encoded_lists(column: pa.Array) -> pa.Array:
    missing = _bools(column.is_null())
    counts = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
    values = column.flatten()
    code = _CODES[str(values.type)].upper()
    if code == b"B":
        sizes = _lengths(values)
        heads = _fixed(sizes.astype("<u4").view(np.uint8).reshape(-1, 4))
        joined = pc.binary_join_element_wise(heads, values, pa.scalar(b"", pa.binary()))
        item_offsets, data = _parts(joined)
        edges = item_offsets[np.concatenate([[0], np.cumsum(counts)])]
    else:
        raw = _little_endian(values)
        data, edges = raw.reshape(-1), np.concatenate([[0], np.cumsum(counts)]) * raw.shape[1]
    body = _binary(edges, data)
    return pc.binary_join_element_wise(_fixed(_heads(code, missing, counts)), body, pa.scalar(b"", pa.binary()))


def _heads(code: bytes, missing: npt.NDArray[np.bool_], lengths: npt.NDArray[np.int64]) -> Bytes:
    heads = np.empty((len(missing), 6), np.uint8)
    heads[:, 0] = code[0]
    heads[:, 1] = missing
    heads[:, 2:] = lengths.astype("<u4").view(np.uint8).reshape(-1, 4)
    return heads


def _little_endian(column: pa.Array) -> Bytes:
    values = np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))
    if values.dtype == np.float32:
        values = np.where(np.isnan(values), np.float32(np.nan), values)
    kind = "<f4" if values.dtype == np.float32 else "<i8"
    return np.ascontiguousarray(values.astype(kind)).view(np.uint8).reshape(len(values), np.dtype(kind).itemsize)


def _lengths(column: pa.Array) -> npt.NDArray[np.int64]:
    return np.asarray(pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)).astype(np.int64)


def _fixed(rows: Bytes) -> pa.Array:
    return _binary(np.arange(len(rows) + 1) * rows.shape[1], np.ascontiguousarray(rows).reshape(-1))


def _binary(offsets: npt.NDArray[np.int64], data: Bytes) -> pa.Array:
    edges = pa.py_buffer(np.ascontiguousarray(offsets, np.int32))
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, edges, pa.py_buffer(np.ascontiguousarray(data))])


def _parts(array: pa.Array) -> tuple[Offsets, Bytes]:
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return edges, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def _bools(array: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)
