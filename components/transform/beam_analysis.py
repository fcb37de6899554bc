"""The exact analysis of many files on a Beam runner: work units -> statistics of each -> one, merged and accounted for.

What travels are names of files and statistics in their byte form; rows never enter Beam. So its cost for each element,
which dominates an analysis of rows, is paid once for 64 MiB.
"""

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

import apache_beam as beam
import tensorflow as tf
from absl import logging
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from components.errors import DataError, input_error_in
from components.feature_plan import FeaturePlan
from components.moments.combine import METRICS_NAMESPACE, MergeStatistics, StatisticsCoder
from components.moments.table_statistics import TableStatistics
from components.transform.example_columns import analysis_parser
from components.transform.record_reader import BATCH_BYTES
from components.transform.unit_statistics import UnitReader
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, work_units

# Below so many units one worker merges all: a level more costs a shuffle. Above, so many workers merge first: 64 times
# 2,000 features take one worker seconds, and 4,096 units (256 GiB) are 16 levels of 256.
FANOUT_UNITS, FANOUT = 256, 16

Marked = tuple[int, bytes]  # what tells the units that were merged; their statistics


class MeasureFiles(beam.PTransform):
    """Pipeline -> PCollection of one element: marks and statistics of all units; ``accounted`` takes it.

    Counters in the namespace ``tfx_norm``: ``rows_read``, ``units_read``, ``bytes_read``; the distribution
    ``rows_of_a_unit``. A runner that repeats work may count it twice; the element does not.
    """

    def __init__(
        self, units: Sequence[WorkUnit], plan: FeaturePlan, batch_bytes: int = BATCH_BYTES, fanout: int = FANOUT
    ) -> None:
        """For these units; a worker holds about ``batch_bytes`` of decoded values at once.

        Of many units, so many workers (``fanout``) merge the statistics before one merges theirs; below 2, none does.
        """
        super().__init__()
        self._units, self._plan, self._batch_bytes, self._fanout = list(units), plan, batch_bytes, fanout

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """See the class."""
        merge = beam.CombineGlobally(MergeMarked(self._plan))
        if len(self._units) >= FANOUT_UNITS and self._fanout > 1:
            merge = merge.with_fanout(self._fanout)
        return (
            pipeline
            | "NameUnits" >> beam.Create([_as_tuple(unit) for unit in self._units], reshuffle=False)
            | "DealOutUnits" >> beam.Reshuffle()
            | "MeasureEachUnit"
            >> beam.ParDo(_MeasureUnits(self._plan, self._batch_bytes)).with_output_types(tuple[int, bytes])
            | "MergeStatistics" >> merge.with_output_types(tuple[int, bytes])
        )


class _MeasureUnits(beam.DoFn):
    """Units -> their marks and statistics, once a bundle."""

    def __init__(self, plan: FeaturePlan, batch_bytes: int) -> None:
        self._plan, self._batch_bytes = plan, batch_bytes
        counter = beam.metrics.Metrics.counter
        self._rows = counter(METRICS_NAMESPACE, "rows_read")
        self._units = counter(METRICS_NAMESPACE, "units_read")
        self._bytes = counter(METRICS_NAMESPACE, "bytes_read")
        self._rows_of_a_unit = beam.metrics.Metrics.distribution(METRICS_NAMESPACE, "rows_of_a_unit")

    def setup(self) -> None:
        # Nothing of TensorFlow is ever pickled.
        self._parse = analysis_parser(self._plan)

    def start_bundle(self) -> None:
        self._reader, self._marks = UnitReader(self._plan, self._parse, self._batch_bytes), 0

    def process(self, unit: tuple[str, int, int, int, str]) -> Iterable[Marked]:
        rows = self._reader.read(WorkUnit(*unit))
        self._marks += _mark(unit)
        self._rows.inc(rows)
        self._units.inc()
        self._bytes.inc(unit[2] - unit[1])
        self._rows_of_a_unit.update(rows)
        return ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        yield WindowedValue((self._marks, self._reader.statistics().to_bytes()), window.max_timestamp(), [window])


