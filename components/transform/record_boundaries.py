"""Where records begin in an uncompressed TFRecord file, found from any byte: the format has no sync marks.

A record is: uint64 length, masked crc32c of these 8 bytes, the data, masked crc32c of the data; all little-endian. What
is found here is a good guess and no proof: a record's data may itself be a TFRecord file. The reader has the proof, see
``components.transform.work_units``.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

HEADER, FRAME = 12, 16  # bytes before a record's data; bytes beside its data

# Successive headers that must be right: 2**-32 of all random bytes look like one, so that two are enough by chance, and
# no number is against data that hold records on purpose.
_CHAIN = 3
# Bytes searched at once: at first enough for most records, doubled up to the limit while nothing is found.
_FIRST_WINDOW, _LAST_WINDOW = 1 << 16, 1 << 22
_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
_MASK_DELTA = 0xA282EAD8

Read = Callable[[int, int], bytes]  # offset, number of bytes -> these bytes, fewer at the end of the file


def first_boundary(read: Read, offset: int, size: int) -> int:
    """The first byte at or after ``offset`` where a record seems to begin, or ``size`` where none does.

    A pure function of the file's bytes: whoever asks for the same offset gets the same answer.
    """
    window = _FIRST_WINDOW
    while offset + FRAME <= size:
        block = read(offset, window + HEADER - 1)
        for at in header_positions(block, size - offset):
            if _chains(read, offset + at, size):
                return offset + at
        if len(block) < window + HEADER - 1:
            break
        offset += window
        window = min(2 * window, _LAST_WINDOW)
    return size


def header_positions(block: bytes, left: int) -> list[int]:
    """Where the bytes look like a record's header; ``left`` bytes remain in the file from the block's first on."""
    count = len(block) - HEADER + 1
    if count <= 0:
        return []
    lengths: npt.NDArray[np.uint64] = np.ndarray(count, "<u8", block, strides=(1,))
    # Nearly all positions are out by their length alone: the checksums of the few others are computed.
    likely = np.flatnonzero(lengths <= np.uint64(max(0, left - FRAME)))
    likely = likely[lengths[likely].astype(np.int64) + likely + FRAME <= left]
    stored: npt.NDArray[np.uint32] = np.ndarray(count, "<u4", block, offset=8, strides=(1,))[likely]
    bytes_of = np.frombuffer(block, np.uint8)[likely[:, None] + np.arange(8)]
    return likely[masked_crc32c(bytes_of) == stored].tolist()


def masked_crc32c(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """TFRecord's checksum, uint32 [n], of each of n rows of 8 bytes, uint8 [n, 8]."""
    mixed = rows ^ _FIRST_FOUR
    crc = np.bitwise_xor.reduce(_TABLES[np.arange(7, -1, -1), mixed], axis=1) ^ np.uint32(0xFFFFFFFF)
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(_MASK_DELTA)


def _chains(read: Read, at: int, size: int) -> bool:
    """Whether headers follow each other from here on, as far as is asked for or to the very end of the file."""
    for _ in range(_CHAIN):
        if at == size:
            return True
        header = read(at, HEADER)
        if header_positions(header, size - at) != [0]:
            return False
        at += FRAME + int.from_bytes(header[:8], "little")
    return True


def _tables() -> npt.NDArray[np.uint32]:
    """[8, 256]: what a byte adds to the checksum when 0 to 7 more bytes follow it."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ np.uint32(_POLYNOMIAL), first >> 1).astype(np.uint32)
    tables = [first]
    for _ in range(7):
        tables.append((tables[-1] >> np.uint32(8)) ^ first[tables[-1] & np.uint32(0xFF)])
    return np.stack(tables)


_TABLES = _tables()
# The checksum starts from ones, which meet the first four bytes.
_FIRST_FOUR = np.array([255] * 4 + [0] * 4, np.uint8)
