import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.errors import DataError
from components.example_gen import csv_reader, tables


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def read(
    path: str, types: dict[str, str] | None = None, null_values: Sequence[str] = tables.DEFAULT_NULL_VALUES
) -> dict[str, list[Any]]:
    files = tables.list_files(path)
    types = types or tables.infer_types(files, "csv", null_values)
    found: dict[str, list[Any]] = {name: [] for name in types}
    for batch in tables.read_batches(files, "csv", types, null_values):
        for name, values in batch.to_pydict().items():
            found[name] += values
    return found


def test_each_kind_of_column_gets_its_type_and_its_values(tmp_path: Path) -> None:
    path = write(tmp_path, "i,f,t,b,nothing\n1,1.5,x,true,\n-2,NA,,False,NA\n,nan,é,NA,\n")
    assert tables.infer_types([path]) == {"i": "int64", "f": "float32", "t": "bytes", "b": "int64", "nothing": "bytes"}
    found = read(path)
    assert found["i"] == [1, -2, None]
    assert found["f"][:2] == [1.5, None]
    assert found["f"][2] != found["f"][2]
    assert found["t"] == [b"x", None, "é".encode()]
    assert found["b"] == [1, 0, None]
    assert found["nothing"] == [None, None, None]


def test_integers_are_exact_over_the_whole_of_int64(tmp_path: Path) -> None:
    path = write(tmp_path, "a\n9223372036854775807\n-9223372036854775808\n9007199254740993\n")
    assert read(path) == {"a": [2**63 - 1, -(2**63), 2**53 + 1]}


def test_integers_beyond_int64_stay_text_with_every_digit(tmp_path: Path) -> None:
    path = write(tmp_path, "a\n9223372036854775808\n1\n")
    assert read(path) == {"a": [b"9223372036854775808", b"1"]}


