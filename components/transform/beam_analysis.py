"""The exact analysis of many files on a Beam runner: work units -> statistics of each -> one, merged and accounted for.

What travels are names of files, and statistics in their byte form with the account of the units behind them; rows
never enter Beam. So its cost for each element, which dominates an analysis of rows, is paid once for 64 MiB.
"""

import struct
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
from components.rows_read import UnitRows
from components.transform.example_columns import analysis_parser
from components.transform.measured import Measured
from components.transform.record_reader import BATCH_BYTES
from components.transform.unit_statistics import UnitReader
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError, WorkUnit, work_units

# Below so many units one worker merges all: a level more costs a shuffle. Above, so many workers merge first: 64 times
# 2,000 features take one worker seconds, and 4,096 units (256 GiB) are 16 levels of 256.
FANOUT_UNITS, FANOUT = 256, 16

# The account of the units that were merged, one ``_UNIT`` after the other, so that to append is to merge; and their
# statistics.
Accounted = tuple[bytes, bytes]
_UNIT = struct.Struct("<5q")  # the unit's number, its offset, its end or -1, its rows and bytes


class MeasureFiles(beam.PTransform):
    """Pipeline -> PCollection of one element: account and statistics of all units; ``accounted`` takes it.

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
        merge = beam.CombineGlobally(MergeAccounted(self._plan))
        if len(self._units) >= FANOUT_UNITS and self._fanout > 1:
            merge = merge.with_fanout(self._fanout)
        return (
            pipeline
            | "NameUnits" >> beam.Create(list(enumerate(map(_as_tuple, self._units))), reshuffle=False)
            | "DealOutUnits" >> beam.Reshuffle()
            | "MeasureEachUnit"
            >> beam.ParDo(_MeasureUnits(self._plan, self._batch_bytes)).with_output_types(tuple[bytes, bytes])
            | "MergeStatistics" >> merge.with_output_types(tuple[bytes, bytes])
        )


class _MeasureUnits(beam.DoFn):
    """Units -> their account and statistics, once a bundle."""

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
        self._reader, self._account = UnitReader(self._plan, self._parse, self._batch_bytes), b""

    def process(self, numbered: tuple[int, tuple[str, int, int, int, str]]) -> Iterable[Accounted]:
        number, unit = numbered[0], WorkUnit(*numbered[1])
        read = self._reader.read(unit)
        self._account += _UNIT.pack(number, read.offset, -1 if read.end is None else read.end, read.rows, read.bytes)
        self._rows.inc(read.rows)
        self._units.inc()
        self._bytes.inc(unit.end - unit.begin)
        self._rows_of_a_unit.update(read.rows)
        return ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        yield WindowedValue((self._account, self._reader.statistics().to_bytes()), window.max_timestamp(), [window])


class MergeAccounted(beam.CombineFn):
    """Merges statistics, and the account of the units behind them."""

    def __init__(self, plan: FeaturePlan) -> None:
        """For the statistics of this plan."""
        self._merge = MergeStatistics(plan)

    def create_accumulator(self) -> tuple[bytes, TableStatistics]:
        """Nothing seen."""
        return b"", self._merge.create_accumulator()

    def add_input(
        self, accumulator: tuple[bytes, TableStatistics], element: Accounted
    ) -> tuple[bytes, TableStatistics]:
        """One bundle's more."""
        return accumulator[0] + element[0], self._merge.add_input(accumulator[1], element[1])

    def merge_accumulators(
        self, accumulators: Iterable[tuple[bytes, TableStatistics]]
    ) -> tuple[bytes, TableStatistics]:
        """All of them, in any order."""
        parts = list(accumulators)
        return b"".join(account for account, _ in parts), self._merge.merge_accumulators(part for _, part in parts)

    def extract_output(self, accumulator: tuple[bytes, TableStatistics]) -> Accounted:
        """The byte form."""
        return accumulator[0], self._merge.extract_output(accumulator[1])

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """Never pickle."""
        return beam.coders.TupleCoder((beam.coders.BytesCoder(), StatisticsCoder()))


def measure(
    files: Sequence[str],
    plan: FeaturePlan,
    make_pipeline: Callable[[], beam.Pipeline],
    folder: str | None = None,
    unit_bytes: int = UNIT_BYTES,
    batch_bytes: int = BATCH_BYTES,
    fanout: int = FANOUT,
) -> Measured:
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

    def run(cut: int) -> Measured:
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


def _whole_if_needed(run: Callable[[int], Measured], unit_bytes: int) -> Measured:
    try:
        return run(unit_bytes)
    except Exception as error:
        # From another process the error comes as the text of a RuntimeError.
        if FalseBoundaryError.__name__ not in repr(error):
            raise
        logging.warning("Records hold other records: the files are read again, each as a whole. %s", error)
    return run(0)


def accounted(units: Sequence[WorkUnit], measured: Accounted) -> Measured:
    """The statistics, if they are those of all these units, each once.

    Raises:
      RuntimeError: they are not.
    """
    account, statistics = sorted(_UNIT.iter_unpack(measured[0])), TableStatistics.from_bytes(measured[1])
    read = tuple(
        UnitRows(units[number].file, offset, None if end < 0 else end, rows, size)
        for number, offset, end, rows, size in account
    )
    if [unit[0] for unit in account] != list(range(len(units))) or sum(unit.rows for unit in read) != statistics.rows:
        raise RuntimeError(
            f"The Beam runner reported success, but did not merge each of the {len(units)} units of work exactly once. "
            "The result is not used. Take another runner."
        )
    return Measured(statistics, read)


def _as_tuple(unit: WorkUnit) -> tuple[str, int, int, int, str]:
    return unit.file, unit.begin, unit.end, unit.size, unit.compression


def _write(measured: Accounted, path: str) -> None:
    """In one step, so that a repeated attempt does no harm."""
    attempt = f"{path}.{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(attempt, "wb") as file:
        file.write(len(measured[0]).to_bytes(8, "little") + measured[0] + measured[1])
    tf.io.gfile.rename(attempt, path, overwrite=True)


def _taken(path: str) -> Accounted:
    with tf.io.gfile.GFile(path, "rb") as file:
        data = file.read()
    tf.io.gfile.remove(path)
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]
