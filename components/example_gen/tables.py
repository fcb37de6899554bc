"""Tables in files (CSV, Parquet) as typed Arrow record batches: what ExampleGen and ``init`` read.

Types: ``int64``, ``float32``, ``bytes`` (binary), scalars, or lists of them where a Parquet column holds lists;
a missing value is null.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from components.errors import DataError, SchemaError
from components.example_gen import cells, csv_reader, image_folder, parquet_reader
from components.example_gen.cells import DEFAULT_NULL_VALUES
from components.example_gen.sources import list_files

__all__ = [
    "DEFAULT_NULL_VALUES",
    "FORMATS",
    "column_types_of_schema",
    "infer_types",
    "list_files",
    "optional_columns_of_schema",
    "plan_types",
    "read_batches",
    "read_file",
    "survey",
    "types_over",
]

FORMATS = ("csv", "parquet")


def column_types_of_schema(schema: Any) -> dict[str, str]:
    """The type of each of the schema's features, in schema order: int64, float32 or bytes.

    A feature without a type (TYPE_UNKNOWN) is left out: its type comes from the data.

    Raises:
      SchemaError: a STRUCT feature.
    """
    names = {1: "bytes", 2: "int64", 3: "float32"}  # schema_pb2.FeatureType
    structs = [feature.name for feature in schema.feature if feature.type not in (0, *names)]
    if structs:
        raise SchemaError(f"Feature {structs[0]!r} is a STRUCT; a table holds INT, FLOAT and BYTES columns only.")
    return {feature.name: names[feature.type] for feature in schema.feature if feature.type}


def optional_columns_of_schema(schema: Any) -> frozenset[str]:
    """Features whose column the data may lack: ``presence { min_count: 0 }`` spelled out, the tag ``ignore``, or
    a lifecycle stage that is not production (PLANNED, DEPRECATED, DISABLED, DEBUG_ONLY, ALPHA, BETA).
    """
    return frozenset(
        feature.name
        for feature in schema.feature
        if (feature.HasField("presence") and feature.presence.HasField("min_count") and not feature.presence.min_count)
        or "ignore" in feature.annotation.tag
        or feature.lifecycle_stage not in (0, 3)  # unknown, PRODUCTION
    )


def infer_types(
    files: Sequence[str], data_format: str = "csv", null_values: Sequence[str] = DEFAULT_NULL_VALUES
) -> dict[str, str]:
    """The type of every column, in the first file's order, judged over the whole of every file.

    CSV: integers within int64 are int64, also ``true``/``false`` throughout (1/0); other numbers float32; the rest
    bytes, and so are a column without any value, integers beyond int64 and numbers beyond float32.

    Raises:
      DataError: a file cannot be read, the files' columns differ, or there are no rows.
    """
    _check_format(data_format)
    _same_columns(files, data_format)
    if data_format == "parquet":
        return _join_types([parquet_reader.infer(file) for file in files])
    kinds = _join_kinds([csv_reader.infer(file, null_values) for file in files])
    return {name: cells.type_of_kind(kind) for name, kind in kinds.items()}


def plan_types(
    files: Sequence[str],
    data_format: str,
    declared: Mapping[str, str],
    optional: Collection[str] = (),
    null_values: Sequence[str] = DEFAULT_NULL_VALUES,
) -> dict[str, str]:
    """The columns to read: those declared, in their order and of their types, then the data's others, inferred.

    The values are looked at only where a column is not declared. Optional columns that the data lack are left out.

    Raises:
      DataError: a declared column is not in the data (names the file, the column and the columns that came), or as
        ``infer_types``.
    """
    found = survey(files, data_format, declared, optional, null_values)
    return types_over({files[0]: found}, declared)


def survey(
    files: Sequence[str],
    data_format: str,
    declared: Collection[str],
    optional: Collection[str] = (),
    null_values: Sequence[str] = DEFAULT_NULL_VALUES,
) -> dict[str, str | None]:
    """What ``types_over`` has to know of these files: their columns in order and, unless all are declared, their kinds.

    Raises:
      DataError: as ``plan_types``.
    """
    _check_format(data_format)
    names = _same_columns(files, data_format)
    lacking = [name for name in declared if name not in names and name not in optional]
    if lacking:
        raise DataError(
            f"{files[0]}: the schema declares column {lacking[0]!r} and the file has none. "
            f"Its columns are {', '.join(names)}."
        )
    if all(name in declared for name in names):
        return dict.fromkeys(names)
    if data_format == "parquet":
        return dict(_join_types([parquet_reader.infer(file) for file in files]))
    return _join_kinds([csv_reader.infer(file, null_values) for file in files])


def types_over(surveys: Mapping[str, Mapping[str, str | None]], declared: Mapping[str, str]) -> dict[str, str]:
    """The types of ``plan_types`` from the surveys of all parts of the data, by the name of their first file.

    Raises:
      DataError: their columns differ.
    """
    columns = {file: list(kinds) for file, kinds in surveys.items()}
    _refuse_other_columns(columns)
    names = next(iter(columns.values()))
    types = {name: kind for name, kind in declared.items() if name in names}
    kinds = _join_kinds(list(surveys.values()))
    return types | {name: cells.type_of_kind(kinds[name]) for name in names if name not in types}


def read_batches(
    files: Sequence[str],
    data_format: str,
    types: Mapping[str, str],
    null_values: Sequence[str] = DEFAULT_NULL_VALUES,
) -> Iterator[pa.RecordBatch]:
    """All rows of the files, in order, as batches with the columns of ``types`` in that order.

    Raises:
      DataError: a file cannot be read, a value is not of its column's type, the columns differ, or no rows.
    """
    _check_format(data_format)
    _same_columns(files, data_format)
    rows = 0
    for file in files:
        for batch in read_file(file, data_format, types, null_values):
            rows += batch.num_rows
            yield batch
    if not rows:
        raise DataError(no_rows(files[0]))


def read_file(
    file: str, data_format: str, types: Mapping[str, str], null_values: Sequence[str] = DEFAULT_NULL_VALUES
) -> Iterator[pa.RecordBatch]:
    """The rows of one file, as ``read_batches``; a file without rows gives no batch. Of images, a list of them."""
    if data_format == image_folder.FORMAT:
        return image_folder.read_images(file, types)
    if data_format == "parquet":
        return parquet_reader.typed_batches(file, types, null_values)
    return csv_reader.typed_batches(file, types, null_values)


def no_rows(path: str) -> str:
    """The message for data that hold a header and nothing else."""
    return f"{path}: holds column names but no rows. Rows were expected below the header."


def _check_format(data_format: str) -> None:
    if data_format not in FORMATS:
        raise DataError(f"Data format {data_format!r} is none of {', '.join(FORMATS)}.")


def _same_columns(files: Sequence[str], data_format: str) -> list[str]:
    columns = {file: _columns(file, data_format) for file in files}
    _refuse_other_columns(columns)
    return columns[files[0]]


def _refuse_other_columns(columns: Mapping[str, Sequence[str]]) -> None:
    head, first = next(iter(columns.items()))
    for file, names in columns.items():
        if set(names) != set(first):
            only = sorted(set(first) - set(names)), sorted(set(names) - set(first))
            raise DataError(
                f"{head} and {file} have different columns: only in the first {', '.join(only[0]) or 'none'}; "
                f"only in the second {', '.join(only[1]) or 'none'}."
            )


def _columns(file: str, data_format: str) -> list[str]:
    return list(parquet_reader.infer(file)) if data_format == "parquet" else csv_reader.header(file)


def _join_types(tables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {name: str(cells.join([table[name] for table in tables])) for name in tables[0]}


def _join_kinds(tables: Sequence[Mapping[str, str | None]]) -> dict[str, str | None]:
    return {name: cells.join(table[name] for table in tables) for name in tables[0]}
