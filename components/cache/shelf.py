"""Cache entries in a folder, by ``tf.io.gfile``: read, written in one step, and the least recently used taken away.

``<cache>/<kind>/<key>/`` is one entry: its sealed file ``entry``, ``used`` with the time of its last use, and files
that belong to it. ``entry`` is written last, by a rename, so that a half-written entry is none; writers of one key do
each other no harm, because they write the same.
"""

import contextlib
import dataclasses
import posixpath
import re
import time
import uuid
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging

from components.cache.envelope import seal, unseal

# A window of 28 days of 300 MB each, read and measured, and a fifth to spare.
DEFAULT_MAX_BYTES = 10 << 30
_ENTRY, _USED = "entry", "used"
# What a cache keeps, and how ``components.cache.envelope.key_of`` names it.
KINDS = ("columns", "examples", "statistics")
_KEY = re.compile("[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class CacheOptions:
    """Where results are kept, and how much of them.

    Attributes:
      folder: a path or URI.
      max_bytes: of all entries; those that were not used for longest leave first.
    """

    folder: str
    max_bytes: int = DEFAULT_MAX_BYTES

    def shelf(self, kind: str) -> "Shelf":
        """The entries of one of the ``KINDS``."""
        if kind not in KINDS:
            raise ValueError(f"A cache keeps {KINDS}, but not {kind!r}.")
        return Shelf(f"{self.folder.rstrip('/')}/{kind}")


@dataclasses.dataclass(frozen=True)
class Shelf:
    """The entries of one kind, by key. ``clock`` gives nanoseconds."""

    folder: str
    clock: Callable[[], int] = time.time_ns

    def place(self, key: str) -> str:
        """The folder of this key's entry."""
        return f"{self.folder}/{key}"

    def read(self, key: str) -> bytes | None:
        """The payload, or None where there is no entry that can be read; marks the entry as used.

        Raises:
          DamagedEntryError: there is one, and it is not what was written.
        """
        with unusable(self.folder, "an entry was not read"):
            try:
                with tf.io.gfile.GFile(f"{self.place(key)}/{_ENTRY}", "rb") as file:
                    entry = file.read()
            except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError):
                return None
            payload = unseal(key, entry)
            with unusable(self.folder, "an entry was not marked as used"):
                self.touch(key)
            return payload
        return None

    def write(self, key: str, payload: bytes) -> None:
        """Puts the entry there, in place of one that may be there, in one step; warns where it cannot be written."""
        with unusable(self.folder, "an entry was not kept"):
            self.touch(key)
            _write(f"{self.place(key)}/{_ENTRY}", seal(key, payload))

    def touch(self, key: str) -> None:
        """Marks the entry as used now; also before the first of its files is written, so that it is not the oldest.

        Raises:
          tf.errors.OpError: the folder cannot be written.
        """
        tf.io.gfile.makedirs(self.place(key))
        _write(f"{self.place(key)}/{_USED}", str(self.clock()).encode())

    def drop(self, key: str) -> None:
        """Removes the entry and its files; warns where that cannot be done."""
        with unusable(self.folder, "an entry was not removed"):
            _remove(self.place(key))


@contextlib.contextmanager
def unusable(folder: str, consequence: str) -> Iterator[None]:
    """Goes on without the cache where its folder cannot be read or written: the result is the same, and comes later."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = error.message if isinstance(error, tf.errors.OpError) else str(error)
        logging.warning("The cache %s cannot be used, %s: %s", folder, consequence, reason.splitlines()[0])


def trim(options: CacheOptions) -> list[str]:
    """Removes entries, the least recently used first, until all of them together have at most ``max_bytes``.

    Converted spans leave before everything else, as long as the rest has less than half of ``max_bytes``: it is small,
    saves the most, and what a window's later steps will ask for looks unused while the first one trims.

    What is no entry (of a kind that a cache keeps, with a key's name) is neither counted nor touched: the folder may
    hold somebody's other files.

    Returns the removed entries' folders.
    """
    removed: list[str] = []
    with unusable(options.folder, "nothing more was taken away"):
        _trim(options, removed)
    return removed


def _trim(options: CacheOptions, removed: list[str]) -> None:
    kinds = [kind for kind in _folders(options.folder) if posixpath.basename(kind) in KINDS]
    entries = [entry for kind in kinds for entry in _folders(kind) if _KEY.fullmatch(posixpath.basename(entry))]
    sizes = {entry: _size(entry) for entry in entries}
    total = sum(sizes.values())
    rest = sum(size for entry, size in sizes.items() if not _is_large(entry))
    entries.sort(key=lambda entry: (_last_used(entry), entry))
    while entries and total > options.max_bytes:
        large = (entry for entry in entries if 2 * rest < options.max_bytes and _is_large(entry))
        entry = next(large, entries[0])
        entries.remove(entry)
        rest -= 0 if _is_large(entry) else sizes[entry]
        _remove(entry)
        total -= sizes[entry]
        removed.append(entry)
    if removed:
        logging.info("Cache %s: %d entries left, to hold at most %d bytes.", options.folder, len(removed), total)


def _is_large(entry: str) -> bool:
    return posixpath.basename(posixpath.dirname(entry)) == "examples"


def _write(path: str, content: bytes) -> None:
    attempt = f"{path}.{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(attempt, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(attempt, path, overwrite=True)


def _remove(folder: str) -> None:
    try:
        tf.io.gfile.rmtree(folder)
    except tf.errors.NotFoundError:  # another process was faster
        return


def _names(folder: str) -> list[str]:
    try:
        return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
    except tf.errors.NotFoundError:
        return []


def _folders(folder: str) -> list[str]:
    paths = [f"{folder.rstrip('/')}/{name}" for name in _names(folder)]
    return sorted(path for path in paths if tf.io.gfile.isdir(path))


def _size(entry: str) -> int:
    total = 0
    for name in _names(entry):
        try:
            total += int(tf.io.gfile.stat(f"{entry}/{name}").length)
        except tf.errors.NotFoundError:
            continue
    return total


def _last_used(entry: str) -> int:
    try:
        with tf.io.gfile.GFile(f"{entry}/{_USED}", "rb") as file:
            return int(file.read())
    except (tf.errors.NotFoundError, ValueError):
        return 0
