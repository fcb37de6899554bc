"""The reader's account is judged shard by shard: one left out or read twice is named for certain."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from graph_tables import Row, feature, plan_of, write_records

from components.audit.account import RowCounts, Shard, account_findings
from components.rows_read import RowsRead, UnitRows
from components.transform.example_columns import analysis_parser
from components.transform.unit_statistics import UnitReader
from components.transform.work_units import work_units

PLAN = plan_of(feature("x", "FLOAT", "z_score"))
ROWS: list[Row] = [{"x": float(i)} for i in range(400)]
Units = tuple[UnitRows, ...]


@dataclasses.dataclass(frozen=True)
class Read:
    """Shards of equal sizes and numbers of rows, compressed and not, and what the reader says of them."""

    shards: list[Shard]
    account: RowsRead


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("examples")
    paths = [(folder / split / name, split) for split in ("Split-a", "Split-b") for name in ("1", "2", "3.gz", "4.gz")]
    shards = []
    for at, (path, split) in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        write_records(PLAN, ROWS[at * 50 : at * 50 + 50], path)
        shards.append(Shard(str(path), split.removeprefix("Split-"), path.stat().st_size))
    assert shards[0].size == shards[1].size == shards[4].size
    reader = UnitReader(PLAN, analysis_parser(PLAN))
    units = [reader.read(unit) for unit in work_units([shard.path for shard in shards], shards[0].size // 3)]
    assert len(units) == 4 * 3 + 4
    files = {split: [shard.path for shard in shards if shard.split == split] for split in ("a", "b")}
    return Read(shards, RowsRead.of(units, files))


def findings(read: Read, units: Units | None = None, **counts: int) -> list[tuple[str, str]]:
    account = read.account if units is None else dataclasses.replace(read.account, units=units)
    known = RowCounts(**{"constants": 400, "statistics": 400, "recorded": 400, "by_file": {}, **counts})  # type: ignore[arg-type]
    return [(finding.fault, finding.message) for finding in account_findings(account, read.shards, known)]


def test_a_sound_account_of_several_splits(read: Read) -> None:
    assert findings(read) == []
    assert findings(read, recorded=None) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Split-a/1", "Split-b/3.gz"])
def test_a_shard_that_was_left_out(name: str, read: Read) -> None:
    units = tuple(unit for unit in read.account.units if unit.file != name)
    found = findings(read, units, constants=350, statistics=350, recorded=350)
    assert [fault for fault, _ in found] == ["shard_left_out"]
    assert found[0][1].startswith("all of ")
    assert name in found[0][1]


@pytest.mark.parametrize("name", ["Split-a/1", "Split-b/3.gz"])
def test_a_shard_that_was_read_twice(name: str, read: Read) -> None:
    again = tuple(unit for unit in read.account.units if unit.file == name)
    found = findings(read, read.account.units + again, constants=450, statistics=450, recorded=450)
    assert {fault for fault, _ in found} == {"shard_read_twice"}
    assert all(name in message for _, message in found)


@pytest.mark.parametrize(("left_out", "twice"), [("Split-a/1", "Split-a/2"), ("Split-a/3.gz", "Split-b/4.gz")])
def test_one_shard_instead_of_another_of_as_many_rows_and_bytes(left_out: str, twice: str, read: Read) -> None:
    """Every number of rows is right: only the account tells."""
    again = tuple(unit for unit in read.account.units if unit.file == twice)
    found = findings(read, tuple(unit for unit in read.account.units if unit.file != left_out) + again)
    assert {fault for fault, _ in found} == {"shard_left_out", "shard_read_twice"}
    assert all((left_out if fault == "shard_left_out" else twice) in message for fault, message in found)


def _without(units: Units) -> Units:
    return units[:1] + units[2:]


def _first(units: Units, **changes: int) -> Units:
    return (dataclasses.replace(units[0], **changes), *units[1:])  # type: ignore[arg-type]


def _shorter(units: Units) -> Units:
    return _first(units, end=(units[0].end or 0) - 22, bytes=units[0].bytes - 22)


def _longer(units: Units) -> Units:
    return _first(units, end=(units[0].end or 0) + 22, bytes=units[0].bytes + 22)


@pytest.mark.parametrize(
    ("change", "fault"),
    [(_without, "shard_left_out"), (_shorter, "shard_left_out"), (_longer, "shard_read_twice")],
    ids=["a gap", "too short", "an overlap"],
)
def test_ranges_of_bytes_with_a_gap_or_an_overlap(change: Callable[[Units], Units], fault: str, read: Read) -> None:
    units = change(read.account.units)
    rows = sum(unit.rows for unit in units)
    ((found, message),) = findings(read, units, constants=rows, statistics=rows, recorded=rows)
    assert found == fault
    assert message.startswith("bytes ")
    assert "Split-a/1" in message


@pytest.mark.parametrize("changes", [{"end": 5}, {"offset": 100_000}, {"offset": 4}])
def test_a_part_of_a_compressed_shard(changes: dict[str, int], read: Read) -> None:
    at = next(i for i, unit in enumerate(read.account.units) if unit.file == "Split-a/3.gz")
    units = (*read.account.units[:at], *_first(read.account.units[at:], **changes))
    ((fault, message),) = findings(read, units)
    assert fault == "shard_left_out"
    assert "Split-a/3.gz" in message


@pytest.mark.parametrize("name", ["Split-a/1", "Split-b/3.gz"])
def test_other_bytes_than_the_records_have(name: str, read: Read) -> None:
    at = next(i for i, unit in enumerate(read.account.units) if unit.file == name)
    wrong = read.account.units[at].bytes + 22
    units = (*read.account.units[:at], *_first(read.account.units[at:], bytes=wrong))
    size = {s.path: sum(u.bytes for u in read.account.units if s.path.endswith(u.file)) for s in read.shards}
    assert findings(read, bytes_by_file=size) == []  # type: ignore[arg-type]
    ((fault, message),) = findings(read, units, bytes_by_file=size)  # type: ignore[arg-type]
    assert fault == "bytes_differ"
    assert name in message


def test_a_file_that_is_none_of_the_splits(read: Read) -> None:
    extra = dataclasses.replace(read.account.units[0], file="Split-c/1", rows=0)
    assert [fault for fault, _ in findings(read, (*read.account.units, extra))] == ["unknown_shard"]


def test_other_splits_than_the_analysed_ones(read: Read) -> None:
    train_only = dataclasses.replace(read, shards=[shard for shard in read.shards if shard.split == "a"])
    assert [fault for fault, _ in findings(train_only)] == ["statistics_of_other_splits"]


@pytest.mark.parametrize("who", ["constants", "statistics", "recorded"])
def test_another_number_of_rows_elsewhere(who: str, read: Read) -> None:
    ((fault, message),) = findings(read, **{who: 399})
    assert fault == "rows_differ"
    assert "399" in message
    assert {"constants": "accumulated", "statistics": "StatisticsGen", "recorded": "ExampleGen"}[who] in message


def test_a_shard_of_which_rows_were_skipped(read: Read) -> None:
    path = read.shards[0].path
    ((fault, message),) = findings(read, by_file={path: 51})  # type: ignore[arg-type]
    assert fault == "rows_differ"
    assert path in message


def test_the_names_do_not_depend_on_where_the_artifact_lies(read: Read) -> None:
    moved = [
        dataclasses.replace(s, path=f"gs://bucket/{Path(s.path).parent.name}/{Path(s.path).name}") for s in read.shards
    ]
    assert findings(dataclasses.replace(read, shards=moved)) == []
