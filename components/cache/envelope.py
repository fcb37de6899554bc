"""The file form of a cache entry: what it is, which key it belongs to, and a checksum of what it holds.

Layout: 8 bytes of magic, version (4), key (32), length of the payload (8), SHA-256 of the payload (32), payload. All
of it is compared on reading, so one changed bit anywhere, a byte too few and a byte too many are found.
"""

import hashlib
import json
import struct
from typing import Any, Protocol

MAGIC, VERSION = b"TFXNORMC", 1
_HEADER = struct.Struct("<8sI32sQ32s")
_BLOCK = 4 << 20


class DamagedEntryError(ValueError):
    """A cache entry that is not what was written: truncated, changed, of another version or of another key."""


class Readable(Protocol):
    """Anything that gives its bytes a block at a time."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def key_of(*parts: Any) -> str:
    """Hex SHA-256 of the parts (text, numbers, lists, mappings), which their JSON tells apart; order counts."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, allow_nan=False).encode()).hexdigest()


def digest_of(stream: Readable) -> str:
    """Hex SHA-256 of all bytes of the stream."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def seal(key: str, payload: bytes) -> bytes:
    """The entry's bytes; ``key`` is a hex SHA-256."""
    checksum = hashlib.sha256(payload).digest()
    return _HEADER.pack(MAGIC, VERSION, bytes.fromhex(key), len(payload), checksum) + payload


def unseal(key: str, entry: bytes) -> bytes:
    """The payload that was sealed under this key.

    Raises:
      DamagedEntryError: anything else was; the message says what.
    """
    if len(entry) < _HEADER.size:
        raise DamagedEntryError(f"it has {len(entry)} bytes, fewer than its header's {_HEADER.size}")
    magic, version, owner, length, checksum = _HEADER.unpack_from(entry)
    payload = entry[_HEADER.size :]
    if (magic, version) != (MAGIC, VERSION):
        raise DamagedEntryError(f"it begins with {magic!r}, version {version}, not with {MAGIC!r}, version {VERSION}")
    if owner.hex() != key:
        raise DamagedEntryError(f"it was written for the key {owner.hex()[:12]}…")
    if length != len(payload):
        raise DamagedEntryError(f"it holds {len(payload)} bytes where {length} were written")
    if hashlib.sha256(payload).digest() != checksum:
        raise DamagedEntryError("its checksum is not that of what it holds")
    return payload
