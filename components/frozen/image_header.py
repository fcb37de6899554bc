"""What the first bytes of an encoded image say of it, without decoding: no TensorFlow."""

import struct
from typing import NamedTuple

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_SIZE_AND_DEPTH = struct.Struct(">IIBB")  # of a PNG, and its type of colour, from its byte 16
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG's types of colour: gray, RGB, palette, the first two with alpha
_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">HHB")
# Markers that begin a frame; in their range, C4, C8 and CC are something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Header(NamedTuple):
    """``PNG``, ``JPEG`` or empty; bits of a sample, 8 or 16; then 0 where the bytes do not say.

    ``channels`` counts alpha, and the four inks of a CMYK JPEG; a palette is colour.
    """

    kind: str
    bits: int
    height: int = 0
    width: int = 0
    channels: int = 0

    @property
    def pixels(self) -> int:
        """How many."""
        return self.height * self.width


def header(text: bytes) -> Header:
    """Of a PNG or a JPEG."""
    try:
        if text.startswith(_PNG):
            width, height, depth, colour = _SIZE_AND_DEPTH.unpack_from(text, 16)
            return Header("PNG", 16 if depth == 16 else 8, height, width, _CHANNELS.get(colour, 0))
        return Header("JPEG", 8, *_jpeg_frame(text)) if text.startswith(_JPEG) else Header("", 8)
    except struct.error:  # the bytes end
        return Header("", 8)


def _jpeg_frame(text: bytes) -> tuple[int, int, int]:
    """Height, width and channels."""
    at = 2
    while True:
        start, marker, length = _SEGMENT.unpack_from(text, at)
        if start != 0xFF:
            return 0, 0, 0
        if marker == 0xFF:  # a byte of filling
            at += 1
        elif marker in _FRAMES:
            height, width, channels = _FRAME.unpack_from(text, at + 5)
            return height, width, channels
        else:
            at += 2 + length
