"""Where the bytes come from: local files, or whatever ``tf.io.gfile`` opens, plain or gzip."""

import glob
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import pyarrow as pa

from components.errors import DataError
from components.example_gen.remote import gfile, open_remote

_GZIP_MAGIC = b"\x1f\x8b"
_GLOB_CHARACTERS = "*?["


def list_files(path: str) -> list[str]:
    """The data files behind ``path`` (a file, a directory or a glob), sorted by name.

    Names that start with ``.`` or ``_`` (``.crc``, ``_SUCCESS``) are skipped; directories are not entered.

    Raises:
      DataError: nothing is there, the directory may not be listed, or it or the glob holds no data file.
    """
    with reading(path):
        files = _gfile_listing(path) if "://" in path else _local_listing(path)
    if files is None:
        raise DataError(f"No such file: {path}. Give a file, a directory or a glob of data files.")
    if not files and not path.endswith("/") and any(character in path for character in _GLOB_CHARACTERS):
        raise DataError(f"No file matches {path}. Give a file, a directory or a glob of data files.")
    kept = sorted(file for file in files if not os.path.basename(file).startswith((".", "_")))
    if not kept:
        raise DataError(f"{path}: holds no data file (hidden names are skipped). Put the data files there.")
    return kept


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns the errors of opening and reading ``path`` into one clear line.

    Raises:
      DataError: the file is not there, may not be read, or is damaged gzip.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"No such file: {path}. Give a file, a directory or a glob of data files.") from error
    except PermissionError as error:
        raise DataError(f"{path}: no permission to read it. Change its mode or owner.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a directory, a file was expected.") from error
    except (OSError, EOFError) as error:
        text = " ".join(str(error).split())
        if any(sign in text for sign in ("Truncated compressed", "zlib", "end-of-stream", "CRC check")):
            raise DataError(f"{path}: damaged or truncated gzip ({text}). Make or fetch the file again.") from error
        raise DataError(f"{path}: cannot be read: {text}") from error


def open_binary(path: str) -> BinaryIO:
    """A Python file over the (decompressed) bytes of ``path``."""
    raw = open_raw(path)
    head = raw.read(2)
    raw.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")) if head == _GZIP_MAGIC else raw


def open_raw(path: str) -> BinaryIO:
    """A Python file over the bytes of ``path`` as they are."""
    if "://" in path:
        return open_remote(path)
    return open(path, "rb")


def open_arrow_stream(path: str) -> pa.NativeFile:
    """An Arrow input stream over the (decompressed) bytes of ``path``; gzip is known by its first bytes."""
    source = open_arrow_file(path)
    head = source.read(2)
    source.seek(0)
    return pa.CompressedInputStream(source, "gzip") if head == _GZIP_MAGIC else source


def open_arrow_file(path: str) -> pa.NativeFile:
    """An Arrow random-access file over the bytes of ``path`` as they are."""
    return pa.PythonFile(open_raw(path), mode="r") if "://" in path else pa.OSFile(path, "r")


def size_of(path: str) -> int:
    """Bytes of the file as stored."""
    if "://" in path:
        return int(gfile().stat(path).length)
    return os.stat(path).st_size


def _local_listing(path: str) -> list[str] | None:
    if os.path.isdir(path):
        return [entry.path for entry in os.scandir(path) if entry.is_file()]
    if os.path.exists(path):
        return [path]
    if any(character in path for character in _GLOB_CHARACTERS):
        return [file for file in glob.glob(path) if os.path.isfile(file)]
    return None


def _gfile_listing(path: str) -> list[str] | None:
    if gfile().isdir(path):
        joined = [f"{path.rstrip('/')}/{name.rstrip('/')}" for name in gfile().listdir(path)]
        return [file for file in joined if not gfile().isdir(file)]
    if gfile().exists(path):
        return [path]
    if any(character in path for character in _GLOB_CHARACTERS):
        return [file for file in gfile().glob(path) if not gfile().isdir(file)]
    return None
