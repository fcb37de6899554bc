"""A cache entry is what was written, or it is refused."""

import hashlib
import io

import pytest

from components.cache.envelope import DamagedEntryError, digest_of, key_of, seal, unseal

KEY = hashlib.sha256(b"key").hexdigest()
PAYLOADS = (b"", b"statistics")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_was_sealed_comes_back(payload: bytes) -> None:
    assert unseal(KEY, seal(KEY, payload)) == payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_changed_bit_is_found(payload: bytes) -> None:
    entry = seal(KEY, payload)
    for bit in range(8 * len(entry)):
        changed = bytearray(entry)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedEntryError):
            unseal(KEY, bytes(changed))


def test_every_missing_end_and_every_byte_too_many_are_found() -> None:
    entry = seal(KEY, b"statistics")
    for end in range(len(entry)):
        with pytest.raises(DamagedEntryError):
            unseal(KEY, entry[:end])
    with pytest.raises(DamagedEntryError, match="holds 11 bytes where 10 were written"):
        unseal(KEY, entry + b"\0")


def test_an_entry_of_another_key_is_refused() -> None:
    with pytest.raises(DamagedEntryError, match="was written for the key"):
        unseal(KEY, seal(hashlib.sha256(b"other").hexdigest(), b"x"))


def test_keys_tell_parts_apart() -> None:
    parts = [("ab", "c"), ("a", "bc"), ("abc",), (["a"], "bc"), ("a", None), ("a", 1), ("a", "1"), ("a", True)]
    assert len({key_of(*each) for each in parts}) == len(parts)


def test_a_digest_is_that_of_all_bytes() -> None:
    content = bytes(range(256)) * 40_000
    assert digest_of(io.BytesIO(content)) == hashlib.sha256(content).hexdigest()
