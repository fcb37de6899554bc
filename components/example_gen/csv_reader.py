"""CSV files as Arrow record batches: first all text, then of the types that were asked for."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv

from components.errors import DataError
from components.example_gen import cells
from components.example_gen.csv_lines import fault_of, record_at, records
from components.example_gen.sources import open_arrow_stream, open_binary, reading

# One row, with all its quoted text, must fit a block. The bigger, the fewer and larger Arrow's tables.
BLOCK_BYTES = 8 << 20


def header(path: str) -> list[str]:
    """The column names, in file order; a column without a name is called ``column_<its number>``.

    Raises:
      DataError: the file is empty, cannot be read, or names a column twice.
    """
    return _header_and_skip(path)[0]


def text_batches(path: str, columns: Sequence[str], null_values: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named columns as text (null where the cell is one of ``null_values``), a block of the file at a time.

    Blank lines are skipped, quoted line breaks and commas kept, a byte order mark dropped.

    Raises:
      DataError: ragged rows, text that is not UTF-8, a quote that is never closed, damaged gzip: with the line.
    """
    names, blank_lines = _header_and_skip(path)
    read = list(dict.fromkeys([*columns, names[-1]]))  # the last column shows an unclosed quote
    last = None
    with reading(path):
        try:
            reader = pacsv.open_csv(
                open_arrow_stream(path),
                read_options=pacsv.ReadOptions(
                    column_names=names, skip_rows=blank_lines, skip_rows_after_names=1, block_size=BLOCK_BYTES
                ),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=read,
                    null_values=list(null_values),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
            for batch in reader:
                if batch.num_rows:
                    last = batch
                    yield pa.record_batch(batch.columns[: len(columns)], names=list(columns))
        except pa.ArrowInvalid as error:
            raise DataError(fault_of(path) or f"{path}: not a CSV file that Arrow can read: {error}") from error
        if last is not None and _may_be_open(last.column(last.num_columns - 1)):
            fault = fault_of(path)
            if fault:
                raise DataError(fault)


def typed_batches(path: str, types: Mapping[str, str], null_values: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The columns of ``types`` (int64, float32 or bytes as binary), in that order; missing is null.

    Raises:
      DataError: what ``text_batches`` raises, or a cell that is not of its column's type: file, line, column, value.
    """
    names = header(path)
    missing = [name for name in types if name not in names]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]!r}. Its columns are {', '.join(names)}.")
    rows = 0
    for batch in text_batches(path, list(types), null_values):
        arrays = []
        for index, (name, kind) in enumerate(types.items()):
            try:
                arrays.append(_of_type(batch.column(index), kind, null_values))
            except cells.CellError as error:
                record = record_at(path, rows + error.row)
                line = record.line_of(names.index(name))
                raise DataError(
                    f"{path}, line {line}, column {name!r}: {error.value!r} {error.reason}, and the column is {kind}. "
                    "Correct the value, name it as a missing value, or declare the column BYTES."
                ) from error
        rows += batch.num_rows
        yield pa.record_batch(arrays, names=list(types))


def infer(path: str, null_values: Sequence[str]) -> dict[str, str | None]:
    """What each column of the whole file looks like, in file order; the kinds are those of ``cells.classify``.

    Raises:
      DataError: as ``text_batches``.
    """
    names = header(path)
    kinds: dict[str, str | None] = dict.fromkeys(names)
    for batch in text_batches(path, names, null_values):
        for index, name in enumerate(names):
            if kinds[name] != "bytes":
                kinds[name] = cells.join((kinds[name], cells.classify(batch.column(index), null_values)))
    return kinds


def _of_type(text: pa.Array, kind: str, null_values: Sequence[str]) -> pa.Array:
    if kind == "int64":
        return cells.to_int64(text, null_values)
    if kind == "float32":
        return cells.to_float32(text, null_values)
    return text.cast(pa.binary())


def _header_and_skip(path: str) -> tuple[list[str], int]:
    with reading(path):
        with open_binary(path) as binary:
            if not binary.read(1):
                raise DataError(f"{path}: the file is empty. A header line and rows were expected.")
        record = next(records(path), None)
    if record is None:
        raise DataError(f"{path}: the file holds blank lines only. A header line and rows were expected.")
    if any("\udc80" <= character <= "\udcff" for cell in record.cells for character in cell):
        raise DataError(fault_of(path))
    names = [name or f"column_{number}" for number, name in enumerate(record.cells, 1)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}, line {record.line}: the column name {twice[0]!r} occurs {names.count(twice[0])} times."
        )
    return names, record.line - 1


def _may_be_open(column: pa.Array) -> bool:
    value = column[-1].as_py()
    return value is not None and ("\n" in value or "\r" in value)
