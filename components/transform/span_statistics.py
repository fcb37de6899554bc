"""The exact statistics of a window of spans: only spans that are not in the cache are measured, the rest is added.

Statistics are exact, so their merge is the same bits for any division into spans and in any order: a window's result is
what a full analysis of the same rows gives.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from absl import logging

from components.cache.envelope import DamagedEntryError, key_of
from components.cache.file_digest import file_digest
from components.cache.shelf import CacheOptions, Shelf, trim
from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import ANALYSIS_VERSION, TableStatistics, analyzed
from components.rows_read import UnitRows
from components.span_counters import SpanCounters
from components.transform.measured import Measured

# Raised when entries of the same key could differ and nothing else in the key tells.
_FORMAT = 2
Groups = Mapping[str, Sequence[str]]  # span -> its files


@dataclasses.dataclass(frozen=True)
class SpanStatistics:
    """A window's statistics, and where they are from.

    Attributes:
      statistics: of all rows of all spans.
      units: what was read for them, now or when a span was measured, by the files' names of today.
      measured: the spans whose records were read.
      reused: those that came from the cache.
      damaged: those of ``measured`` whose entry was there and could not be used.
      bytes_measured, bytes_reused: of the files behind each.
      entries_evicted: cache entries of any kind that were taken away in the end, to keep the cache within its bound.
    """

    statistics: TableStatistics
    units: tuple[UnitRows, ...]
    measured: tuple[str, ...]
    reused: tuple[str, ...]
    damaged: tuple[str, ...]
    bytes_measured: int
    bytes_reused: int
    entries_evicted: int = 0

    @property
    def counters(self) -> SpanCounters:
        """What was read, without the statistics."""
        return SpanCounters(self.measured, self.reused, self.bytes_measured, self.bytes_reused, self.entries_evicted)


def statistics_of(
    groups: Groups,
    plan: FeaturePlan,
    measure: Callable[[Sequence[str]], Measured],
    cache: CacheOptions,
    code_digest: str,
) -> SpanStatistics:
    """The statistics of all groups of files, each measured, or taken from the cache where its files are the same.

    Every file's bytes are hashed (0.5 to 1.5 GB of compressed records a second), none is decompressed or parsed but
    those that ``measure`` gets. Names and order of files do not count, their bytes do. What is measured is kept at
    once, so that a run that is stopped in the middle of many spans does not start at the first again.

    Args:
      groups: span -> files, at least one span; ``components.span_files.files_by_span`` makes them.
      plan: which columns, and how.
      measure: the statistics of all rows of some files.
      cache: where statistics are kept between runs; where it cannot be used, everything is measured, with a warning.
      code_digest: of the code that measures.

    Raises:
      DataError: a file that cannot be read, or what ``measure`` or the plan's limits refuse.
    """
    shelf, tree = cache.shelf("statistics"), MergeTree(plan)
    plan_text = plan.to_json()  # of thousands of features, and the same for all spans
    names = [feature.name for feature in analyzed(plan)]
    keys: list[str] = []
    measured: dict[str, int] = {}
    reused: dict[str, int] = {}
    damaged: list[str] = []
    units: list[UnitRows] = []
    for span, files in groups.items():
        content = [_content(file) for file in files]
        key = statistics_key(content, plan_text, code_digest)
        keys.append(key)
        places = _places(files, content)
        size = sum(size for _, size, _ in content)
        try:
            found = _kept(shelf, key, names)
        except ValueError as error:  # of the entry's form, or of what it holds
            logging.warning(
                "Span %s: the cache entry %s is not used, and made again: %s.", span, shelf.place(key), error
            )
            damaged.append(span)
            shelf.drop(key)
            found = None
        if found is not None:
            found = found.renamed(places)
            reused[span] = size
        else:
            found = measure(files)
            measured[span] = size
            if [_content(file) for file in files] != content:
                raise DataError(f"The files of span {span} were changed while they were read. Run again.")
            shelf.write(key, found.renamed({file: place for place, file in places.items()}).to_bytes())
        tree.add(found.statistics)
        units += found.units
    removed = trim(cache)
    if {shelf.place(key) for key in keys} & set(removed):
        logging.warning("The cache %s holds at most %d bytes, too few for the window.", cache.folder, cache.max_bytes)
    logging.info("Statistics: %d spans measured (%s), %d from the cache.", len(measured), list(measured), len(reused))
    return SpanStatistics(
        tree.merged(),
        tuple(units),
        tuple(measured),
        tuple(reused),
        tuple(damaged),
        sum(measured.values()),
        sum(reused.values()),
        len(removed),
    )


def statistics_key(content: Sequence[tuple[str, int, bool]], plan: str, code_digest: str) -> str:
    """What decides a span's statistics: plan (JSON), code, formats; hash, size and compression of each file, sorted."""
    return key_of("statistics", _FORMAT, ANALYSIS_VERSION, plan, code_digest, sorted(map(list, content)))


def _places(files: Sequence[str], content: Sequence[tuple[str, int, bool]]) -> dict[str, str]:
    """What an entry calls the files: their places in the order of their content, which is all that an entry knows."""
    ordered = sorted(zip(content, files, strict=True))
    return {str(place): file for place, (_, file) in enumerate(ordered)}


def _content(file: str) -> tuple[str, int, bool]:
    try:
        size = int(tf.io.gfile.stat(file).length)
        return file_digest(file, lambda: tf.io.gfile.GFile(file, "rb")), size, file.endswith(".gz")
    except tf.errors.OpError as error:
        raise DataError(f"Cannot read {file}: {error.message.splitlines()[0]}") from error


def _kept(shelf: Shelf, key: str, names: Sequence[str]) -> Measured | None:
    payload = shelf.read(key)
    if payload is None:
        return None
    found = Measured.from_bytes(payload)
    if list(found.statistics.features) != list(names):
        raise DamagedEntryError(f"it holds statistics of {list(found.statistics.features)}, not of the plan's features")
    return found
