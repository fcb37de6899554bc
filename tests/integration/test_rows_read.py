"""The account of the rows read as a file: how it names files, its order, and what is refused when it is read."""

import json
from pathlib import Path

import pytest

from components.errors import DataError
from components.rows_read import FILE_NAME, RowsRead, UnitRows


def test_files_are_named_within_the_folder_that_they_share_and_units_are_in_order(tmp_path: Path) -> None:
    train = ["ram://a[1]/Split-train/span-00012-data_tfrecord-00000-of-00001.gz", "ram://a[1]/Split-train/data"]
    units = [
        UnitRows(train[1], 50, 90, 2, 40),
        UnitRows(train[0], 0, None, 7, 300),
        UnitRows(train[1], 0, 50, 3, 50),
        UnitRows(train[1], 0, 50, 3, 50),
    ]
    read = RowsRead.of(units, {"train": train})
    read.save(str(tmp_path))
    table = json.loads((tmp_path / FILE_NAME).read_text())
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    keys = ("split", "span", "file", "offset", "end", "rows", "bytes")
    assert [tuple(unit[key] for key in keys) for unit in table.pop("units")] == [
        ("train", None, "data", 0, 50, 3, 50),
        ("train", None, "data", 0, 50, 3, 50),  # read twice
        ("train", None, "data", 50, 90, 2, 40),
        ("train", 12, "span-00012-data_tfrecord-00000-of-00001.gz", 0, None, 7, 300),
    ]
    assert table == {"format_version": 1, "splits": ["train"], "rows": 15}
    assert RowsRead.load(str(tmp_path)) == read
    assert RowsRead.of(reversed(units), {"train": train}) == read


def test_files_of_several_splits_and_artifacts_are_told_apart() -> None:
    files = {"train": ["/r/1/Split-train/x", "/r/2/Split-train/x"], "eval": ["/r/1/Split-eval/x"]}
    units = [UnitRows(file, 0, 9, rows, 9) for rows, file in enumerate([*files["train"], *files["eval"]], 1)]
    read = RowsRead.of(units, files)
    assert read.splits == ("eval", "train")
    assert [(unit.split, unit.file) for unit in read.units] == [
        ("eval", "1/Split-eval/x"),
        ("train", "1/Split-train/x"),
        ("train", "2/Split-train/x"),
    ]
    assert (read.rows, read.rows_of("train"), read.rows_of("eval")) == (6, 3, 3)


def test_rows_that_the_examples_state_are_those_that_were_read() -> None:
    read = RowsRead.of([UnitRows("/r/x", 0, 9, 4, 9), UnitRows("/r/y", 0, 9, 3, 9)], {"train": ["/r/x", "/r/y"]})
    read.check({"train": 7})
    read.check({})
    for rows in (4, 8):
        with pytest.raises(DataError, match=rf"state {rows} rows in the split 'train', but its files hold 7: "):
            read.check({"train": rows})


@pytest.mark.parametrize(
    ("was", "becomes"), [('"rows": 4,', '"rows": 5,'), ('version": 1', 'version": 2'), ("splits", "s"), ("{", "")]
)
def test_an_account_that_was_edited_is_refused(was: str, becomes: str, tmp_path: Path) -> None:
    refused(tmp_path, was, becomes, 1)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('version": 1', 'version": true'),
        ('version": 1', 'version": 1.0'),
        ('"rows": 4', '"rows": -4'),
        ('"rows": 4', '"rows": 4.0'),
        ('"bytes": 9', '"bytes": -9'),
        ('"end": 9', '"end": "9"'),
        ('"offset": 0', '"offset": false'),
    ],
)
def test_numbers_that_add_up_and_are_no_counts_are_refused(was: str, becomes: str, tmp_path: Path) -> None:
    refused(tmp_path, was, becomes, -1)


def refused(folder: Path, was: str, becomes: str, times: int) -> None:
    RowsRead.of([UnitRows("/r/x", 0, 9, 4, 9)], {"train": ["/r/x"]}).save(str(folder))
    file = folder / FILE_NAME
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, becomes, times))
    with pytest.raises(DataError, match=f"{FILE_NAME} holds no account of the rows read"):
        RowsRead.load(str(folder))


def test_where_there_is_none_none_is_given(tmp_path: Path) -> None:
    assert RowsRead.load(str(tmp_path)) is None