def test_the_same_digits_among_fractions_are_a_number(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a\n9223372036854775808\n0.5\n")) == {"a": [float(2**63), 0.5]}


@pytest.mark.parametrize("text", ["0x1F", "1d", "1_000", "١٢", "1,000", "--1", "nil"])
def test_what_only_looks_like_a_number_stays_text(tmp_path: Path, text: str) -> None:
    assert read(write(tmp_path, f'a\n"{text}"\n')) == {"a": [text.encode()]}


def test_blanks_and_plus_signs_around_numbers_do_not_make_text(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a,b\n 1, +2.5\n+2,.5 \n NA ,\n")) == {"a": [1, 2, None], "b": [2.5, 0.5, None]}


def test_text_keeps_its_blanks(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a\n x \n\n y\n")) == {"a": [b" x ", b" y"]}


def test_whole_decimals_are_floats_unless_the_schema_says_int(tmp_path: Path) -> None:
    path = write(tmp_path, "a\n1.0\n2.0\n")
    assert tables.infer_types([path]) == {"a": "float32"}
    assert read(path, {"a": "int64"}) == {"a": [1, 2]}


def test_the_schemas_types_win(tmp_path: Path) -> None:
    path = write(tmp_path, "zip,n\n02134,1\n,16777217\n")
    assert read(path, {"n": "float32", "zip": "bytes"}) == {"n": [1.0, 16777216.0], "zip": [b"02134", None]}


def test_a_float_is_the_float32_nearest_to_its_float64(tmp_path: Path) -> None:
    texts = ["0.1", "3.4028235e38", "1e-45", "1e-400", "-0.0", "inf", "-Infinity"]
    values = read(write(tmp_path, "a\n" + "\n".join(texts)), {"a": "float32"})["a"]
    assert [struct.pack("<f", value) for value in values] == [struct.pack("<f", float(text)) for text in texts]


@pytest.mark.parametrize("text", ["1e39", "-1e400"])
def test_a_number_beyond_float32_is_refused_never_infinite(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"a\n1.5\n{text}\n")
    with pytest.raises(DataError, match=rf"t\.csv, line 3, column 'a': '{text}' is beyond float32"):
        read(path, {"a": "float32"})
    assert read(path) == {"a": [b"1.5", text.encode()]}


def test_own_marks_of_missing_values_replace_the_usual_ones(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a,t\n-999,NA\n5,?\n"), null_values=("-999", "?")) == {
        "a": [None, 5],
        "t": [b"NA", None],
    }


def test_a_quoted_mark_is_missing_too(tmp_path: Path) -> None:
    assert read(write(tmp_path, 'a,t\n"","NA"\n"5","x"\n')) == {"a": [None, 5], "t": [None, b"x"]}


def test_quotes_commas_line_breaks_and_nul_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, 'n,t\n1,"say ""hi"", Bob"\n2,"two\nlines"\n3,a\0b\n4,"two\r\nlines"\n')
    assert read(path) == {"n": [1, 2, 3, 4], "t": [b'say "hi", Bob', b"two\nlines", b"a\0b", b"two\r\nlines"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_and_a_byte_order_mark(tmp_path: Path, end: str) -> None:
    text = end.join(["a,b", "1,2", "", "3,4"])
    assert read(write(tmp_path, b"\xef\xbb\xbf" + text.encode())) == {"a": [1, 3], "b": [2, 4]}


def test_blank_lines_before_the_header_are_skipped(tmp_path: Path) -> None:
    assert read(write(tmp_path, "\n\na,b\n1,2\n")) == {"a": [1], "b": [2]}


def test_a_header_with_quoted_line_break_and_a_column_without_a_name(tmp_path: Path) -> None:
    assert read(write(tmp_path, ',"two\nlines"\n1,2\n')) == {"column_1": [1], "two\nlines": [2]}


def test_types_are_judged_over_every_block_of_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 64)
    rows = ["1,1,1,"] * 100
    write(tmp_path, "late_float,late_text,int,late\n" + "\n".join([*rows, "0.5,x,2,"]), "a.csv")
    write(tmp_path, "late_float,late_text,int,late\n" + "\n".join([*rows, "1,1,1,7"]), "b.csv")
    files = tables.list_files(str(tmp_path))
    assert tables.infer_types(files) == {"late_float": "float32", "late_text": "bytes", "int": "int64", "late": "int64"}
    found = read(str(tmp_path))
    assert found["late"] == [None] * 201 + [7]
    assert found["late_text"][99:102] == [b"1", b"x", b"1"]


def test_files_with_columns_in_another_order_are_read_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,2\n", "1.csv")
    write(tmp_path, "b,a\n4,3\n", "2.csv")
    assert read(str(tmp_path)) == {"a": [1, 3], "b": [2, 4]}


def test_directory_glob_and_gzip_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write(tmp_path / "d", "a\n1\n", "1.csv")
    # two members, one after the other, as `cat` makes them, under a name that does not say gzip
    write(tmp_path / "d", gzip.compress(b"a\n2\n") + gzip.compress(b"3\n"), "2.csv")
    write(tmp_path / "d", "junk", ".hidden.csv")
    write(tmp_path / "d", "", "_SUCCESS")
    assert read(str(tmp_path / "d")) == read(str(tmp_path / "d" / "*.csv")) == {"a": [1, 2, 3]}


def test_a_column_that_is_not_asked_for_may_hold_anything(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a,b,c\n1,x,2\n"), {"c": "int64", "a": "float32"}) == {"c": [2], "a": [1.0]}


BAD = {
    "empty": (b"", r"t\.csv: the file is empty"),
    "blank lines": (b"\n\n", r"t\.csv: the file holds blank lines only"),
    "header only": (b"a,b\n", r"t\.csv: holds column names but no rows"),
    "duplicate columns": (b"a,b,a\n1,2,3\n", r"t\.csv, line 1: the column name 'a' occurs 2 times"),
    "too few": (b'a,b\n1,"x\ny"\n3\n', r"t\.csv, line 4: expected 2 columns as in the header, found 1"),
    "too many": (b"a,b\n1,2\n\n1,2,3\n", r"t\.csv, line 4: expected 2 columns as in the header, found 3"),
    "latin-1": ("a,b\n1,2\n3,é\n".encode("latin-1"), r"t\.csv, line 3: byte 0xe9 is not UTF-8"),
    "latin-1 header": ("é,b\n1,2\n".encode("latin-1"), r"t\.csv, line 1: byte 0xe9 is not UTF-8"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), r"t\.csv, line 1: byte 0xff is not UTF-8"),
    "open quote": (b'a,b\n1,2\n3,"x\n5,6\n', r"t\.csv, line 3: a quote opens here and is never closed"),
    "truncated gzip": (gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9999)))[:-99], "gzip"),
    "damaged gzip": (gzip.compress(b"a,b\n1,2\n")[:-8] + b"\0" * 8, "gzip"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, case: str) -> None:
    data, message = BAD[case]
    path = write(tmp_path, data)
    with pytest.raises(DataError, match=message) as inferring:
        tables.infer_types([path])
        read(path)
    with pytest.raises(DataError) as reading:
        read(path, {"b": "bytes"})
    assert "\n" not in str(inferring.value)
    assert "\n" not in str(reading.value)
    assert str(reading.value).startswith(path)


@pytest.mark.parametrize("kind", ["int64", "float32"])
def test_a_text_in_a_number_column_is_named_by_its_line_in_an_editor(tmp_path: Path, kind: str) -> None:
    #             line 1     2            3    4   5 (blank) 6
    path = write(tmp_path, 'a,t,n\n1,"x\ny",2\n1,z,3\n\n1,"p\r\nq",oops\n')
    with pytest.raises(DataError) as caught:
        read(path, {"n": kind})
    assert str(caught.value).startswith(f"{path}, line 7, column 'n': 'oops' is not a")
    assert "\n" not in str(caught.value)


def test_the_line_is_right_beyond_the_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 64)
    path = write(tmp_path, "a,b\n" + '1,"x\ny"\n' * 50 + "1.5,z\n")
    with pytest.raises(DataError, match=r"line 102, column 'a': '1\.5' is not an integer, and the column is int64"):
        read(path, {"a": "int64"})


