"""Pixels to PNG: without compression, bytes that depend on no library and no version of one. No TensorFlow."""

import struct
import zlib
from typing import Any

import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels: gray, RGB, RGBA
_NO_FILTER = b"\0"
_MOST = 0xFFFF  # bytes of a stored block


def encode_png(pixels: npt.NDArray[Any], *, compressed: bool = False) -> bytes:
    """uint8 [height, width, 1, 3 or 4] as a PNG of 8 bits; ``compressed`` by zlib, whose versions differ in bytes."""
    height, width, channels = pixels.shape
    rows = b"".join(_NO_FILTER + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(rows) if compressed else _stored(rows)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _stored(content: bytes) -> bytes:
    """A zlib stream of blocks as they are; the last one is marked."""
    blocks = [content[at : at + _MOST] for at in range(0, len(content), _MOST)]
    stream = b"\x78\x01"
    for number, block in enumerate(blocks):
        is_last = number == len(blocks) - 1
        stream += struct.pack("<BHH", is_last, len(block), len(block) ^ _MOST) + block
    return stream + struct.pack(">I", zlib.adler32(content))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
