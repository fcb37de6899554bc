"""Parquet files as Arrow record batches of the types a tf.Example holds."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.errors import DataError
from components.example_gen import cells
from components.example_gen.sources import open_arrow_file, reading, size_of

_MOST_ROWS = 32_768
_BATCH_BYTES = 32 << 20  # so that a column of images does not fill the memory
_NUMBER_OF = {"int64": pa.int64(), "float32": pa.float32(), "bytes": pa.binary()}


def infer(path: str) -> dict[str, str]:
    """int64, float32 or bytes of each column, from the file's own schema, in file order; of lists, their values.

    Raises:
      DataError: not a Parquet file, a column name twice, or a nested type that a tf.Example cannot hold.
    """
    with _opened(path) as file:
        return {field.name: _kind(path, field) for field in file.schema_arrow}


def typed_batches(
    path: str, types: Mapping[str, str], null_values: Sequence[str] = cells.DEFAULT_NULL_VALUES
) -> Iterator[pa.RecordBatch]:
    """The columns of ``types``, in that order: int64, float32 or binary, or lists of them; missing is null.

    bool is 0/1; dates and times are ISO text; decimals and float64 are rounded to float32; dictionaries are
    their values; where text is read as numbers, ``null_values`` are missing.

    Raises:
      DataError: not a Parquet file, a missing column, or a value that does not fit: file, row, column, value.
    """
    present = infer(path)
    missing = [name for name in types if name not in present]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]!r}. Its columns are {', '.join(present)}.")
    rows = 0
    with _opened(path) as file, reading(path):
        for batch in file.iter_batches(batch_size=_batch_rows(file), columns=list(types)):
            arrays = []
            for name, kind in types.items():
                column = batch.column(batch.schema.get_field_index(name))
                try:
                    arrays.append(_convert(column, kind, null_values))
                except cells.CellError as error:
                    raise DataError(
                        f"{path}, row {rows + error.row + 1}, column {name!r}: {error.value!r} {error.reason}, "
                        f"and the column is {kind}. Correct the value, or declare the column BYTES."
                    ) from error
            rows += batch.num_rows
            if batch.num_rows:
                yield pa.record_batch(arrays, names=list(types))


def _batch_rows(file: pq.ParquetFile) -> int:
    meta = file.metadata
    size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
    return int(min(_MOST_ROWS, max(1, _BATCH_BYTES * meta.num_rows // max(1, size))))


def _opened(path: str) -> pq.ParquetFile:
    with reading(path):
        if not size_of(path):
            raise DataError(f"{path}: the file is empty. A Parquet file was expected.")
        try:
            file = pq.ParquetFile(open_arrow_file(path))
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: is not a Parquet file, or a damaged one ({_one_line(error)}).") from error
    names = file.schema_arrow.names
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the column name {twice[0]!r} occurs {names.count(twice[0])} times.")
    return file


def _kind(path: str, field: pa.Field) -> str:
    kind = _value_type(field.type)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_duration(kind):
        return "int64"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float32"
    if _is_text(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind) or pa.types.is_fixed_size_binary(kind):
        return "bytes"
    raise DataError(f"{path}, column {field.name!r}: {field.type} cannot be held by a tf.Example. Flatten the column.")


def _value_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return kind.value_type
    return kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _convert(column: pa.Array, kind: str, null_values: Sequence[str]) -> pa.Array:
    if _value_type(column.type) == column.type:
        return _scalar(column, kind, null_values)
    # A null row may have values beneath it; flatten() drops them.
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = _dense(column)
    owner = np.repeat(np.arange(len(column)), lengths)
    try:
        if values.null_count:
            raise cells.CellError(int(np.argmax(np.asarray(values.is_null()))), None, "is missing inside a list")
        flat = _scalar(values, kind, null_values)
    except cells.CellError as error:
        raise cells.CellError(int(owner[error.row]), error.value, error.reason) from error
    if column.null_count:
        missing = np.concatenate([np.asarray(column.is_null()), [False]])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), flat)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def _dense(column: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        keep = np.repeat(~np.asarray(column.is_null()), width)
        return column.values.slice(column.offset * width, len(column) * width).filter(pa.array(keep))
    return column.flatten()


def _scalar(column: pa.Array, kind: str, null_values: Sequence[str]) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), _NUMBER_OF[kind])
    if kind == "bytes":
        return _bytes(column)
    if _is_text(column.type):
        text = column.cast(pa.string())
        text = pc.if_else(pc.is_in(text, pa.array(list(null_values), pa.string())), pa.scalar(None, pa.string()), text)
        return cells.to_int64(text, null_values) if kind == "int64" else cells.to_float32(text, null_values)
    if kind == "float32":
        return _float32(column)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return _integral(column)
    return _int64(column)


def _int64(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        row = next(i for i, value in enumerate(column.to_pylist()) if value is not None and value >= 2**63)
        raise cells.CellError(row, column[row].as_py(), "is beyond int64") from None
    except pa.ArrowNotImplementedError:
        raise cells.CellError(0, column[0].as_py(), f"({column.type}) is not an integer") from None


def _integral(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.int64())  # a safe cast: neither fraction nor overflow
    except pa.ArrowInvalid:
        for row, value in enumerate(column.to_pylist()):
            if value is not None and not (value == value and abs(value) < 2**63 and value == int(value)):
                raise cells.CellError(row, value, "is not an integer") from None
        raise


def _float32(column: pa.Array) -> pa.Array:
    if pa.types.is_float32(column.type):
        return column
    if pa.types.is_float16(column.type):
        half = np.asarray(column.to_numpy(zero_copy_only=False))
        return pa.array(half.astype(np.float32), mask=np.asarray(column.is_null()))
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        whole = np.asarray(pc.fill_null(column, pa.scalar(0).cast(column.type)))
        return pa.array(whole.astype(np.float32), mask=np.asarray(column.is_null()))
    try:
        return cells.narrow(column.cast(pa.float64()))
    except pa.ArrowNotImplementedError:
        raise cells.CellError(0, column[0].as_py(), f"({column.type}) is not a number") from None


def _bytes(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        text = pc.cast(column.cast(pa.timestamp(kind.unit)), pa.string())  # the instant in UTC where there is a zone
        text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), r"\.0+$", "")
        column = pc.binary_join_element_wise(text, pa.scalar("Z"), "") if kind.tz else text
    elif pa.types.is_time(kind):
        column = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    elif pa.types.is_duration(kind):
        column = column.cast(pa.int64()).cast(pa.string())
    elif not _is_text(kind) and not pa.types.is_fixed_size_binary(kind):
        column = column.cast(pa.string())
    return column.cast(pa.binary())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def row_count(path: str) -> int:
    """Rows of the file, from its footer."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)
