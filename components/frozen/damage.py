"""Records that cannot be read: which file, which record, at which byte, and why."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow as tf

from components.errors import DataError
from components.frozen.gzip_stream import PADDED, BrokenStreamError, check_whole
from components.frozen.record_files import compression_of

# Beside its data a record has its length, the length's checksum, and the data's checksum.
_HEADER, _FRAME = 12, 16
_BATCH = 1_024

Parse = Callable[[tf.Tensor], object]

# What lines of an error of a function begin with that say where it was seen.
_ABOUT_THE_GRAPH = ("Graph execution error", "Detected at", "File ", "<stack", "[[", "[Op:", "(")
_NO_KEY = re.compile("(?:Key|Name): <unknown>, ")  # the parser's name of a record, which nobody gives
# TensorFlow quotes a bad record in its message, and where that is no UTF-8 it fails to say so.
UNREADABLE = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError)


@dataclasses.dataclass(frozen=True)
class Damage:
    """One record that cannot be read.

    Attributes:
      file: its name.
      record: its number in the file, from 0.
      offset: of its first byte, in the decompressed file.
      reason: TensorFlow's own words.
      rest_lost: the file's framing is damaged here, so that nothing behind this record can be read either.
    """

    file: str
    record: int
    offset: int
    reason: str
    rest_lost: bool

    def __str__(self) -> str:
        """One line for a person."""
        rest = " Nothing behind it in this file can be read." if self.rest_lost else ""
        return f"Cannot read {self.file}: record {self.record} at byte {self.offset}: {self.reason}.{rest}"


def find_damage(files: Iterable[str], parse: Parse) -> Iterator[Damage]:
    """Reads all records of TFRecord files and parses them, by TensorFlow's own kernels.

    Args:
      files: names; those that end in ``.gz`` are gzip.
      parse: serialized tf.Examples [batch] to anything, such as ``FrozenTransform.parse``; raises for a bad one.
    """
    for file in files:
        for first, offsets, texts, broken in _batches(file):
            yield from _unparsable(file, first, offsets, texts, parse)
            if broken is not None:
                yield broken


@contextlib.contextmanager
def named(files: Sequence[str], parse: Parse) -> Iterator[None]:
    """Names file, record and byte where reading these files failed inside the block; TensorFlow's error does not.

    Raises:
      DataError: about the first damage that a second reading finds; where it finds none, the error stays as it was.
    """
    try:
        yield
    except UNREADABLE as error:
        damage = next(find_damage(files, parse), None)
        if damage is None:
            raise
        raise DataError(str(damage)) from error


def _batches(file: str) -> Iterator[tuple[int, list[int], list[bytes], Damage | None]]:
    """(number of the first record, offsets, records, what stopped the reader) in batches."""
    kind = "GZIP" if compression_of(file) else ""
    options = tf.io.TFRecordOptions(compression_type=kind)
    first, at = 0, 0
    offsets: list[int] = []
    texts: list[bytes] = []
    broken: Damage | None = None
    records = tf.compat.v1.io.tf_record_iterator(file, options)
    while True:
        try:
            text = next(records)
        except StopIteration:
            broken = (_cut_stream if kind else _cut_header)(file, first + len(texts), at)
            break
        except tf.errors.OpError as error:
            found = _padding(file, first + len(texts), at) if kind else None
            broken = found or Damage(file, first + len(texts), at, reason_of(error), rest_lost=True)
            break
        offsets.append(at)
        texts.append(text)
        at += len(text) + _FRAME
        if len(texts) == _BATCH:
            yield first, offsets, texts, None
            first, offsets, texts = first + len(texts), [], []
    yield first, offsets, texts, broken


def _cut_header(file: str, record: int, at: int) -> Damage | None:
    """TensorFlow takes a file that ends inside a record's header for complete."""
    left = tf.io.gfile.stat(file).length - at
    reason = f"the file ends after {left} of its {_HEADER} header bytes. Copy or write it again"
    return Damage(file, record, at, reason, True) if left else None


def _padding(file: str, record: int, at: int) -> Damage | None:
    """TensorFlow takes zeros behind a gzip stream for the damaged header of another one."""
    found = _cut_stream(file, record, at)
    return found if found is not None and PADDED in found.reason else None


def _cut_stream(file: str, record: int, at: int) -> Damage | None:
    """And a gzip file that ends anywhere but within a record's data."""
    try:
        check_whole(file, at)
    except BrokenStreamError as error:
        return Damage(file, record, at, f"{error}. Copy or write the file again", True)
    return None


def _unparsable(
    file: str, first: int, offsets: Sequence[int], texts: Sequence[bytes], parse: Parse
) -> Iterator[Damage]:
    """Bisects: a batch that parses is fine as a whole."""
    if not texts:
        return
    try:
        parse(tf.constant(list(texts), tf.string))
    except UNREADABLE as error:
        if len(texts) == 1:
            yield Damage(file, first, offsets[0], reason_of(error), rest_lost=False)
            return
        half = len(texts) // 2
        yield from _unparsable(file, first, offsets[:half], texts[:half], parse)
        yield from _unparsable(file, first + half, offsets[half:], texts[half:], parse)


def reason_of(error: Exception) -> str:
    """TensorFlow's own words for it, without those about where in a graph it was seen."""
    if not isinstance(error, tf.errors.OpError):
        return "it is no tf.Example"
    return reason_in(str(error.message))


def reason_in(message: str) -> str:
    """The line that says what is wrong in an error of TensorFlow, whose first ones may be about the graph."""
    lines = [line.strip() for line in message.splitlines()]
    telling = [line for line in lines if line and not line.startswith(_ABOUT_THE_GRAPH)] or [message.strip()]
    line = next((line for line in telling if _NO_KEY.search(line)), telling[0])
    words = _NO_KEY.sub("", line.partition("}} ")[2] or line).partition(" [Op:")[0]
    return words.rstrip(".")
