import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import DataError
from components.example_gen import parquet_reader, tables


def write(folder: Path, columns: dict[str, Any], name: str = "t.parquet", **options: Any) -> str:
    path = folder / name
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def read(path: str, types: dict[str, str] | None = None) -> dict[str, list[Any]]:
    files = tables.list_files(path)
    types = types or tables.infer_types(files, "parquet")
    table = pa.Table.from_batches(list(tables.read_batches(files, "parquet", types)))
    assert {str(kind) for kind in table.schema.types} <= {
        *("int64", "float", "binary"),
        *("list<item: int64>", "list<item: float>", "list<item: binary>"),
    }
    return {name: list(values) for name, values in table.to_pydict().items()}


KINDS: dict[str, tuple[Any, str, list[Any]]] = {
    "int8": (pa.array([1, None, -3], pa.int8()), "int64", [1, None, -3]),
    "int64": (pa.array([2**53 + 1, None, -(2**63)]), "int64", [2**53 + 1, None, -(2**63)]),
    "uint64": (pa.array([2**63 - 1, None, 0], pa.uint64()), "int64", [2**63 - 1, None, 0]),
    "bool": (pa.array([True, None, False]), "int64", [1, None, 0]),
    "float16": (pa.array([np.float16(1.5), None, np.float16(2)], pa.float16()), "float32", [1.5, None, 2.0]),
    "float64": (pa.array([0.1, None, float("inf")]), "float32", [float(np.float32(0.1)), None, float("inf")]),
    "decimal": (pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3")]), "float32", [1.25, None, -3.0]),
    "string": (pa.array(["é", None, ""]), "bytes", ["é".encode(), None, b""]),
    "large_string": (pa.array(["a", None, "NA"], pa.large_string()), "bytes", [b"a", None, b"NA"]),
    "binary": (pa.array([b"\xff\0", None, b"a"]), "bytes", [b"\xff\0", None, b"a"]),
    "dictionary": (pa.array(["x", None, "x"]).dictionary_encode(), "bytes", [b"x", None, b"x"]),
    "codes": (pa.array([7, None, 7]).dictionary_encode(), "int64", [7, None, 7]),
    "null": (pa.nulls(3), "bytes", [None, None, None]),
    "date": (pa.array([datetime.date(2013, 1, 31), None, None]), "bytes", [b"2013-01-31", None, None]),
    "timestamp": (
        pa.array([datetime.datetime(2013, 1, 1, 5), None, datetime.datetime(2013, 1, 1, 5, 0, 0, 250000)]),
        "bytes",
        [b"2013-01-01T05:00:00", None, b"2013-01-01T05:00:00.250000"],
    ),
    "zoned": (
        pa.array([0, None, 3600], pa.timestamp("s", tz="Europe/Berlin")),
        "bytes",
        [b"1970-01-01T00:00:00Z", None, b"1970-01-01T01:00:00Z"],
    ),
    "time": (pa.array([datetime.time(5, 30), None, None]), "bytes", [b"05:30:00", None, None]),
    "list": (pa.array([[1, 2], None, []]), "int64", [[1, 2], None, []]),
    "large_list": (
        pa.array([["a"], None, ["b", "c"]], pa.large_list(pa.string())),
        "bytes",
        [[b"a"], None, [b"b", b"c"]],
    ),
    "fixed_list": (
        pa.array([[1.5, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)),
        "float32",
        [[1.5, 2], [3, 4]],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_arrow_type_comes_out_as_a_tf_example_can_hold_it(tmp_path: Path, kind: str) -> None:
    column, expected_type, expected = KINDS[kind]
    if kind == "float16":
        pytest.importorskip("pyarrow", minversion="15", reason="older Arrow cannot write half floats to Parquet")
    path = write(tmp_path, {"a": column})
    assert tables.infer_types([path], "parquet") == {"a": expected_type}
    assert read(path) == {"a": expected}


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([7, None]), "bytes", [b"7", None]),
        (pa.array([16777217, None]), "float32", [16777216.0, None]),
        (pa.array([3.0, None]), "int64", [3, None]),
        (pa.array(["4", "NA"]), "int64", [4, None]),
        (pa.array(["4.5", ""]), "float32", [4.5, None]),
        (pa.nulls(2), "float32", [None, None]),
    ],
)
def test_the_schemas_types_win(tmp_path: Path, column: Any, kind: str, expected: list[Any]) -> None:
    assert read(write(tmp_path, {"a": column}), {"a": kind}) == {"a": expected}


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        (pa.array([1, 2**63], pa.uint64()), "int64", r"row 2, column 'a': 9223372036854775808 is beyond int64"),
        (pa.array([1.0, 1e39]), "float32", r"row 2, column 'a': 1e\+39 is beyond float32"),
        (pa.array([1.0, 2.5]), "int64", r"row 2, column 'a': 2\.5 is not an integer"),
        (pa.array([1.0, float("nan")]), "int64", r"row 2, column 'a': nan is not an integer"),
        (pa.array(["1", "x"]), "int64", r"row 2, column 'a': 'x' is not an integer"),
        (pa.array([[1], [2, None]]), "int64", r"row 2, column 'a': None is missing inside a list"),
        (pa.array([[1.0], [], [2.0, 1e39]]), "float32", r"row 3, column 'a': 1e\+39 is beyond float32"),
        (pa.array([datetime.date(2013, 1, 31)]), "float32", r"row 1, column 'a': .* is not a number"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_row_and_column(
    tmp_path: Path, column: Any, kind: str, message: str
) -> None:
    with pytest.raises(DataError, match=r"t\.parquet, " + message):
        read(write(tmp_path, {"a": column}), {"a": kind})


def test_rows_are_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_reader, "_MOST_ROWS", 16)
    path = write(tmp_path, {"a": ["1"] * 40 + ["x"]}, row_group_size=10)
    with pytest.raises(DataError, match="row 41, column 'a'"):
        read(path, {"a": "int64"})


def test_files_of_different_width_types_join_to_the_wider(tmp_path: Path) -> None:
    write(tmp_path, {"a": [1]}, "1.parquet")
    write(tmp_path, {"a": [0.5]}, "2.parquet")
    assert read(str(tmp_path)) == {"a": [1.0, 0.5]}


def test_no_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"t\.parquet: is not a Parquet file") as caught:
        read(str(tmp_path / "t.parquet"))
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    path = Path(write(tmp_path, {"a": list(range(1000))}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t\.parquet: is not a Parquet file, or a damaged one"):
        read(str(path))


def test_damaged_pages_are_one_clear_line(tmp_path: Path) -> None:
    path = Path(write(tmp_path, {"a": list(range(1000))}))
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"t\.parquet") as caught:
        read(str(path))
    assert "\n" not in str(caught.value)


def test_empty_and_rowless_files(tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"e\.parquet: the file is empty"):
        read(str(tmp_path / "e.parquet"))
    with pytest.raises(DataError, match=r"t\.parquet: holds column names but no rows"):
        read(write(tmp_path, {"a": pa.array([], pa.int64())}))


def test_a_struct_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'a': struct<x: int64> cannot be held by a tf\.Example"):
        read(write(tmp_path, {"a": [{"x": 1}]}))
