"""A file's bytes are hashed once a process, and again when they may have changed."""

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.cache.file_digest import file_digest

OLD = time.time() - 60


class Opener:
    """Opens a file and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> contextlib.AbstractContextManager[io.BytesIO]:
        self.times += 1
        return self._stream()

    @contextlib.contextmanager
    def _stream(self) -> Iterator[io.BytesIO]:
        yield io.BytesIO(self.path.read_bytes())


def digest(path: Path) -> tuple[str, int]:
    opener = Opener(path)
    return file_digest(str(path), opener), opener.times


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    os.utime(path, (OLD, OLD))
    return path


def test_an_old_file_is_read_once_under_all_its_names(file: Path, tmp_path: Path) -> None:
    right = hashlib.sha256(b"first").hexdigest()
    assert digest(file) == (right, 1)
    assert digest(file) == (right, 0)
    os.link(file, tmp_path / "link")
    file.rename(tmp_path / "moved")
    assert digest(tmp_path / "link") == digest(tmp_path / "moved") == (right, 0)


def test_a_file_with_another_time_is_read_again(file: Path) -> None:
    digest(file)
    file.write_bytes(b"other")  # as long
    os.utime(file, (OLD + 1, OLD + 1))
    assert digest(file) == (hashlib.sha256(b"other").hexdigest(), 1)


def test_a_file_that_was_just_written_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(b"new")
    assert [digest(path)[1] for _ in range(3)] == [1, 1, 1]


def test_an_error_of_opening_comes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_digest(str(tmp_path / "nowhere"), lambda: (tmp_path / "nowhere").open("rb"))