def test_a_quote_that_swallows_a_whole_block_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 64)
    path = write(tmp_path, 'a,b\n1,2\n3,"x\n' + "5,6\n" * 99)
    with pytest.raises(DataError, match=r"line 3: a quote opens here"):
        read(path)


def test_a_whole_number_beyond_int64_is_refused_where_the_schema_says_int(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, column 'a': '9223372036854775808' is beyond int64"):
        read(write(tmp_path, "a\n1\n9223372036854775808\n"), {"a": "int64"})


def test_files_with_different_columns_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,2\n", "1.csv")
    write(tmp_path, "a,c\n1,2\n", "2.csv")
    with pytest.raises(DataError, match=r"1\.csv and .*2\.csv have different columns: .* first b; .* second c"):
        read(str(tmp_path))


def test_one_file_without_rows_among_others_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, "a\n", "1.csv")
    write(tmp_path, "a\n5\n", "2.csv")
    assert read(str(tmp_path)) == {"a": [5]}


@pytest.mark.parametrize("name", ["nowhere.csv", "no*.csv", "d"])
def test_no_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match=name.replace("*", r"\*")):
        tables.list_files(str(tmp_path / name))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a\n1\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)  # chmod would not stop root
    with pytest.raises(DataError, match=r"t\.csv: no permission to read it"):
        tables.infer_types([path])


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(tmp_path: Path, mark: str, name: str) -> None:
    path = write(tmp_path, f"a{mark}b\n1,5{mark}2\n")
    with pytest.raises(DataError, match=f"line 2: expected 1 columns.*separated by {name}: write the file with commas"):
        read(path)
