"""The records of a work unit in batches, read, checked and parsed by TensorFlow's kernels; each record exactly once."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.errors import DataError
from components.frozen.damage import UNREADABLE, find_damage
from components.transform.record_boundaries import FRAME
from components.transform.work_units import FalseBoundaryError, WorkUnit, located

# Decoded values held at once. The accumulator's temporaries are a few times as much.
BATCH_BYTES = 32 << 20
# Rows are capped too: a call's fixed cost has vanished there, and 20 columns of a batch still fit in a core's cache.
MAX_ROWS = 8_192
_BUFFER = 1 << 20  # bytes read at once; 256 KiB and 8 MiB cost the same
# A sparse integer of one byte becomes a value and two indices. A small file is not opened twice to learn its sizes.
_MOST_GROWTH = 24
_PROBED = 64  # records whose size tells that of the others; a batch that turns out larger is cut


class EndsElsewhereError(Exception):
    """The file has no record any more, but is not where it should end."""


Parse = Callable[[tf.Tensor], Any]


@dataclasses.dataclass(frozen=True)
class Records:
    """Serialized records, tf.string [n], and their lengths, int64 [n]."""

    texts: tf.Tensor
    lengths: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some records of a unit: what ``parse`` made of them, how many, and their bytes with framing, decompressed."""

    parsed: Any
    rows: int
    bytes: int


def parsed_batches(
    unit: WorkUnit, parse: Parse, batch_bytes: int = BATCH_BYTES, max_rows: int = MAX_ROWS
) -> Iterator[Batch]:
    """What ``parse`` makes of a located unit's records, in batches of about ``batch_bytes`` decoded, or ``max_rows``.

    A batch is at most twice as large, where records grow within a file, and larger only if a single record is. How many
    serialized records are held is bounded by the unit; in a compressed file, by what its first records suggest.

    Raises:
      FalseBoundaryError: the unit's ends are no records'.
      EndsElsewhereError: the file ends within a record's header, or is shorter than it was.
      tf.errors.OpError: TensorFlow's own, where it cannot read or parse; ``explained`` names the place.
    """
    rows, growth = _sizes(unit, parse, batch_bytes, max_rows)
    for records in serialized_batches(unit, rows):
        for piece in _pieces(records, growth, batch_bytes):
            yield Batch(parse(piece.texts), len(piece.lengths), int(piece.lengths.sum()) + FRAME * len(piece.lengths))


def serialized_batches(unit: WorkUnit, rows: int) -> Iterator[Records]:
    """The records of a located unit, ``rows`` at a time; raises what ``parsed_batches`` does."""
    at = unit.begin
    if at == unit.end:
        return
    for texts in _dataset(unit).batch(rows).with_options(_options()):
        lengths = tf.strings.length(texts).numpy().astype(np.int64)
        if unit.compression:
            yield Records(texts, lengths)
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
    if not unit.compression:
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
    except (EndsElsewhereError, tf.errors.OpError, *UNREADABLE) as error:
        if not begins_at_a_record(unit):
            raise FalseBoundaryError(
                f"{unit.file} was cut at a byte near {unit.begin} where only seemingly a record begins. "
                "Read it as a whole: unit_bytes=0."
            ) from error
        damage = next(find_damage([unit.file], parse), None)
        if damage is not None:
            raise DataError(str(damage)) from error
        if isinstance(error, tf.errors.OpError):
            raise DataError(f"Cannot read {unit.file}: {error.message.splitlines()[0]}") from error
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


def _sizes(unit: WorkUnit, parse: Parse, batch_bytes: int, max_rows: int) -> tuple[int, float]:
    """(rows of a batch, decoded bytes for each serialized one), by the first records."""
    if not unit.compression and unit.end - unit.begin <= batch_bytes / _MOST_GROWTH:
        return max_rows, 1.0
    probe = next(serialized_batches(unit, _PROBED), None)
    if probe is None:
        return max_rows, 1.0
    # Images are decoded a few at a time, within a bound of their own.
    light = getattr(parse, "without_decoding", parse)
    decoded, serialized = decoded_bytes(light(probe.texts)), int(probe.lengths.sum())
    a_row = max(decoded, serialized, 1) / len(probe.lengths)
    return max(1, min(max_rows, int(batch_bytes / a_row))), max(1.0, decoded / max(serialized, 1))


def decoded_bytes(parsed: Any) -> int:
    """What the tensors of a parsed batch take."""
    return sum(map(_tensor_bytes, tf.nest.flatten(parsed, expand_composites=True)))


def _tensor_bytes(tensor: tf.Tensor) -> int:
    if tensor.dtype == tf.string:
        return int(tf.reduce_sum(tf.strings.length(tensor))) + 24 * int(tensor.shape.num_elements())
    return int(tensor.shape.num_elements()) * int(tensor.dtype.size)


def _pieces(records: Records, growth: float, batch_bytes: int) -> Iterator[Records]:
    """The batch, cut where it would be more than ``batch_bytes`` decoded."""
    ends = np.cumsum(records.lengths) * growth
    if ends[-1] <= 2 * batch_bytes:  # the first records' sizes are an estimate: no need to cut for a few per cent
        yield records
        return
    begin = 0
    while begin < len(ends):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + batch_bytes, side="right")))
        yield Records(records.texts[begin:end], records.lengths[begin:end])
        begin = end
