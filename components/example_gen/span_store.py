"""Converted spans, kept between runs: found again by what was read, and how; checked to the last byte before use."""

import dataclasses
import json
import os
import posixpath
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
from absl import logging

from components.cache.envelope import DamagedEntryError, key_of
from components.cache.file_digest import file_digest
from components.cache.shelf import CacheOptions, Shelf, trim, unusable
from components.errors import DataError
from components.example_gen.shards import Plan
from components.example_gen.sources import open_raw, reading

# Raised when the same rows would be written otherwise and no module's code tells.
_FORMAT = 1
Kinds = dict[str, str | None]


class SpanFile(NamedTuple):
    """One file of TFRecords of a span, and what it must hold."""

    split: str
    path: str
    rows: int
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class ConvertedSpan:
    """A span as TFRecords: rows read and left out, and its files in order."""

    read: int
    left_out: int
    files: tuple[SpanFile, ...]


def span_digest(files: Sequence[tuple[int, str]], *, by_content: bool) -> str:
    """Hex SHA-256 over a span's files: their input split, name and bytes, or name, size and time.

    Raises:
      DataError: a file that cannot be read.
    """
    return key_of([[index, posixpath.basename(path), _mark(path, by_content)] for index, path in files])


def conversion_key(digest: str, plan: Plan, splits: Sequence[str], code_digest: str) -> str:
    """What decides the bytes of a converted span: the span's digest, the columns, the splits, the options, the code."""
    columns, buckets = list(plan.types.items()), list(plan.buckets.items())
    options = [plan.data_format, list(plan.null_values), list(plan.require), plan.partition_feature]
    return key_of("conversion", _FORMAT, digest, columns, list(splits), buckets, options, code_digest)


def described(split: str, path: str, rows: int) -> SpanFile:
    """A file as it lies there."""
    size = int(tf.io.gfile.stat(path).length)
    return SpanFile(split, path, rows, size, file_digest(path, lambda: tf.io.gfile.GFile(path, "rb")))


@dataclasses.dataclass(frozen=True)
class SpanStore:
    """The cache of one configuration's spans."""

    options: CacheOptions

    def survey(self, key: str, make: Callable[[], Kinds]) -> Kinds:
        """The columns of a span, from the cache, or made and kept."""
        shelf = self.options.shelf("columns")
        payload = _read(shelf, key)
        if payload is not None:
            return dict(json.loads(payload))
        kinds = make()
        shelf.write(key, json.dumps(list(kinds.items())).encode())
        return kinds

    def load(self, key: str, work: str) -> ConvertedSpan | None:
        """The span with its files linked or copied below ``work``, or None where it is not kept, or damaged."""
        shelf = self.options.shelf("examples")
        payload = _read(shelf, key)
        if payload is None:
            return None
        kept = json.loads(payload)
        # A folder of its own: two spans of the same content have one key, and each its files.
        folder = posixpath.join(work, f"{key}-{uuid.uuid4().hex}")
        tf.io.gfile.makedirs(folder)
        files = []
        for split, name, rows, size, sha256 in kept["files"]:
            expected = SpanFile(split, posixpath.join(folder, name), rows, size, sha256)
            try:
                link_or_copy(posixpath.join(shelf.place(key), name), expected.path)
                found = described(split, expected.path, rows)
            except tf.errors.OpError as error:
                _refused(shelf, key, f"{name}: {error.message}")
                return None
            if found != expected:
                _refused(shelf, key, f"{name} is not the file that was written")
                return None
            files.append(expected)
        return ConvertedSpan(kept["read"], kept["left_out"], tuple(files))

    def keep(self, key: str, span: ConvertedSpan) -> None:
        """Links or copies the span's files into the cache; warns where that cannot be done."""
        shelf, attempt = self.options.shelf("examples"), uuid.uuid4().hex
        listed = []
        with unusable(self.options.folder, "a span was not kept"):
            shelf.touch(key)
            for number, file in enumerate(span.files):
                name = f"{attempt}-{number:05d}.gz"
                link_or_copy(file.path, posixpath.join(shelf.place(key), name))
                listed.append([file.split, name, file.rows, file.size, file.sha256])
            shelf.write(key, json.dumps({"read": span.read, "left_out": span.left_out, "files": listed}).encode())

    def trim(self, keys: Sequence[str]) -> int:
        """Makes the cache as small as it has to be; warns where it cannot hold even ``keys``, those of the window.

        Returns how many entries of any kind left.
        """
        removed = trim(self.options)
        lost = {posixpath.basename(entry) for entry in removed} & set(keys)
        if lost:
            logging.warning(
                "The cache %s holds at most %d bytes, too few for the window: %d of its %d spans will be read again. "
                "Raise max_bytes.",
                *(self.options.folder, self.options.max_bytes, len(lost), len(keys)),
            )
        return len(removed)


def link_or_copy(source: str, target: str) -> None:
    """A second name for a local file where the file system can, else a copy; the files are never written again.

    What was at ``target`` is taken away first: written over, it would change the file behind all its other names.
    """
    if "://" not in source and "://" not in target:
        if os.path.exists(target):
            if os.path.samefile(source, target):
                return
            os.unlink(target)
        try:
            os.link(source, target)
            return
        except OSError:  # another device, or no hard links there
            pass
    tf.io.gfile.copy(source, target, overwrite=True)


def _read(shelf: Shelf, key: str) -> bytes | None:
    try:
        return shelf.read(key)
    except DamagedEntryError as error:
        _refused(shelf, key, str(error))
        return None


def _refused(shelf: Shelf, key: str, reason: str) -> None:
    logging.warning("The cache entry %s is not used, and made again: %s.", shelf.place(key), reason)
    shelf.drop(key)


def _mark(path: str, by_content: bool) -> str:
    if by_content:
        with reading(path):
            return file_digest(path, lambda: open_raw(path))
    try:
        found = tf.io.gfile.stat(path)
    except tf.errors.OpError as error:
        raise DataError(f"{path}: cannot be read: {error.message}") from error
    return f"{found.length} {found.mtime_nsec}"
