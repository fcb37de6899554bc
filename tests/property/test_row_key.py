import hashlib
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.example_gen import row_key

TYPES = {"i": pa.int64(), "f": pa.float32(), "b": pa.binary()}
NAN = b"\x00\x00\xc0\x7f"


def encoded(code: str, value: Any) -> bytes:
    """One value as the module's text says, written by hand."""
    if value is None:
        return code.encode() + b"\x01" + bytes(4)
    if code.isupper():
        items = [struct.pack("<I", len(v)) + v if code == "B" else plain(code.lower(), v) for v in value]
        return code.encode() + b"\x00" + struct.pack("<I", len(value)) + b"".join(items)
    body = plain(code, value)
    return code.encode() + b"\x00" + struct.pack("<I", len(body)) + body


def plain(code: str, value: Any) -> bytes:
    if code == "b":
        return bytes(value)
    if code == "f" and value != value:
        return NAN
    return struct.pack({"i": "<q", "f": "<f"}[code], value)


VALUES = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(width=32),
    "b": st.binary(max_size=40),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    codes = draw(st.lists(st.sampled_from("ifbIFB"), min_size=1, max_size=5))
    rows = draw(st.integers(1, 12))
    columns = []
    for code in codes:
        one = VALUES[code.lower()]
        value = st.lists(one, max_size=4) if code.isupper() else one
        columns.append(draw(st.lists(st.none() | value, min_size=rows, max_size=rows)))
    return codes, columns


def batch_of(codes: list[str], columns: list[list[Any]]) -> pa.RecordBatch:
    kinds = [pa.list_(TYPES[code.lower()]) if code.isupper() else TYPES[code] for code in codes]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.record_batch(arrays, names=[f"c{index}" for index in range(len(codes))])


@settings(max_examples=60, deadline=None)
@given(tables(), st.lists(st.integers(1, 1000), min_size=1, max_size=4), st.data())
def test_the_split_is_sha256_of_the_row_as_documented_wherever_the_batch_is_cut(
    table: tuple[list[str], list[list[Any]]], buckets: list[int], data: st.DataObject
) -> None:
    codes, columns = table
    batch = batch_of(codes, columns)
    expected = []
    for row in zip(*columns, strict=True):
        key = b"".join(encoded(code, value) for code, value in zip(codes, row, strict=True))
        remainder = int(hashlib.sha256(key).hexdigest(), 16) % sum(buckets)
        expected.append(next(i for i in range(len(buckets)) if remainder < sum(buckets[: i + 1])))
    start = data.draw(st.integers(0, batch.num_rows - 1))
    assert row_key.splits(batch, buckets).tolist() == expected
    assert row_key.splits(batch.slice(start), buckets).tolist() == expected[start:]


def test_a_row_of_f1_and_f10_by_hand() -> None:
    # 7 as int64, then 'ab': 69 00 08000000 0700000000000000 | 62 00 02000000 6162
    key = bytes.fromhex("69 00 08000000 0700000000000000 62 00 02000000 6162")
    batch = pa.record_batch([pa.array([7]), pa.array([b"ab"])], names=["f1", "f10"])
    assert row_key.row_digests(batch).tobytes() == hashlib.sha256(key).digest()
    # sha256sum of those bytes, as a number modulo 5
    assert int(hashlib.sha256(key).hexdigest(), 16) % 5 == EXPECTED_REMAINDER
    assert row_key.splits(batch, [1] * 5).tolist() == [EXPECTED_REMAINDER]


EXPECTED_REMAINDER = 2


def test_missing_is_neither_zero_nor_empty() -> None:
    batch = pa.record_batch([pa.array([None, b""], pa.binary())], names=["t"])
    digests = row_key.row_digests(batch)
    assert digests[0].tobytes() == hashlib.sha256(b"b\x01\0\0\0\0").digest()
    assert digests[1].tobytes() == hashlib.sha256(b"b\x00\0\0\0\0").digest()


def test_every_nan_is_the_same_and_minus_zero_is_not_zero() -> None:
    odd = np.array([0x7FC00001, 0xFFC00000, 0x7FC00000, 0x80000000, 0], np.uint32).view(np.float32)
    digests = row_key.row_digests(pa.record_batch([pa.array(odd)], names=["f"]))
    assert len({digest.tobytes() for digest in digests[:3]}) == 1
    assert digests[3].tobytes() != digests[4].tobytes()


def test_the_partition_feature_alone_decides() -> None:
    days = [b"2013-01-01", b"2013-01-02"] * 50
    batch = pa.record_batch([pa.array(range(100)), pa.array(days)], names=["n", "day"])
    found = row_key.splits(batch, [1, 1, 1], "day").tolist()
    for day in set(days):
        expected = int(hashlib.sha256(b"b\0" + struct.pack("<I", 10) + day).hexdigest(), 16) % 3
        assert {split for split, d in zip(found, days, strict=True) if d == day} == {expected}


def test_a_partition_feature_that_is_missing_is_an_error() -> None:
    batch = pa.record_batch([pa.array([1, None])], names=["day"])
    with pytest.raises(DataError, match="'day' is missing in 1 rows"):
        row_key.splits(batch, [1, 1], "day")
    with pytest.raises(DataError, match=r"'week' is not a column. The columns are day\."):
        row_key.splits(batch, [1, 1], "week")
