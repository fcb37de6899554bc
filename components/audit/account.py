"""The reader's own account of what it read, against the shards: each byte once, and as many rows as are counted."""

import dataclasses
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from components.rows_read import RowsRead, UnitRows
from components.verdict import Finding


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of the analysed splits: where it is, its split, and its size in bytes as it is stored."""

    path: str
    split: str
    size: int


@dataclasses.dataclass(frozen=True)
class RowCounts:
    """What others say of the number of rows.

    Attributes:
      constants: rows accumulated in the constants.
      statistics: of the analysed splits, by StatisticsGen.
      recorded: by ExampleGen; None where it does not say.
      by_file: counted by the audit, of the shards that it read.
      bytes_by_file: of their records, decompressed and framed, counted too.
    """

    constants: int
    statistics: int
    recorded: int | None
    by_file: Mapping[str, int]
    bytes_by_file: Mapping[str, int] = dataclasses.field(default_factory=dict)


def account_findings(account: RowsRead, shards: Sequence[Shard], counts: RowCounts) -> tuple[Finding, ...]:
    """One finding a shard that was not read exactly once, and one for each number of rows that differs."""
    splits = sorted({shard.split for shard in shards})
    if list(account.splits) != splits:
        message = f"the reader read the splits {list(account.splits)}, but {splits} are to be analysed. Analyse again."
        return (Finding("statistics_of_other_splits", message),)
    units: dict[str, list[UnitRows]] = {}
    for unit in account.units:
        units.setdefault(unit.file, []).append(unit)
    folder = posixpath.commonpath([posixpath.dirname(shard.path) for shard in shards])
    by_name = {posixpath.relpath(shard.path, folder): shard for shard in shards}
    findings: list[Finding] = []
    for name, shard in by_name.items():
        of_shard = units.get(name, [])
        findings += list(_of_bytes(shard, of_shard)) or _of_records(shard, of_shard, counts)
    for name in sorted(units.keys() - by_name.keys()):
        message = f"{name} was read, which is no shard of the splits {splits}. Analyse again."
        findings.append(Finding("unknown_shard", message))
    return (*findings, *_of_sums(account, counts))


def _of_bytes(shard: Shard, units: Sequence[UnitRows]) -> Iterator[Finding]:
    ranges = sorted((unit.offset, shard.size if unit.end is None else unit.end) for unit in units)
    at = 0
    for begin, end in ranges:
        if begin > at:
            yield _left_out(shard, at, begin)
        elif begin < at:
            yield _fault("shard_read_twice", shard, begin, min(at, end), "were read more than once")
        at = max(at, end)
    if at < shard.size:
        yield _left_out(shard, at, shard.size)
    elif at > shard.size:
        yield _fault("unknown_shard", shard, shard.size, at, "were read, beyond its end")


def _left_out(shard: Shard, begin: int, end: int) -> Finding:
    return _fault("shard_left_out", shard, begin, end, "were not read")


def _fault(fault: str, shard: Shard, begin: int, end: int, what: str) -> Finding:
    whole = begin == 0 and end == shard.size
    return Finding(fault, f"{'all' if whole else f'bytes {begin} to {end}'} of {shard.path} {what}. Analyse again.")


def _of_records(shard: Shard, units: Sequence[UnitRows], counts: RowCounts) -> Iterator[Finding]:
    rows, size = sum(unit.rows for unit in units), sum(unit.bytes for unit in units)
    if counts.by_file.get(shard.path, rows) != rows:
        message = f"{shard.path} has {counts.by_file[shard.path]} rows, but the reader says {rows}. Analyse again."
        yield Finding("rows_differ", message)
    # Where a range ends, it is not compressed, and its records are the bytes between.
    ranges = [unit for unit in units if unit.end is not None and unit.bytes != unit.end - unit.offset]
    if ranges or counts.bytes_by_file.get(shard.path, size) != size:
        at = ranges[0] if ranges else units[0]
        right = counts.bytes_by_file.get(shard.path, (at.end or shard.size) - at.offset)
        message = f"the records of {shard.path} have {right} bytes, but the reader says {size}. Analyse again."
        yield Finding("bytes_differ", message)


def _of_sums(account: RowsRead, counts: RowCounts) -> Iterator[Finding]:
    others = (
        ("the constants have accumulated", counts.constants),
        ("StatisticsGen saw", counts.statistics),
        ("ExampleGen wrote", counts.recorded),
    )
    for who, rows in others:
        if rows is not None and rows != account.rows:
            message = f"the reader read {account.rows} rows of the analysed splits, but {who} {rows}. Analyse again."
            yield Finding("rows_differ", message)
