"""Exact statistics of work units: read one after another into one accumulator, or all of them on all cores."""

import collections
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from absl import logging

from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import TableStatistics
from components.rows_read import UnitRows
from components.transform.example_columns import analysis_parser, bytes_of, columns_of, joined, rows_of
from components.transform.measured import Measured
from components.transform.read_ahead import ahead
from components.transform.record_reader import (
    BATCH_BYTES,
    MAX_ROWS,
    Parse,
    begins_at_a_record,
    explained,
    parsed_batches,
)
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, located, work_units

# Parsing has threads of its own beside these; each reader holds three batches, and all of them one interpreter's lock.
_MOST_READERS = 8
# Stored bytes of a file that is read within a few milliseconds: no thread that reads ahead gains what it costs.
_READ_AT_ONCE = 256 << 10


class UnitReader:
    """Reads units into one accumulator: that of a thread, or of a bundle.

    Rows of several units are accumulated together, because a call of the accumulator costs what 2,000 values a feature
    do: small files and wide records would be dominated by that.
    """

    def __init__(self, plan: FeaturePlan, parse: Parse, batch_bytes: int = BATCH_BYTES, max_rows: int = MAX_ROWS):
        """``parse`` is ``analysis_parser(plan)``; at most ``batch_bytes`` and ``max_rows`` are accumulated at once."""
        self._plan, self._parse, self._batch_bytes, self._max_rows = plan, parse, batch_bytes, max_rows
        self._tree = MergeTree(plan)
        self._batches: list[list[Any]] = []
        self._units: list[WorkUnit] = []  # those that the batches are from
        self._rows = self._bytes = 0
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")

    def read(self, unit: WorkUnit) -> UnitRows:
        """Takes in the unit's rows, and gives account of them.

        Raises:
          FalseBoundaryError: the files have to be read as a whole.
          DataError: a record that cannot be read, by file, record and byte; or data that the plan does not allow.
        """
        rows = size = 0
        self._units.append(unit)
        with explained(unit, self._parse):
            found = located(unit)
            batches = parsed_batches(found, self._parse, self._batch_bytes, self._max_rows)
            for batch in batches if unit.size <= _READ_AT_ONCE else ahead(batches, self._helper):
                rows += batch.rows
                size += batch.bytes
                columns = columns_of(self._plan, batch.parsed)
                self._batches.append(columns)
                self._rows += rows_of(columns)
                self._bytes += bytes_of(columns)
                if self._rows >= self._max_rows or self._bytes >= self._batch_bytes:
                    self._accumulate()
                    self._units.append(unit)
        return UnitRows(unit.file, found.begin, None if unit.compression else found.end, rows, size)

    def statistics(self) -> TableStatistics:
        """The statistics of all rows, once nothing more is to be read; raises what ``read`` does."""
        if self._batches:
            self._accumulate()
        self._helper.shutdown()
        return self._tree.merged()

    def _accumulate(self) -> None:
        try:
            self._tree.add(TableStatistics.of(self._plan, joined(self._batches)))
        except DataError as error:
            if not all(map(begins_at_a_record, self._units)):
                raise FalseBoundaryError(f"A range begins within a record, and gave: {error}") from error
            raise
        self._batches, self._units = [], []
        self._rows = self._bytes = 0


def read_statistics(
    files: Sequence[str],
    plan: FeaturePlan,
    batch_size: int = MAX_ROWS,
    unit_bytes: int = UNIT_BYTES,
    batch_bytes: int = BATCH_BYTES,
) -> Measured:
    """The exact statistics of all rows, and the account of them, on all cores of this machine; no runner.

    Args:
      files: TFRecord files of tf.Examples; names that end in ``.gz`` are gzip.
      plan: which columns, and how.
      batch_size: rows of a batch at most.
      unit_bytes: an uncompressed file of more is read in several places at once; 0 reads every file as a whole.
      batch_bytes: decoded values that a thread accumulates at once.

    Raises:
      DataError: a file that cannot be read, by name; a row that lacks a column that the schema requires.
    """
    parse = analysis_parser(plan)

    def read(cut: int) -> Measured:
        return _on_all_cores(work_units(files, cut), plan, lambda: UnitReader(plan, parse, batch_bytes, batch_size))

    try:
        return read(unit_bytes)
    except FalseBoundaryError as error:
        logging.warning("Records hold other records: the files are read again, each as a whole. %s", error)
        return read(0)


def _on_all_cores(units: Sequence[WorkUnit], plan: FeaturePlan, make_reader: Any) -> Measured:
    """Each thread accumulates what it reads, so that there are never more statistics than threads."""
    waiting, failed = collections.deque(units), threading.Event()

    def work() -> Measured:
        reader: UnitReader = make_reader()
        account: list[UnitRows] = []
        try:
            while not failed.is_set() and (unit := _next(waiting)) is not None:
                account.append(reader.read(unit))
            return Measured(reader.statistics(), tuple(account))
        except BaseException:
            failed.set()
            raise

    threads = min(len(units), os.cpu_count() or 1, _MOST_READERS)
    if threads < 2:  # TensorFlow's state of a new thread costs 10 ms of CPU, more than a small span
        return work()
    with ThreadPoolExecutor(threads, thread_name_prefix="read_statistics") as pool:
        found = [pool.submit(work) for _ in range(threads)]
    tree = MergeTree(plan)
    account: list[UnitRows] = []
    for part in found:
        measured = part.result()  # or the error
        tree.add(measured.statistics)
        account += measured.units
    return Measured(tree.merged(), tuple(account))


def _next(waiting: collections.deque[WorkUnit]) -> WorkUnit | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
