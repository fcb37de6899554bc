"""TFRecord files as people name them: one, several, or a glob; plain or gzip."""

import os
from collections.abc import Sequence

import tensorflow as tf

from components.errors import DataError

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def matching_files(files_or_pattern: Files) -> list[str]:
    """The files that match, sorted within each pattern.

    Raises:
      DataError: none does.
    """
    single = isinstance(files_or_pattern, (str, os.PathLike))
    patterns = [files_or_pattern] if single else list(files_or_pattern)  # type: ignore[arg-type]
    found = [file for name in patterns for file in sorted(tf.io.gfile.glob(str(name)))]
    if not found:
        raise DataError(f"No TFRecord file matches {files_or_pattern}. Give existing files or a glob.")
    return found


def compression_of(file: str) -> str:
    """TensorFlow's name of a file's compression: names that end in ``.gz`` are gzip."""
    return "GZIP" if file.endswith(".gz") else ""
