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


def test_brackets_may_be_part_of_a_folder_and_then_the_pattern_is_the_rest(tmp_path: Path) -> None:
    for name in ("runs[1]", "runs1"):
        (tmp_path / name / "Split-train").mkdir(parents=True)
        touch(tmp_path / name / "Split-train", "b-1", "a-1", "c-2")
    folder = tmp_path / "runs[1]" / "Split-train"
    assert matching_files(f"{folder}/*") == [f"{folder}/{name}" for name in ("a-1", "b-1", "c-2")]
    assert matching_files(f"{folder}/?-1") == [f"{folder}/{name}" for name in ("a-1", "b-1")]
    assert matching_files(f"{tmp_path}/runs[12]/Split-*/c-2") == [f"{tmp_path}/runs1/Split-train/c-2"]


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No TFRecord file matches .*nothing"):
        matching_files(tmp_path / "nothing*")
