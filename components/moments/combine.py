"""Beam's view of the table statistics: batches -> bytes, bytes merged, bytes -> constants. Only bytes travel.

All features ride in one combine, and so do the moments of every (feature, key) pair: nothing is shuffled by key, each
bundle becomes one accumulator that holds all its keys. A key with 90 % of the rows therefore costs what any other does;
the price is that all keys, ``max_keys`` of them at most in the end, must fit in the memory of the worker that merges.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from components.feature_plan import FeaturePlan
from components.moments.accumulator import Moments
from components.moments.columns import SparseParts
from components.moments.finish import finish
from components.moments.image_moments import ImageMoments
from components.moments.key_counts import KeyCounts
from components.moments.limits import refuse_too_many_keys
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import ANALYSIS_VERSION, FeatureStatistics, TableStatistics
from components.moments.wire import encode

METRICS_NAMESPACE = "tfx_norm"


class _AccumulateBundle(beam.DoFn):
    """Batches of columns -> the statistics of the bundle, as bytes, once a bundle."""

    def __init__(self, plan: FeaturePlan, sparse: Sequence[bool]) -> None:
        self._plan = plan
        self._sparse = sparse
        self._rows_seen = beam.metrics.Metrics.counter(METRICS_NAMESPACE, "rows_seen")
        self._values_rejected = beam.metrics.Metrics.counter(METRICS_NAMESPACE, "values_rejected")

    def start_bundle(self) -> None:
        self._tree = MergeTree(self._plan)

    def process(self, parts: tuple[Any, ...]) -> None:
        batch = TableStatistics.of(self._plan, regroup(parts, self._sparse))
        self._rows_seen.inc(batch.rows)
        self._tree.add(batch)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        statistics = self._tree.merged()
        self._values_rejected.inc(sum(map(_rejected, statistics.features.values())))
        yield WindowedValue(statistics.to_bytes(), window.max_timestamp(), [window])


def _rejected(statistics: FeatureStatistics) -> int:
    """Values that are missing, NaN or infinite, and so are in no mean and in no vocabulary."""
    if isinstance(statistics, KeyCounts):
        return statistics.missing
    if isinstance(statistics, ImageMoments):
        return int(statistics.eight.missing.max())
    moments = statistics if isinstance(statistics, Moments) else statistics.moments
    return int((moments.missing + moments.nan + moments.pos_inf + moments.neg_inf).sum())


def regroup(parts: Sequence[Any], sparse: Sequence[bool]) -> list[Any]:
    """One array or ``SparseParts`` a feature, from the flat tuple that an analyzer gets."""
    remaining = iter(parts)
    return [
        SparseParts(next(remaining), next(remaining), next(remaining)) if is_sparse else next(remaining)
        for is_sparse in sparse
    ]


class StatisticsCoder(beam.coders.Coder):
    """Statistics in their own versioned byte form, wherever Beam moves an accumulator; never pickle.

    Equal statistics have equal bytes, whatever the order in which they were merged.
    """

    def encode(self, value: TableStatistics) -> bytes:
        """The byte form."""
        return value.to_bytes()

    def decode(self, encoded: bytes) -> TableStatistics:
        """What ``encode`` wrote."""
        return TableStatistics.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        """Yes."""
        return True

    def to_type_hint(self) -> type[TableStatistics]:
        """What is coded."""
        return TableStatistics


class MergeStatistics(beam.CombineFn):
    """Merges statistics in their byte form; associative and commutative, to the last bit."""

    def __init__(self, plan: FeaturePlan) -> None:
        """For the statistics of this plan."""
        self._plan = plan

    def create_accumulator(self) -> TableStatistics:
        """Nothing seen."""
        return TableStatistics.empty(self._plan)

    def add_input(self, accumulator: TableStatistics, element: bytes) -> TableStatistics:
        """One bundle's statistics more."""
        return refuse_too_many_keys(self._plan, accumulator.merge(TableStatistics.from_bytes(element)))

    def merge_accumulators(self, accumulators: Iterable[TableStatistics]) -> TableStatistics:
        """All of them, in any order."""
        tree = MergeTree(self._plan)
        for accumulator in accumulators:
            tree.add(accumulator)
        return tree.merged()

    def compact(self, accumulator: TableStatistics) -> TableStatistics:
        """The accumulator: integers in their fewest digits hold no slack, nothing is buffered."""
        return accumulator

    def extract_output(self, accumulator: TableStatistics) -> bytes:
        """The byte form."""
        return accumulator.to_bytes()

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """The byte form's; Beam's own choice for any object would be pickle."""
        return StatisticsCoder()


class _Step(beam.PTransform):
    """A step of the analyzer; its ``repr`` enters tf.Transform's cache key, so it must name the plan and no address."""

    def __init__(self, plan: FeaturePlan) -> None:
        super().__init__()
        self._plan = plan

    def __repr__(self) -> str:
        return f"{type(self).__name__}({ANALYSIS_VERSION}, {self._plan.to_json()})"


class MakeStatistics(_Step):
    """PCollection of tuples of arrays -> PCollection of statistics (bytes), one a bundle.

    Each element holds, for each analysed feature, one array, or three (indices, values, dense shape) if it is sparse.
    """

    def __init__(self, plan: FeaturePlan, sparse: tuple[bool, ...]) -> None:
        """``sparse`` tells, for each analysed feature, whether it comes in three parts."""
        super().__init__(plan)
        self._sparse = sparse

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """See the class."""
        return batches | "AccumulateBundles" >> beam.ParDo(
            _AccumulateBundle(self._plan, self._sparse)
        ).with_output_types(bytes)


class CombineStatistics(_Step):
    """PCollection of statistics -> one."""

    def expand(self, statistics: beam.PCollection) -> beam.PCollection:
        """See the class."""
        merge = beam.CombineGlobally(MergeStatistics(self._plan)).with_output_types(bytes)
        return statistics | "MergeStatistics" >> merge


class ExtractConstants(_Step):
    """One statistics -> one object array of the byte strings that enter the graph."""

    def expand(self, statistics: beam.PCollection) -> beam.PCollection:
        """See the class."""
        return statistics | "ExtractConstants" >> beam.Map(_wire, plan=self._plan).with_output_types(np.ndarray)


def _wire(statistics: bytes, plan: FeaturePlan) -> npt.NDArray[np.object_]:
    from components.moments.fingerprint import fingerprints

    # An object array: NumPy's fixed-width byte strings drop trailing zeros.
    elements = encode(finish(plan, TableStatistics.from_bytes(statistics)), fingerprints)
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array
