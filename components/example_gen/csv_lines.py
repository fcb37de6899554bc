"""Finds the place in a CSV file that Arrow only complains of: its line as a text editor counts it.

The failure path: the file is read once more by Python's own csv module, which knows its lines.
"""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.example_gen.sources import open_binary

_END = "\x01end of the file\x01"


class Record(NamedTuple):
    """One row of the file: the line its first cell stands on, and its cells."""

    line: int
    cells: list[str]

    def line_of(self, column: int) -> int:
        """The line on which the cell of ``column`` begins."""
        return self.line + sum(_line_breaks(cell) for cell in self.cells[:column])


def records(path: str) -> Iterator[Record]:
    """The rows of the file, header included, blank lines skipped. Bytes that are no UTF-8 come as surrogates.

    Where a quote is never closed, the last record's last cell ends with a mark of ours: see ``fault_of``.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with open_binary(path) as binary:
            text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
            rows = csv.reader(_lines(text))
            line = 1
            for cells in rows:
                if cells and cells != [_END]:
                    yield Record(line, cells)
                line = rows.line_num + 1
    finally:
        csv.field_size_limit(limit)


def fault_of(path: str) -> str | None:
    """The first thing wrong with the file's form (encoding, quotes, number of columns), or None.

    The text starts with the path and the line.
    """
    width, advice = 0, "Quote values that hold commas."
    for record in records(path):
        if not width:
            width = len(record.cells)
            advice = _other_separator(record.cells) or advice
        for column, cell in enumerate(record.cells):
            if (bad := _not_utf8(cell)) is not None:
                line = record.line_of(column) + _line_breaks(cell[: bad[0]])
                return f"{path}, line {line}: byte 0x{bad[1]:02x} is not UTF-8. Save the file as UTF-8."
        if record.cells[-1].endswith(_END):
            line = record.line_of(len(record.cells) - 1)
            return f"{path}, line {line}: a quote opens here and is never closed. Close it, or double it inside quotes."
        if len(record.cells) != width:
            return (
                f"{path}, line {record.line}: expected {width} columns as in the header, found {len(record.cells)}. "
                f"{advice}"
            )
    return None


def _other_separator(header: Sequence[str]) -> str | None:
    """What to do about a header of one cell that holds semicolons or tabs."""
    names = {";": "semicolons", "\t": "tabs"}
    for mark, name in names.items():
        if len(header) == 1 and mark in header[0]:
            return f"The columns look separated by {name}: write the file with commas."
    return None


def record_at(path: str, row: int) -> Record:
    """The ``row``-th record after the header, counted from 0."""
    for index, record in enumerate(records(path)):
        if index == row + 1:
            return record
    raise IndexError(f"{path} has no row {row}")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    last = "\n"
    for last in text:
        yield last.replace("\0", "\ufffd")  # the csv module of Python 3.10 refuses NUL
    yield _END if last.endswith(("\n", "\r")) else "\n" + _END


def _line_breaks(cell: str) -> int:
    return cell.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _not_utf8(cell: str) -> tuple[int, int] | None:
    if cell.isascii():
        return None
    return next(((at, ord(char) - 0xDC00) for at, char in enumerate(cell) if 0xDC80 <= ord(char) <= 0xDCFF), None)
