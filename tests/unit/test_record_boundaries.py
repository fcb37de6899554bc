"""Where records begin: checksums against another library, positions against files written by hand."""

import struct
from collections.abc import Callable

import google_crc32c
import numpy as np
import pytest

from components.transform import record_boundaries
from components.transform.record_boundaries import first_boundary, header_positions, masked_crc32c

# What TensorFlow's writer makes of an empty record.
EMPTY_RECORD = bytes.fromhex("000000000000000029039807d8ea82a2")


def masked(data: bytes) -> int:
    """As TensorFlow documents it: rotate right by 15 bits and add a constant."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def reading(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: data[offset : offset + count]


def boundaries(data: bytes) -> list[int]:
    """For each byte of the file, what is found from there."""
    return [first_boundary(reading(data), at, len(data)) for at in range(len(data) + 1)]


def test_checksums_are_those_of_another_library() -> None:
    rows = np.random.default_rng(5).integers(0, 256, (1_000, 8), np.uint8)
    rows[0], rows[1] = 0, 255
    assert masked_crc32c(rows).tolist() == [masked(row.tobytes()) for row in rows]


def test_the_record_written_here_is_tensorflows() -> None:
    assert record(b"") == EMPTY_RECORD


def test_from_any_byte_the_next_record_is_found() -> None:
    lengths = [3, 0, 50, 1, 0, 0, 200, 7]
    data = b"".join(record(bytes([length]) * length) for length in lengths)
    starts = np.cumsum([0, *(16 + length for length in lengths)])
    assert boundaries(data) == [int(starts[np.searchsorted(starts, at)]) for at in range(len(data) + 1)]


def test_a_record_longer_than_a_window_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_boundaries, "_FIRST_WINDOW", 16)
    monkeypatch.setattr(record_boundaries, "_LAST_WINDOW", 64)
    data = record(bytes(1_000)) + record(b"x" * 30) + record(b"")
    assert boundaries(data) == [0] + [1_016] * 1_016 + [1_062] * 46 + [1_078] * 16


def test_a_header_with_a_wrong_checksum_or_length_is_none() -> None:
    data = record(b"abc")
    assert header_positions(data, len(data)) == [0]
    assert header_positions(data, len(data) - 1) == []  # would end behind the file's end
    assert header_positions(data[:8] + b"\0\0\0\0" + data[12:], len(data)) == []
    assert header_positions(data[:11], 100) == []


def test_a_single_header_inside_data_is_no_record() -> None:
    inner = record(b"inner")
    data = record(b"before" + inner + b"after") + record(b"next")
    assert first_boundary(reading(data), 1, len(data)) == len(data) - 20


def test_a_file_of_something_else_has_no_boundary() -> None:
    text = b"a,b\n1,2\n" * 50_000
    assert first_boundary(reading(text), 0, len(text)) == len(text)
