from pathlib import Path

import pytest

from components.errors import DataError
from components.frozen.record_files import matching_files


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return [str(folder / name) for name in names]


def test_several_patterns_in_order_and_files_sorted_within_each(tmp_path: Path) -> None:
    b, a, c = touch(tmp_path, "x-2", "x-1", "y")
    assert matching_files([tmp_path / "y", str(tmp_path / "x-*")]) == [c, a, b]


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    (a,) = touch(tmp_path, "a")
    with pytest.raises(DataError, match="a is named more than once"):
        matching_files([a, f"{tmp_path}/a*"])


def test_brackets_may_be_part_of_a_name(tmp_path: Path) -> None:
    (a,) = touch(tmp_path, "rows[1].tfrecord")
    assert matching_files(a) == [a]


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No TFRecord file matches .*nothing"):
        matching_files(tmp_path / "nothing*")