class MergeMarked(beam.CombineFn):
    """Merges statistics, and adds up the marks of the units behind them."""

    def __init__(self, plan: FeaturePlan) -> None:
        """For the statistics of this plan."""
        self._merge = MergeStatistics(plan)

    def create_accumulator(self) -> tuple[int, TableStatistics]:
        """Nothing seen."""
        return 0, self._merge.create_accumulator()

    def add_input(self, accumulator: tuple[int, TableStatistics], element: Marked) -> tuple[int, TableStatistics]:
        """One unit more."""
        return accumulator[0] + element[0], self._merge.add_input(accumulator[1], element[1])

    def merge_accumulators(self, accumulators: Iterable[tuple[int, TableStatistics]]) -> tuple[int, TableStatistics]:
        """All of them, in any order."""
        parts = list(accumulators)
        return sum(mark for mark, _ in parts), self._merge.merge_accumulators(part for _, part in parts)

    def extract_output(self, accumulator: tuple[int, TableStatistics]) -> Marked:
        """The byte form."""
        return accumulator[0], self._merge.extract_output(accumulator[1])

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """Never pickle."""
        return beam.coders.TupleCoder((beam.coders.VarIntCoder(), StatisticsCoder()))


def measure(
    files: Sequence[str],
    plan: FeaturePlan,
    make_pipeline: Callable[[], beam.Pipeline],
    folder: str | None = None,
    unit_bytes: int = UNIT_BYTES,
    batch_bytes: int = BATCH_BYTES,
    fanout: int = FANOUT,
) -> TableStatistics:
    """The exact statistics of all rows of TFRecord files, by a Beam pipeline of its own; every row exactly once.

    Args:
      files: names of TFRecord files of tf.Examples, readable by the workers too; those that end in ``.gz`` are gzip.
      plan: which columns, and how.
      make_pipeline: gives a pipeline to fill; called again where files have to be read anew, see ``work_units``.
      folder: where workers and this process may write and read a file; a temporary one of this machine by default.
      unit_bytes: an uncompressed file of more is cut into ranges; 0 cuts none.
      batch_bytes: decoded values that a worker holds at once.
      fanout: see ``MeasureFiles``.

    Raises:
      DataError: what the data do not allow, or a file that cannot be read, by name; from whatever worker it came.
      RuntimeError: the runner lost or repeated work and reported success.
    """

    def run(cut: int) -> TableStatistics:
        units = work_units(files, cut)
        with tempfile.TemporaryDirectory() as own:
            result = f"{folder or own}/statistics-{uuid.uuid4().hex}"
            with make_pipeline() as pipeline:
                measured = pipeline | MeasureFiles(units, plan, batch_bytes, fanout)
                _ = measured | "WriteStatistics" >> beam.Map(_write, result)
            return accounted(units, _taken(result))

    try:
        return _whole_if_needed(run, unit_bytes)
    except Exception as error:
        message = input_error_in(error)
        if message is None:
            raise
        raise DataError(message) from error


def _whole_if_needed(run: Callable[[int], TableStatistics], unit_bytes: int) -> TableStatistics:
    try:
        return run(unit_bytes)
    except Exception as error:
        # From another process the error comes as the text of a RuntimeError.
        if FalseBoundaryError.__name__ not in repr(error):
            raise
        logging.warning("Records hold other records: the files are read again, each as a whole. %s", error)
    return run(0)


def accounted(units: Sequence[WorkUnit], measured: Marked) -> TableStatistics:
    """The statistics, if they are those of all these units, each once.

    Raises:
      RuntimeError: they are not.
    """
    mark, statistics = measured
    if mark != sum(_mark(_as_tuple(unit)) for unit in units):
        raise RuntimeError(
            f"The Beam runner reported success, but did not merge each of the {len(units)} units of work exactly once. "
            "The result is not used. Take another runner."
        )
    return TableStatistics.from_bytes(statistics)


def _as_tuple(unit: WorkUnit) -> tuple[str, int, int, int, str]:
    return unit.file, unit.begin, unit.end, unit.size, unit.compression


def _mark(unit: tuple[str, int, int, int, str]) -> int:
    """41 bits that tell units apart: sums of up to 4 million are int64, and losing one cannot pass for another."""
    return 1 << 40 | int.from_bytes(hashlib.sha256(repr(unit).encode()).digest()[:5], "little")


def _write(measured: Marked, path: str) -> None:
    """In one step, so that a repeated attempt does no harm."""
    attempt = f"{path}.{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(attempt, "wb") as file:
        file.write(measured[0].to_bytes(8, "little") + measured[1])
    tf.io.gfile.rename(attempt, path, overwrite=True)


def _taken(path: str) -> Marked:
    with tf.io.gfile.GFile(path, "rb") as file:
        data = file.read()
    tf.io.gfile.remove(path)
    return int.from_bytes(data[:8], "little"), data[8:]
