"""Batches of a work unit: how large they are, and that the next one is made while one is worked on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.transform import record_reader
from components.transform.read_ahead import ahead
from components.transform.record_reader import Records, parsed_batches
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


def decoded(batch: list[int]) -> int:
    return sum(batch) + 24 * len(batch)  # 24 of a text's own


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
class TestEveryKindOfFile:
    """Also a compressed file that is too large for TensorFlow's reader, whose records may become any length."""

    @pytest.fixture(autouse=True)
    def _limit(self, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if large:
            monkeypatch.setattr(record_reader, "UNIT_BYTES", 1)

    def test_rows_of_a_batch_follow_from_the_bytes(self, tmp_path: Path, ending: str) -> None:
        found = batches(tmp_path, [976] * 1_000, 100_000, ending)
        assert sum(map(len, found)) == 1_000
        assert max(map(len, found)) == 100  # a text takes 24 bytes more, and 16 in the file
        assert len(found) <= 21

    @pytest.mark.parametrize("small", [10, 300])
    def test_records_that_become_a_thousand_times_larger_make_no_larger_batch(
        self, tmp_path: Path, ending: str, small: int
    ) -> None:
        lengths = [small] * 1_000 + [1_000 * small] * 20 + [small] * 500
        found = batches(tmp_path, lengths, 50_000, ending)
        assert [length for batch in found for length in batch] == lengths
        assert all(decoded(batch) <= 50_000 or len(batch) == 1 for batch in found)

    def test_records_that_become_smaller_are_not_read_one_by_one(self, tmp_path: Path, ending: str) -> None:
        lengths = [60_000] * 3 + [10] * 6_000
        found = batches(tmp_path, lengths, 50_000, ending)
        assert [length for batch in found for length in batch] == lengths
        assert all(decoded(batch) <= 50_000 or len(batch) == 1 for batch in found)
        assert len(found) < 30

    def test_records_of_a_megabyte(self, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
        held: list[int] = []
        read = record_reader.serialized_batches

        def spied(*arguments: Any) -> Iterator[Records]:
            for records in read(*arguments):
                held.append(records.bytes)
                yield records

        monkeypatch.setattr(record_reader, "serialized_batches", spied)
        found = batches(tmp_path, [1_000_000] * 20, 4_000_000, ending)
        assert sum(map(len, found)) == 20
        assert max(map(decoded, found)) <= 4_000_000
        assert max(held) <= 4_000_000  # so many are read at once, too


class TestWhatIsDecodedStaysWithinTheLimit:
    """Also where nothing in the file tells beforehand how much it becomes."""

    LIMIT = 1 << 20

    def largest(self, folder: Path, rows: Iterator[tf.train.Example], forms: dict[str, Any]) -> int:
        """Decoded bytes of the largest batch, each value and each place counted here."""
        path = str(folder / "file")
        written = 0
        with tf.io.TFRecordWriter(path) as writer:
            for row in rows:
                writer.write(row.SerializeToString())
                written += 1
        (unit,) = work_units([path])
        found = list(parsed_batches(unit, lambda texts: tf.io.parse_example(texts, forms), self.LIMIT))
        assert sum(batch.rows for batch in found) == written
        assert len(found) < 40
        return max(
            sum(column.values.numpy().nbytes + column.row_splits.numpy().nbytes for column in batch.parsed.values())
            for batch in found
        )

    def test_of_integers_that_become_short_in_records_of_the_same_length(self, tmp_path: Path) -> None:
        def rows() -> Iterator[tf.train.Example]:
            for values in [[-(1 << 40)] * 80] * 300 + [[1] * 800] * 2_000:
                row = tf.train.Example()
                row.features.feature["v"].int64_list.value.extend(values)
                yield row

        forms = {"v": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)}
        assert self.largest(tmp_path, rows(), forms) <= 1.25 * self.LIMIT

    def test_of_optional_columns_that_are_nearly_all_absent(self, tmp_path: Path) -> None:
        def rows() -> Iterator[tf.train.Example]:
            for number in range(6_000):
                row = tf.train.Example()
                row.features.feature[f"f{number % 400}"].float_list.value.append(1.0)
                yield row

        forms = {f"f{number}": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64) for number in range(400)}
        assert self.largest(tmp_path, rows(), forms) <= 1.25 * self.LIMIT


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
