"""The records of a work unit in batches, read, checked and parsed by TensorFlow's kernels; each record exactly once."""

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.errors import DataError
from components.frozen.damage import UNREADABLE, find_damage, reason_of
from components.frozen.gzip_stream import BrokenStreamError, check_whole, decompressed, stated_size
from components.transform.gzip_records import stored_records
from components.transform.record_boundaries import FRAME, HEADER
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, located

# Decoded values held at once. The accumulator's temporaries are a few times as much.
BATCH_BYTES = 32 << 20
# Rows are capped too: a call's fixed cost has vanished there, and 20 columns of a batch still fit in a core's cache.
MAX_ROWS = 8_192
_BUFFER = 1 << 20  # bytes read at once; 256 KiB and 8 MiB cost the same
# A sparse integer of one byte becomes a value and two indices: a batch of records that are smaller than all before, the
# first one of a unit among them, is cut as if all of it were such. It has few rows, too: one of an absent column of
# variable length costs a place, 8 bytes, and is nothing in the file.
_MOST_GROWTH = 24.0
_FEW = 256
# Decoded, a batch may have so many times the limit before it is parsed again with fewer rows.
_TOLERATED = 1.25
# Of fewer rows a batch, decompressing here costs nothing beside parsing, and the number may change on the way.
_MANY = 256
_LOOKED_AT = 1 << 16  # bytes of which records' lengths are taken for those of what follows


class EndsElsewhereError(Exception):
    """The file has no record any more, but is not where it should end."""


Parse = Callable[[tf.Tensor], Any]


@dataclasses.dataclass(frozen=True)
class Records:
    """Serialized records, tf.string [n], and their lengths, int64 [n]."""

    texts: tf.Tensor
    lengths: npt.NDArray[np.int64]

    @property
    def bytes(self) -> int:
        """Of all of them, with their framing."""
        return int(self.lengths.sum()) + FRAME * len(self.lengths)

    def first(self, begin: int, most_bytes: float, most: int) -> "Records":
        """From number ``begin`` on as many as are so many bytes, at least one and at ``most`` so many."""
        ends = np.cumsum(self.lengths[begin : begin + most] + FRAME)
        end = begin + max(1, int(np.searchsorted(ends, most_bytes, side="right")))
        return self if end - begin == len(self.lengths) else Records(self.texts[begin:end], self.lengths[begin:end])


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some records of a unit: what ``parse`` made of them, how many, and their bytes with framing, decompressed."""

    parsed: Any
    rows: int
    bytes: int


def parsed_batches(
    unit: WorkUnit, parse: Parse, batch_bytes: int = BATCH_BYTES, max_rows: int = MAX_ROWS
) -> Iterator[Batch]:
    """What ``parse`` makes of a located unit's records, in batches of ``batch_bytes`` decoded, or of ``max_rows``.

    A batch is a quarter larger at most, or a single record. How much records grow in decoding is learnt from those
    before; where it turns out to be more, what was parsed is thrown away and parsed again in smaller batches.
    Serialized, ``batch_bytes`` are held, and more only where records grow within a file: up to the unit of an
    uncompressed file, or ``UNIT_BYTES`` of a compressed one. Images are decoded a few at a time, see ``image_columns``.

    Raises:
      FalseBoundaryError: the unit's ends are no records'.
      EndsElsewhereError: the file ends within a record's header, or is shorter than it was.
      BrokenStreamError: a gzip file that is not whole.
      tf.errors.OpError: TensorFlow's own, where it cannot read or parse; ``explained`` names the place.
    """
    growth, smallest = 1.0, np.inf  # measured, of records of at least about this size
    for records in _blocks(unit, batch_bytes, max_rows):
        begin = 0
        while begin < len(records.lengths):
            known = records.lengths[begin : begin + _MANY].mean() + FRAME >= smallest / 2
            most_bytes = batch_bytes / (growth if known else max(growth, _MOST_GROWTH))
            piece = records.first(begin, most_bytes, max_rows if known else _FEW)
            batch = Batch(parse(piece.texts), len(piece.lengths), piece.bytes)
            decoded = decoded_bytes(batch.parsed)
            growth = max(growth, decoded / batch.bytes)
            if batch.rows > 1 and decoded > _TOLERATED * batch_bytes:
                del batch  # before the next is made
                continue
            smallest = min(smallest, batch.bytes / batch.rows)
            begin += batch.rows
            yield batch


def serialized_batches(unit: WorkUnit, rows: int) -> Iterator[Records]:
    """The records of a located unit, ``rows`` at a time; raises what ``parsed_batches`` does."""
    at = unit.begin
    if at == unit.end and not unit.compression:
        return
    for texts in _dataset(unit).batch(rows).with_options(_options()):
        lengths = tf.strings.length(texts).numpy().astype(np.int64)
        if unit.compression:
            records = Records(texts, lengths)
            at += records.bytes
            yield records
            continue
        ends = at + np.cumsum(lengths + FRAME)
        within = int(np.searchsorted(ends, unit.end, side="right"))
        at = int(ends[within - 1]) if within else at
        if within < len(ends) and at != unit.end:
            raise FalseBoundaryError(
                f"{unit.file} was cut at byte {unit.end}, where a record seemed to begin but another goes on from byte "
                f"{at} to byte {ends[within]}. Read it as a whole: unit_bytes=0."
            )
        if within:
            yield Records(texts[:within], lengths[:within])
        if at == unit.end:
            return
    if unit.compression:
        check_whole(unit.file, at)
    else:
        raise EndsElsewhereError(f"Cannot read {unit.file}: its records end at byte {at}, not at byte {unit.end}.")


@contextlib.contextmanager
def explained(unit: WorkUnit, parse: Parse) -> Iterator[None]:
    """Says of an error of reading what it is about: a damaged record, or a unit that begins within one.

    Raises:
      FalseBoundaryError: the unit does not begin where a record does, so that the error says nothing about the data.
      DataError: with file, record and byte.
    """
    try:
        yield
    except (EndsElsewhereError, BrokenStreamError, tf.errors.OpError, *UNREADABLE) as error:
        if not begins_at_a_record(unit):
            raise FalseBoundaryError(
                f"{unit.file} was cut at a byte near {unit.begin} where only seemingly a record begins. "
                "Read it as a whole: unit_bytes=0."
            ) from error
        damage = next(find_damage([unit.file], parse), None)
        if damage is not None:
            raise DataError(str(damage)) from error
        if isinstance(error, tf.errors.OpError):
            raise DataError(f"Cannot read {unit.file}: {reason_of(error)}.") from error
        raise DataError(str(error)) from error


def begins_at_a_record(unit: WorkUnit) -> bool:
    """Whether the records of the file from its first byte on lead to the unit's first; reads all before it."""
    if unit.begin == 0:
        return True
    try:
        for _ in serialized_batches(dataclasses.replace(unit, begin=0, end=located(unit).begin), MAX_ROWS):
            pass
    except FalseBoundaryError:
        return False
    except (EndsElsewhereError, tf.errors.OpError):
        return True  # damaged before: that is the news about this file
    return True


