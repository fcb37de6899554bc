"""The byte form of exact statistics: small integers in as few bytes as they need. Versioned, never pickle."""

import struct

_DOUBLE = struct.Struct("<d")
_NONE, _INTEGER, _FLOAT = 0, 1, 2
# No sum has more: w*x*x below 2**(128 + 2048), in units of 2**-(149 + 2148), over fewer than 2**63 rows.
_MOST_ZEROS = 8_192


class Writer:
    """Appends values to a byte string; ``Reader`` takes them off again in the same order."""

    def __init__(self) -> None:
        """Starts empty."""
        self._parts: list[bytes] = []

    def size(self, value: int) -> None:
        """A whole number of at least 0, 7 bits a byte."""
        while value > 127:
            self._parts.append(bytes([value & 127 | 128]))
            value >>= 7
        self._parts.append(bytes([value]))

    def integer(self, value: int) -> None:
        """Any integer: sign and trailing zeros, then the odd part's bytes."""
        zeros = (value & -value).bit_length() - 1 if value else 0
        odd = abs(value) >> zeros
        body = odd.to_bytes((odd.bit_length() + 7) // 8, "little")
        self.size(2 * len(body) + (value < 0))
        self.size(zeros)
        self._parts.append(body)

    def text(self, value: bytes) -> None:
        """A byte string."""
        self.size(len(value))
        self._parts.append(value)

    def number(self, value: int | float | None) -> None:
        """An integer, a float or nothing; told apart when read."""
        if value is None:
            self.size(_NONE)
        elif isinstance(value, float):
            self.size(_FLOAT)
            self._parts.append(_DOUBLE.pack(value))
        else:
            self.size(_INTEGER)
            self.integer(value)

    def bytes(self) -> bytes:
        """All that was written."""
        return b"".join(self._parts)


class Reader:
    """Takes values off a byte string."""

    def __init__(self, data: bytes) -> None:
        """Starts at its beginning."""
        self._data = data
        self._at = 0

    def size(self) -> int:
        """See ``Writer.size``."""
        value = shift = 0
        at, data = self._at, self._data
        try:
            while (byte := data[at]) > 127:
                value |= (byte & 127) << shift
                shift += 7
                at += 1
        except IndexError as error:
            raise self._ended() from error
        self._at = at + 1
        return value | byte << shift

    def integer(self) -> int:
        """See ``Writer.integer``."""
        header, zeros = self.size(), self.size()
        if zeros > _MOST_ZEROS:
            raise ValueError(f"The statistics hold a number with {zeros} trailing zeros: they are damaged.")
        odd = int.from_bytes(self._take(header >> 1), "little") << zeros
        return -odd if header & 1 else odd

    def text(self) -> bytes:
        """See ``Writer.text``."""
        return self._take(self.size())

    def number(self) -> int | float | None:
        """See ``Writer.number``."""
        kind = self.size()
        if kind == _NONE:
            return None
        return float(_DOUBLE.unpack(self._take(8))[0]) if kind == _FLOAT else self.integer()

    def finish(self) -> None:
        """Raises ValueError unless everything was taken."""
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes are left over after the statistics.")

    def _take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) != length:
            raise self._ended()
        self._at += length
        return taken

    def _ended(self) -> ValueError:
        return ValueError(f"The statistics end after {len(self._data)} bytes, in the middle of a value.")
