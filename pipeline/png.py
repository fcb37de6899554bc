"""Pixels to PNG without compression: bytes that depend on no library and no version of one."""

import struct
import zlib
from typing import Any

import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}  # by channels: gray, RGB
_NO_FILTER = b"\0"
# A deflate stream of one stored block: the header of zlib, then "last block, stored".
_STORED = b"\x78\x01\x01"
_MOST = 0xFFFF  # bytes of a stored block


def encode_png(pixels: npt.NDArray[Any]) -> bytes:
    """uint8 [height, width, 1 or 3] as a PNG of 8 bits.

    Raises:
      ValueError: more than 64 KiB of pixels, which one block does not hold.
    """
    height, width, channels = pixels.shape
    rows = b"".join(_NO_FILTER + row.tobytes() for row in pixels)
    if len(rows) > _MOST:
        raise ValueError(f"An image of at most {_MOST:,} bytes was expected but this one has {len(rows):,}.")
    stored = _STORED + struct.pack("<HH", len(rows), len(rows) ^ _MOST) + rows + struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", stored) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
