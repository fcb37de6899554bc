"""Batches of a work unit: how large they are, and that the next one is made while one is worked on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow as tf

from components.transform.read_ahead import ahead
from components.transform.record_reader import parsed_batches
from components.transform.work_units import work_units


def batches(folder: Path, lengths: list[int], batch_bytes: int, ending: str = "") -> list[list[int]]:
    """The records' lengths, by batch, of a file with records of these lengths."""
    path = str(folder / f"file{ending}")
    with tf.io.TFRecordWriter(path, "GZIP" if ending else "") as writer:
        for length in lengths:
            writer.write(b"x" * length)
    (unit,) = work_units([path])
    found = list(parsed_batches(unit, tf.identity, batch_bytes))
    assert all(batch.bytes == sum(16 + len(text) for text in batch.parsed.numpy()) for batch in found)
    return [tf.strings.length(batch.parsed).numpy().tolist() for batch in found]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_rows_of_a_batch_follow_from_the_bytes(tmp_path: Path, ending: str) -> None:
    found = batches(tmp_path, [976] * 1_000, 100_000, ending)
    assert [len(batch) for batch in found] == [100] * 10  # 976 and 24 of a text's own


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_batch_that_turns_out_larger_is_cut(tmp_path: Path, ending: str) -> None:
    lengths = [10] * 100 + [5_000] * 100 + [300_000] + [10] * 1_000
    found = batches(tmp_path, lengths, 50_000, ending)
    assert [length for batch in found for length in batch] == lengths
    assert all(sum(batch) <= 100_000 or len(batch) == 1 for batch in found)


def test_a_unit_without_records_has_no_batch(tmp_path: Path) -> None:
    assert batches(tmp_path, [], 1_000) == batches(tmp_path, [], 1_000, ".gz") == []


def test_the_next_item_is_made_while_one_is_worked_on() -> None:
    second_began = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second_began.set()
        yield 2

    with ThreadPoolExecutor(1) as helper:
        found = ahead(items(), helper)
        assert next(found) == 1
        assert second_began.wait(10)
        assert list(found) == [2]


def test_an_error_is_raised_in_its_turn_and_what_is_left_is_left() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("third")

    with ThreadPoolExecutor(1) as helper:
        found = ahead(items(), helper)
        assert [next(found), next(found)] == [1, 2]
        with pytest.raises(ValueError, match="third"):
            next(found)
        left = ahead(iter(range(100)), helper)
        assert next(left) == 0
        left.close()