def _dataset(unit: WorkUnit) -> tf.data.Dataset:
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=[unit.file], compression_type=unit.compression, buffer_size=_BUFFER, byte_offsets=[unit.begin]
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


def _options() -> tf.data.Options:
    """Autotuning times every record: half the cost of reading, and nothing here is tuned.

    No graph rewriting either, which loses a TFRecordDataset's byte offsets and then fails (seen on TensorFlow 2.16).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _blocks(unit: WorkUnit, batch_bytes: int, max_rows: int) -> Iterator[Records]:
    """The unit's records, of about ``batch_bytes`` or ``max_rows``."""
    if unit.compression:
        size = stated_size(unit.file, unit.size)
        rows = max_rows if 0 < size <= batch_bytes else _rows_at(unit, 0, batch_bytes, max_rows)
        small = 0 < size <= UNIT_BYTES and rows >= min(_MANY, max_rows)
        yield from serialized_batches(unit, rows) if small else _out_of_memory(unit, batch_bytes, max_rows)
        return
    at = unit.begin
    while at < unit.end:
        rows = max_rows if unit.end - at <= batch_bytes else _rows_at(unit, at, batch_bytes, max_rows)
        for records in serialized_batches(dataclasses.replace(unit, begin=at), rows):
            yield records
            at += records.bytes
            count = len(records.lengths)
            grown, shrunk = (
                records.bytes > 2 * batch_bytes,
                count == rows < max_rows and 4 * records.bytes < batch_bytes,
            )
            if (grown and count > 1) or shrunk:
                break  # and begin anew with as many as fit now


def _rows_at(unit: WorkUnit, at: int, batch_bytes: int, max_rows: int) -> int:
    """How many records are ``batch_bytes``, by those in the first bytes from ``at`` on."""
    if unit.compression:
        block = next(decompressed(unit.file), b"")
    else:
        with tf.io.gfile.GFile(unit.file, "rb") as file:
            file.seek(at)
            block = file.read(_LOOKED_AT)
    end, rows = 0, 0
    while end + HEADER <= len(block) and rows < max_rows:
        end, rows = end + FRAME + int.from_bytes(block[end : end + 8], "little"), rows + 1
    return max(1, min(max_rows, batch_bytes * rows // max(1, end)))


def _out_of_memory(unit: WorkUnit, batch_bytes: int, max_rows: int) -> Iterator[Records]:
    """Of a large compressed file, whose records may grow: decompressed here, then read by TensorFlow."""
    for stored, rows in stored_records(unit.file, batch_bytes, max_rows):
        name = f"ram://tfx-norm-{uuid.uuid4().hex}"
        with tf.io.gfile.GFile(name, "wb") as file:
            file.write(stored)
        try:
            yield from serialized_batches(WorkUnit(name, 0, len(stored), len(stored)), rows)
        finally:
            tf.io.gfile.remove(name)


def decoded_bytes(parsed: Any) -> int:
    """What the values of a parsed batch take, and their places; sums of images count for nothing."""
    return sum(_tensor_bytes(tensor) for column in tf.nest.flatten(parsed) for tensor in _parts(column))


def _parts(column: Any) -> tuple[tf.Tensor, ...]:
    if isinstance(column, tf.SparseTensor):
        return column.indices, column.values
    if isinstance(column, tf.RaggedTensor):
        return column.values, column.row_splits
    return (column,) if isinstance(column, tf.Tensor) else ()


def _tensor_bytes(tensor: tf.Tensor) -> int:
    if tensor.dtype == tf.string:
        return int(tf.reduce_sum(tf.strings.length(tensor))) + 24 * int(tensor.shape.num_elements())
    return int(tensor.shape.num_elements()) * int(tensor.dtype.size)
