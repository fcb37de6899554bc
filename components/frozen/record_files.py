"""TFRecord files as people name them: one, several, or a glob; plain or gzip."""

import fnmatch
import os
import posixpath
import re
from collections.abc import Sequence

import tensorflow as tf

from components.errors import DataError

_MAGIC = re.compile(r"[][*?\\]")
Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def matching_files(files_or_pattern: Files) -> list[str]:
    """The files that match, sorted within each pattern.

    Raises:
      DataError: none does, or one is named twice.
    """
    single = isinstance(files_or_pattern, (str, os.PathLike))
    patterns = [files_or_pattern] if single else list(files_or_pattern)  # type: ignore[arg-type]
    found = [file for name in patterns for file in _matching(str(name))]
    if not found:
        raise DataError(f"No TFRecord file matches {files_or_pattern}. Give existing files or a glob.")
    twice = sorted({file for file in found if found.count(file) > 1}) if len(set(found)) < len(found) else []
    if twice:
        raise DataError(f"{twice[0]} is named more than once in {files_or_pattern}: its rows would count twice.")
    return found


def _matching(name: str) -> list[str]:
    """A file of exactly this name comes first, then files of a folder of exactly this name: both may hold brackets."""
    if tf.io.gfile.exists(name):
        return [name]
    folder, pattern = posixpath.split(name)
    if _MAGIC.search(folder) and tf.io.gfile.isdir(folder):
        return [f"{folder}/{found}" for found in sorted(fnmatch.filter(tf.io.gfile.listdir(folder), pattern))]
    return sorted(tf.io.gfile.glob(name))


def compression_of(file: str) -> str:
    """TensorFlow's name of a file's compression: names that end in ``.gz`` are gzip."""
    return "GZIP" if file.endswith(".gz") else ""
