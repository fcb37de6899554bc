"""The user's files as blocks of rows with a type for each column, whatever their format."""

import os
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.errors import ConfigError, DataError

FORMATS = ("csv", "parquet", "tfrecord")
_SUFFIXES: Mapping[str, str] = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".tfrecord": "tfrecord"}
_RECORDS_IN_BLOCK = 4_096
_RECORD_HEADER = struct.Struct("<Q4x")  # the record's length and the checksum of that length
_CHECKSUM_BYTES = 4
_LONGEST_RECORD = 1 << 31  # protobuf's own limit


class Table:
    """Files of one format, their columns' types, and the blocks of rows, read anew for each pass.

    Attributes:
      files: sorted.
      data_format: csv, parquet or tfrecord.
      types: ``int64``, ``float32`` or ``bytes`` by column, in the order of the columns.
    """

    def __init__(self, path: str, data_format: str | None) -> None:
        """Lists the files behind ``path`` and infers the types over all rows.

        Raises:
          DataError: nothing to read there, or not in that format.
          ConfigError: the format is unknown or cannot be told from the name.
        """
        from components.example_gen.tables import infer_types, list_files

        self.files = tuple(list_files(path))
        self.data_format = data_format or format_of(self.files[0])
        if self.data_format not in FORMATS:
            raise ConfigError(f"The format must be one of {', '.join(FORMATS)} but is {self.data_format!r}.")
        if self.data_format == "tfrecord":
            self.types = _types_of_records(self.batches())
        else:
            self.types = dict(infer_types(self.files, self.data_format))
        if not self.types:
            raise DataError(f"{path} holds no column with a value. Give a file of rows.")

    def batches(self, types: Mapping[str, str] | None = None) -> Iterator[pa.RecordBatch]:
        """Blocks of rows: flat columns from tables, columns of lists from TFRecords.

        Args:
          types: read these columns as these types; None is all of them as `types` says.
        """
        if self.data_format == "tfrecord":
            return _record_batches(self.files)
        from components.example_gen.tables import read_batches

        return read_batches(self.files, self.data_format, types or self.types)


def format_of(file: str) -> str:
    """The format that a file's name, or its first bytes, tell.

    Raises:
      ConfigError: neither tells.
    """
    name = os.path.basename(file).lower().removesuffix(".gz")
    found = _SUFFIXES.get(os.path.splitext(name)[1])
    if found is None and "tfrecord" in name:  # TFX's own naming: data_tfrecord-00000-of-00001.gz
        found = "tfrecord"
    if found is None and "://" not in file:
        with Path(file).open("rb") as stream:
            found = "parquet" if stream.read(4) == b"PAR1" else None
    if found is None:
        raise ConfigError(
            f"Cannot tell the format of {file} from its name (.csv, .parquet, .tfrecord, also with .gz); "
            f"say it with --format, one of {', '.join(FORMATS)}."
        )
    return found


def _record_batches(files: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder()
    for file in files:
        records = tf.data.TFRecordDataset(file, compression_type="GZIP" if _is_whole_gzip(file) else "")
        try:
            for block in records.batch(_RECORDS_IN_BLOCK).as_numpy_iterator():
                yield decoder.DecodeBatch(list(block))
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise DataError(
                f"{file} is not a TFRecord file of tf.Examples: {_first_line(error)}. Write one with "
                "tf.io.TFRecordWriter, or give the table as CSV or Parquet."
            ) from error


def _is_whole_gzip(file: str) -> bool:
    """Whether the file is gzip; walks all records first, because TensorFlow takes some early ends for the end.

    Raises:
      DataError: gzip that ends early, or a last record whose header is cut off.
    """
    from components.example_gen.sources import open_arrow_file, open_binary, reading

    with reading(file), open_arrow_file(file) as raw, open_binary(file) as content:
        while header := content.read(_RECORD_HEADER.size):
            if len(header) < _RECORD_HEADER.size:
                raise DataError(f"{file} is not a TFRecord file of tf.Examples: it ends within a record's header.")
            (length,) = _RECORD_HEADER.unpack(header)
            if length > _LONGEST_RECORD:
                break  # no length at all; TensorFlow's reader says so
            content.seek(length + _CHECKSUM_BYTES, os.SEEK_CUR)
        return bytes(raw.read(2)) == b"\x1f\x8b"


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "message", error)).split("\n")[0]
    return re.sub(r"^\{\{.*?\}\} | \[Op:.*", "", text).strip().rstrip(".")  # TensorFlow's names of its own graph


def _types_of_records(batches: Iterator[pa.RecordBatch]) -> dict[str, str]:
    """The type of each feature over all records, sorted by name (a tf.Example has no order)."""
    types: dict[str, str] = {}
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for field in batch.schema:
            found = _type_of(field.type)
            if found is None:
                types.setdefault(field.name, "")
            elif types.get(field.name) not in (None, "", found):
                raise DataError(
                    f"The feature {field.name!r} holds {types[field.name]} in some records and {found} in others; "
                    "write it with one type."
                )
            else:
                types[field.name] = found
    if not rows:
        raise DataError("The TFRecord files hold no record. Give a file with rows.")
    return {name: types[name] or "bytes" for name in sorted(types)}


def _type_of(kind: pa.DataType) -> str | None:
    value: Any = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    if pa.types.is_null(value):
        return None
    if pa.types.is_integer(value):
        return "int64"
    return "float32" if pa.types.is_floating(value) else "bytes"
