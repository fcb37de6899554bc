"""Exact statistics of work units, in this process: one unit, or all of them on all cores."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from absl import logging

from components.feature_plan import FeaturePlan
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import TableStatistics
from components.transform.example_columns import analysis_parser, columns_of
from components.transform.read_ahead import ahead
from components.transform.record_reader import BATCH_BYTES, MAX_ROWS, Parse, explained, parsed_batches
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, work_units


def unit_statistics(
    unit: WorkUnit, plan: FeaturePlan, parse: Parse, batch_bytes: int = BATCH_BYTES, max_rows: int = MAX_ROWS
) -> TableStatistics:
    """The statistics of a unit's records; ``parse`` is ``analysis_parser(plan)``.

    Raises:
      FalseBoundaryError: the unit has to be read as part of its whole file.
      DataError: a record that cannot be read, by file, record and byte; or data that the plan does not allow.
    """
    tree = MergeTree(plan)
    with explained(unit, parse):
        for parsed in ahead(parsed_batches(unit, parse, batch_bytes, max_rows)):
            tree.add(TableStatistics.of(plan, columns_of(plan, parsed)))
    return tree.merged()


def read_statistics(
    files: Sequence[str],
    plan: FeaturePlan,
    batch_size: int = MAX_ROWS,
    unit_bytes: int = UNIT_BYTES,
    batch_bytes: int = BATCH_BYTES,
) -> TableStatistics:
    """The exact statistics of all rows, on all cores of this machine; no runner.

    Args:
      files: TFRecord files of tf.Examples; names that end in ``.gz`` are gzip.
      plan: which columns, and how.
      batch_size: rows of a batch at most.
      unit_bytes: an uncompressed file of more is read in several places at once; 0 reads every file as a whole.
      batch_bytes: decoded values that a thread holds at once.

    Raises:
      DataError: a file that cannot be read, by name; a row that lacks a column that the schema requires.
    """
    parse = analysis_parser(plan)
    try:
        return _on_all_cores(work_units(files, unit_bytes), plan, parse, batch_bytes, batch_size)
    except FalseBoundaryError as error:
        logging.warning("%s. Records hold other records: the files are read again, each as a whole.", error)
        return _on_all_cores(work_units(files, 0), plan, parse, batch_bytes, batch_size)


def _on_all_cores(
    units: Sequence[WorkUnit], plan: FeaturePlan, parse: Parse, batch_bytes: int, max_rows: int
) -> TableStatistics:
    tree = MergeTree(plan)
    with ThreadPoolExecutor(max(1, min(len(units), os.cpu_count() or 1))) as pool:
        running = [pool.submit(unit_statistics, unit, plan, parse, batch_bytes, max_rows) for unit in units]
        try:
            for done in as_completed(running):
                tree.add(done.result())
        finally:
            for each in running:
                each.cancel()
    return tree.merged()
