"""The exact analysis of many files on a Spark cluster: the reader, accumulator and byte form of the Beam engine.

A task reads one work unit (a file, or 64 MiB of one) with TensorFlow on the worker; the driver rounds nothing until all
are merged. The workers need what this process has: the same Python environment, and the files under the same names.
"""

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from absl import logging

from components.errors import ConfigError, DataError
from components.feature_plan import FeaturePlan
from components.moments.spark import TREE_DEPTH, merged_by_spark
from components.moments.table_statistics import TableStatistics
from components.rows_read import UnitRows
from components.transform.measured import Measured
from components.transform.record_reader import BATCH_BYTES, Parse
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, work_units

if TYPE_CHECKING:
    from pyspark import SparkContext

# Where the settings say nothing else. TensorFlow reads with threads of its own, of which a task of one core gets one; a
# result of hundreds of states may be larger than Spark's 1 GiB.
_DEFAULTS = {
    "spark.app.name": "tfx-norm analysis",
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.maxResultSize": "0",
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.TF_NUM_INTRAOP_THREADS": "1",
    "spark.executorEnv.TF_CPP_MIN_LOG_LEVEL": "2",
    "spark.executorEnv.CUDA_VISIBLE_DEVICES": "-1",
}


@dataclasses.dataclass(frozen=True)
class _Piece:
    """A unit of work, and how much of it may be decoded at once."""

    unit: WorkUnit
    batch_bytes: int


def measure_on_spark(
    files: Sequence[str],
    plan: FeaturePlan,
    settings: Mapping[str, str],
    unit_bytes: int = UNIT_BYTES,
    batch_bytes: int = BATCH_BYTES,
    depth: int = TREE_DEPTH,
) -> Measured:
    """The exact statistics of all rows of TFRecord files, by a Spark application; every row exactly once.

    Args:
      files: names of TFRecord files of tf.Examples, readable by the workers; those that end in ``.gz`` are gzip.
      plan: which columns, and how.
      settings: Spark's own keys, ``spark.*``; ``spark.master`` is ``local[2]`` unless they or Spark's own configuration
        say otherwise. Where a Spark application runs in this process, it is used, and they must be empty.
      unit_bytes: an uncompressed file of more is cut into ranges; 0 cuts none.
      batch_bytes: decoded values that a task holds at once.
      depth: levels of the merge.

    Raises:
      ConfigError: no PySpark, or settings that are not Spark's.
      DataError: what the data do not allow, and every file that cannot be read, by name.
      RuntimeError: Spark lost or repeated work and reported success.
    """
    names = [file if "://" in file else os.path.abspath(file) for file in files]
    with application(settings) as context:
        for cut in (unit_bytes, 0):
            units = work_units(names, cut)
            pieces = [_Piece(unit, batch_bytes) for unit in units]
            state = merged_by_spark(context, pieces, plan, _measure, depth)
            if not any(FalseBoundaryError.__name__ in problem for problem in state.problems):
                break
            logging.warning("Records hold other records: the files are read again, each as a whole.")
    if state.statistics is None:
        raise DataError("\n".join(dict.fromkeys(sorted(state.problems))))
    accounts = (state.accounts[number].decode().split() for number in range(len(units)))
    read = tuple(
        UnitRows(given, int(offset), None if end == "-" else int(end), int(rows), int(size))
        for given, (offset, end, rows, size) in zip(_given(units, names, files), accounts, strict=True)
    )
    return Measured(state.statistics, read)


def _given(units: Sequence[WorkUnit], names: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """Each unit's file, as it was named to us."""
    given = dict(zip(names, files, strict=True))
    return (given[unit.file] for unit in units)


def _measure(plan: str, piece: _Piece) -> tuple[bytes, TableStatistics]:
    """On a worker."""
    from components.transform.unit_statistics import UnitReader

    parse = _parser(plan)
    reader = UnitReader(FeaturePlan.from_json(plan), parse, piece.batch_bytes)
    try:
        read, statistics = reader.read(piece.unit), reader.statistics()
    except FalseBoundaryError as error:
        raise DataError(f"{FalseBoundaryError.__name__}: {error}") from error
    end = "-" if read.end is None else read.end
    return f"{read.offset} {end} {read.rows} {read.bytes}".encode(), statistics


@functools.lru_cache(maxsize=4)
def _parser(plan: str) -> Parse:
    """Made once in a worker process; Spark's collects garbage after each task, and TensorFlow's objects are many."""
    import gc

    from components.transform.example_columns import analysis_parser

    parse = analysis_parser(FeaturePlan.from_json(plan))
    gc.freeze()
    return parse


@contextlib.contextmanager
def application(settings: Mapping[str, str]) -> Iterator["SparkContext"]:
    """A Spark application of this process with these settings, or the one that runs here already.

    Raises:
      ConfigError: no PySpark; settings that are not Spark's, or that come too late.
    """
    try:
        from pyspark import SparkConf, SparkContext
    except ImportError as error:
        raise ConfigError(
            f"engine='spark' needs PySpark, which cannot be imported ({error}). Install tfx-norm[spark], and Java 17."
        ) from error
    wrong = [key for key in settings if not key.startswith("spark.")]
    if wrong:
        raise ConfigError(f"Spark's settings are named spark.*, but these are not: {wrong}.")
    running = SparkContext._active_spark_context
    if running is not None:
        if settings:
            raise ConfigError("A Spark application runs in this process already; it cannot be given settings.")
        yield running
        return
    # Workers on this machine take this very Python; elsewhere spark.pyspark.python says which.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf()
    for key, value in settings.items():
        conf.set(key, value)
    for key, value in _DEFAULTS.items():
        conf.setIfMissing(key, value)
    if str(conf.get("spark.master")).startswith("local"):  # nobody else has to reach this process
        for key in ("spark.driver.host", "spark.driver.bindAddress"):
            conf.setIfMissing(key, "127.0.0.1")
    context = SparkContext(conf=conf)
    context.setLogLevel("ERROR")
    try:
        yield context
    finally:
        context.stop()
