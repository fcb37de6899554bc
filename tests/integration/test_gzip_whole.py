"""A gzip shard that was cut or damaged never passes for a whole one, wherever the cut is and however it is read."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, serialized

from components.errors import DataError
from components.frozen.damage import find_damage, reason_in
from components.transform import record_reader
from components.transform.example_columns import analysis_parser
from components.transform.unit_statistics import UnitReader
from components.transform.work_units import work_units

PLAN = plan_of(feature("x", "FLOAT", "z_score", shape=""), feature("y", "INT", "label", shape=""))
ROWS = [{"x": i / 7, "y": i} for i in range(6)]
SIZES = [16 + len(serialized(PLAN, row)) for row in ROWS]


@pytest.fixture(params=[1 << 26, 0], ids=["small", "large"], autouse=True)
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_reader, "UNIT_BYTES", request.param)


def plain(folder: Path) -> bytes:
    with tf.io.TFRecordWriter(str(folder / "plain")) as writer:
        for row in ROWS:
            writer.write(serialized(PLAN, row))
    return (folder / "plain").read_bytes()


@pytest.fixture(scope="module")
def rows_of() -> Callable[[Path], int]:
    """Reads a file as an analysis does."""
    parse = analysis_parser(PLAN)
    return lambda file: UnitReader(PLAN, parse).read(*work_units([str(file)])).rows


@pytest.mark.parametrize("level", [0, 9])
def test_every_cut_is_noticed(rows_of: Callable[[Path], int], tmp_path: Path, level: int) -> None:
    """Stored without compression, whole records and headers are left behind, and their bytes look like a trailer."""
    whole = gzip.compress(plain(tmp_path), level, mtime=0)
    file = tmp_path / "cut.gz"
    file.write_bytes(whole)
    assert rows_of(file) == 6
    for size in (*range(60), *range(60, len(whole), 5), *range(len(whole) - 9, len(whole))):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match=rf"^Cannot read {file}: record \d at byte \d+: "):
            rows_of(file)


def test_the_message_says_where_and_what_to_do(rows_of: Callable[[Path], int], tmp_path: Path) -> None:
    whole = gzip.compress(plain(tmp_path), 0, mtime=0)
    file = tmp_path / "cut.gz"
    for before, left in ((0, 0), (0, 7), (2, 0), (4, 11)):
        at = sum(SIZES[:before])
        file.write_bytes(whole[: 10 + 5 + at + left])  # two headers: gzip's, and that of a stored block
        with pytest.raises(DataError) as caught:
            rows_of(file)
        assert str(caught.value) == (
            f"Cannot read {file}: record {before} at byte {at}: the gzip stream does not end: the file was cut short. "
            "Copy or write the file again. Nothing behind it in this file can be read."
        )


@pytest.mark.parametrize("zeros", [1, 512])
def test_padding_behind_the_stream_is_called_so(rows_of: Callable[[Path], int], tmp_path: Path, zeros: int) -> None:
    file = tmp_path / "padded.gz"
    file.write_bytes(gzip.compress(plain(tmp_path), mtime=0) + b"\0" * zeros)
    with pytest.raises(
        DataError, match=r"zeros follow the end of the gzip stream .*gzip -dc FILE \| gzip > NEW"
    ) as caught:
        rows_of(file)
    assert str(caught.value).startswith(f"Cannot read {file}: ") and "\n" not in str(caught.value)


def test_a_sound_stream_around_records_that_were_cut_is_noticed(rows_of: Callable[[Path], int], tmp_path: Path) -> None:
    records = plain(tmp_path)
    file = tmp_path / "cut.gz"
    for size in range(1, len(records), 3):
        if size in [sum(SIZES[:n]) for n in range(7)]:
            continue  # nobody can tell, but from the number of rows
        file.write_bytes(gzip.compress(records[:size]))
        with pytest.raises(DataError, match=rf"^Cannot read {file}: record \d at byte \d+: "):
            rows_of(file)


def test_streams_that_follow_each_other_are_one_file(rows_of: Callable[[Path], int], tmp_path: Path) -> None:
    records, cut = plain(tmp_path), sum(SIZES[:2])
    file = tmp_path / "two.gz"
    two = gzip.compress(records[:cut]) + gzip.compress(records[cut:])
    file.write_bytes(two)
    assert rows_of(file) == 6
    file.write_bytes(two[:-1])
    with pytest.raises(DataError, match="the file was cut short"):
        rows_of(file)


def test_an_empty_stream_has_no_rows_and_no_bytes_are_no_stream(rows_of: Callable[[Path], int], tmp_path: Path) -> None:
    file = tmp_path / "empty.gz"
    file.write_bytes(gzip.compress(b""))
    assert rows_of(file) == 0
    file.write_bytes(b"")
    with pytest.raises(DataError, match="record 0 at byte 0: the gzip stream does not end: the file was cut short"):
        rows_of(file)


@pytest.mark.parametrize("at", range(0, 300, 23))
def test_every_damaged_byte_is_noticed(rows_of: Callable[[Path], int], tmp_path: Path, at: int) -> None:
    """Of the records before compression: gzip's own checksum is right."""
    records = bytearray(plain(tmp_path))
    at %= len(records)
    records[at] ^= 1 << at % 8
    file = tmp_path / "bad.gz"
    file.write_bytes(gzip.compress(records))
    number = next(n for n in range(6) if at < sum(SIZES[: n + 1]))
    with pytest.raises(DataError, match=rf"^Cannot read {file}: record {number} at byte {sum(SIZES[:number])}: "):
        rows_of(file)


def test_find_damage_notices_what_tensorflow_takes_for_the_end(tmp_path: Path) -> None:
    whole = gzip.compress(plain(tmp_path), 0, mtime=0)
    file = tmp_path / "cut.gz"
    file.write_bytes(whole[: 15 + sum(SIZES[:3])])
    assert tf.data.TFRecordDataset(str(file), "GZIP").reduce(0, lambda n, _: n + 1).numpy() == 3
    (found,) = find_damage([str(file)], tf.identity)
    assert (found.record, found.offset, found.rest_lost) == (3, sum(SIZES[:3]), True)


TRACED = """Graph execution error:

Detected at node ParseExample/ParseExampleV2 defined at (most recent call last):
<stack traces unavailable>
  File "x.py", line 3, in f
Key: <unknown>, Feature: id (data type: int64) is required but could not be found.
\t [[{{node ParseExample/ParseExampleV2}}]] [Op:__inference_parse_16]"""
MESSAGES = (
    (TRACED, "Feature: id (data type: int64) is required but could not be found"),
    (
        "{{function_node f_1}} Could not parse example input, value: 'a'\n\t [[{{node P}}]] [Op:f]",
        "Could not parse example input, value: 'a'",
    ),
    ("{{function_node w}} corrupted record at 180 [Op:IteratorGetNext] name: ", "corrupted record at 180"),
    ("Graph execution error:", "Graph execution error:"),
)


@pytest.mark.parametrize(("message", "reason"), MESSAGES)
def test_the_reason_is_what_is_wrong_and_not_where_in_a_graph(message: str, reason: str) -> None:
    assert reason_in(message) == reason
