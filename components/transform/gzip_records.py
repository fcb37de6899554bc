"""The records of a gzip file, so many at a time as fit into a number of bytes, however large they become on the way.

A TFRecordDataset gives a fixed number of records, and cannot begin anew within a compressed file. So the file is
decompressed here, and records are told apart by their headers; TensorFlow then reads and checks them, out of memory.
"""

import struct
from collections.abc import Iterator

from components.frozen.gzip_stream import BrokenStreamError, decompressed
from components.transform.record_boundaries import FRAME, HEADER, header_positions

_LENGTH = struct.Struct("<Q")
_ANY = 1 << 62


def stored_records(file: str, most_bytes: int, most_rows: int) -> Iterator[tuple[bytes, int]]:
    """Whole records as they are stored, and how many: as many as allowed, or a single one that is larger.

    A damaged record is handed on with those before it: its reader will refuse it.

    Raises:
      BrokenStreamError: the file is not whole, or ends within a record.
      tf.errors.OpError: it cannot be read.
    """
    held = bytearray()  # begins with a record
    at = rows = 0  # the end of the last whole record in it; how many they are
    for piece in decompressed(file):
        held += piece
        while at + HEADER <= len(held):
            end = at + FRAME + _LENGTH.unpack_from(held, at)[0]
            if end > len(held) and header_positions(bytes(held[at : at + HEADER]), _ANY) != [0]:
                yield bytes(held), rows + 1
                raise BrokenStreamError("a record's header is damaged")
            if rows and (end > most_bytes or rows == most_rows):
                yield bytes(held[:at]), rows
                del held[:at]
                end -= at
                at = rows = 0
            if end > len(held):
                break
            at, rows = end, rows + 1
    if rows:
        yield bytes(held[:at]), rows
    if at != len(held):
        raise BrokenStreamError(f"the file ends after {len(held) - at} bytes of a record")
