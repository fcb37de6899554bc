"""Files -> pieces of work: whole files, or byte ranges of large uncompressed ones. Every record is in exactly one.

A range is given by nominal offsets and read from the first record that seems to begin at or after the one to the first
that seems to begin at or after the other, so that neighbours agree without talking. That each record is read once is
then proved, not hoped: the first range begins at byte 0, where a record begins for certain, and the reader of a range
verifies that its last record ends exactly where the next range begins. By induction all beginnings are records'. The
first beginning that is none lies within a record that the range before it reads across, and that is noticed.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import tensorflow as tf

from components.errors import DataError
from components.frozen.record_files import compression_of
from components.transform.record_boundaries import HEADER, first_boundary, header_positions

# A range's fixed costs (two searches, one opened file, half a batch read too far) are below 1 % of reading 64 MiB, and
# a machine of 64 cores is busy with 4 GiB.
UNIT_BYTES = 64 << 20


class FalseBoundaryError(Exception):
    """A range began, or would have ended, within a record: the file has to be read as a whole."""


@dataclasses.dataclass(frozen=True)
class WorkUnit:
    """The records of ``file`` that begin in a range of bytes.

    Attributes:
      file: its name, for ``tf.io.gfile``.
      begin, end: first byte, and the first byte behind; nominal, until ``located`` moves them to records.
      size: of the whole file, when the units were made.
      compression: TensorFlow's name of it; a compressed file is one unit.
    """

    file: str
    begin: int
    end: int
    size: int
    compression: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is the whole file: nothing has to be searched."""
        return self.begin == 0 and self.end == self.size


def work_units(files: Sequence[str], unit_bytes: int = UNIT_BYTES) -> list[WorkUnit]:
    """One unit a file, or several of about ``unit_bytes`` for an uncompressed one; 0 cuts no file. No data are read.

    Raises:
      DataError: a file that is not there.
    """
    return [unit for file in files for unit in _cut(file, unit_bytes)]


def located(unit: WorkUnit) -> WorkUnit:
    """The unit with its ends moved to where records seem to begin; reads a few bytes near both."""
    if unit.whole:
        return unit
    with tf.io.gfile.GFile(unit.file, "rb") as file:

        def read(offset: int, count: int) -> bytes:
            file.seek(offset)
            data: bytes = file.read(count)
            return data

        def record_at(offset: int) -> int:
            return offset if offset in (0, unit.size) else first_boundary(read, offset, unit.size)

        if not unit.begin and header_positions(read(0, HEADER), unit.size) != [0]:
            return unit  # no TFRecord file: its reader will say so, and nothing is searched to the file's end
        begin = record_at(unit.begin)
        # A record that covers the whole range leaves it empty.
        return dataclasses.replace(unit, begin=begin, end=begin if begin >= unit.end else record_at(unit.end))


def _cut(file: str, unit_bytes: int) -> list[WorkUnit]:
    try:
        size = int(tf.io.gfile.stat(file).length)
    except tf.errors.OpError as error:
        raise DataError(f"Cannot read {file}: {error.message.splitlines()[0]}") from error
    kind = compression_of(file)
    count = 1 if kind or unit_bytes <= 0 else max(1, round(size / unit_bytes))
    ends = [size * part // count for part in range(count + 1)]
    return [WorkUnit(file, begin, end, size, kind) for begin, end in itertools.pairwise(ends)]
