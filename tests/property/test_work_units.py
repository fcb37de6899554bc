"""Any cut of a TFRecord file into byte ranges gives every record once, or is noticed; never anything else."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
import tensorflow as tf
from hypothesis import event, given, settings

from components.transform.record_reader import serialized_batches
from components.transform.work_units import FalseBoundaryError, located, work_units


def tfrecord(records: list[bytes]) -> bytes:
    """The file that TensorFlow writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "file")
        with tf.io.TFRecordWriter(path) as writer:
            for record in records:
                writer.write(record)
        return Path(path).read_bytes()


def read_in_ranges(records: list[bytes], unit_bytes: int, rows: int) -> list[bytes]:
    """The records as the units of a file give them, in the units' order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(tfrecord(records))
        units = work_units([str(path)], unit_bytes)
        assert [units[0].begin, *(unit.end for unit in units)] == [*(unit.begin for unit in units), units[-1].size]
        return [
            text
            for unit in units
            for batch in serialized_batches(located(unit), rows)
            for text in batch.texts.numpy().tolist()
        ]


PLAIN = st.lists(st.binary(max_size=90), max_size=12)
# Records that are a TFRecord file, begin with one, end with one, or are cut out of one.
NESTED = st.builds(
    lambda before, inner, after, cut: (before + tfrecord(inner) + after)[cut:],
    st.binary(max_size=3),
    st.lists(st.binary(max_size=9), min_size=3, max_size=12),
    st.binary(max_size=3),
    st.integers(0, 3),
)


@given(PLAIN, st.integers(1, 200), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_every_record_is_in_exactly_one_range(records: list[bytes], unit_bytes: int, rows: int) -> None:
    assert read_in_ranges(records, unit_bytes, rows) == records


@given(st.lists(NESTED | st.binary(max_size=60), max_size=8), st.integers(20, 400), st.integers(1, 5))
@settings(max_examples=120, deadline=None)
def test_records_that_hold_records_are_read_once_or_noticed(records: list[bytes], unit_bytes: int, rows: int) -> None:
    try:
        found = read_in_ranges(records, unit_bytes, rows)
    except FalseBoundaryError:
        event("noticed")
        return
    assert found == records


def test_a_cut_within_a_record_that_is_a_file_is_noticed() -> None:
    inner = tfrecord([b"1234"] * 10)  # 10 records of 20 bytes, from byte 12 to byte 212; the outer one ends at 216
    with pytest.raises(FalseBoundaryError, match=r"cut at byte 92, .* from byte 0 to byte 216\. Read it as a whole"):
        read_in_ranges([inner, b"next"], 80, 2)


def test_such_a_file_is_read_as_a_whole() -> None:
    records = [tfrecord([b"one", b"two", b"three", b"four"]), b"next"]
    assert read_in_ranges(records, 0, 2) == records
