"""What the first bytes of an encoded image say of it, without decoding: no TensorFlow."""

import struct
from typing import NamedTuple

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_SIZE_AND_DEPTH = struct.Struct(">IIB")  # of a PNG, from its byte 16
_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">HH")
# Markers that begin a frame; in their range, C4, C8 and CC are something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Header(NamedTuple):
    """``PNG``, ``JPEG`` or empty; bits of a sample, 8 or 16; how many pixels, 0 where the bytes do not say."""

    kind: str
    bits: int
    pixels: int


def header(text: bytes) -> Header:
    """Of a PNG or a JPEG."""
    try:
        if text.startswith(_PNG):
            width, height, depth = _SIZE_AND_DEPTH.unpack_from(text, 16)
            return Header("PNG", 16 if depth == 16 else 8, width * height)
        return Header("JPEG", 8, _jpeg_pixels(text)) if text.startswith(_JPEG) else Header("", 8, 0)
    except struct.error:  # the bytes end
        return Header("", 8, 0)


def _jpeg_pixels(text: bytes) -> int:
    at = 2
    while True:
        start, marker, length = _SEGMENT.unpack_from(text, at)
        if start != 0xFF:
            return 0
        if marker == 0xFF:  # a byte of filling
            at += 1
        elif marker in _FRAMES:
            height, width = _FRAME.unpack_from(text, at + 5)
            return int(height * width)
        else:
            at += 2 + length
