"""The exact statistics of a window of spans: only spans that are not in the cache are measured, the rest is added.

Statistics are exact, so their merge is the same bits for any division into spans and in any order: a window's result is
what a full analysis of the same rows gives.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from absl import logging

from components.cache.envelope import DamagedEntryError, digest_of, key_of
from components.cache.shelf import CacheOptions, Shelf, trim
from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.merge_tree import MergeTree
from components.moments.table_statistics import ANALYSIS_VERSION, TableStatistics
from components.rows_read import UnitRows
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
    """

    statistics: TableStatistics
    units: tuple[UnitRows, ...]
    measured: tuple[str, ...]
    reused: tuple[str, ...]
    damaged: tuple[str, ...]
    bytes_measured: int
    bytes_reused: int


def statistics_of(
    groups: Groups,
    plan: FeaturePlan,
    measure: Callable[[Groups], Mapping[str, Measured]],
    cache: CacheOptions,
    code_digest: str,
) -> SpanStatistics:
    """The statistics of all groups of files, each measured, or taken from the cache where its files are the same.

    Every file's bytes are hashed (0.5 to 1.5 GB of compressed records a second), none is decompressed or parsed but
    those that ``measure`` gets. Names and order of files do not count, their bytes do.

    Args:
      groups: span -> files, at least one span; ``components.span_files.files_by_span`` makes them.
      plan: which columns, and how.
      measure: gives the statistics of each of the groups that it is called with; called at most once. ``each_alone``
        makes one of a function of files.
      cache: where statistics are kept between runs.
      code_digest: of the code that measures.

    Raises:
      DataError: a file that cannot be read, or what ``measure`` or the plan's limits refuse.
    """
    shelf = cache.shelf("statistics")
    content = {span: [_content(file) for file in files] for span, files in groups.items()}
    sizes = {span: sum(size for _, size, _ in marks) for span, marks in content.items()}
    keys = {span: statistics_key(marks, plan, code_digest) for span, marks in content.items()}
    damaged: list[str] = []
    places = {span: _places(files, content[span]) for span, files in groups.items()}
    found = {span: _kept(shelf, key, span, plan, damaged) for span, key in keys.items()}
    reused = {span: kept.renamed(places[span]) for span, kept in found.items() if kept is not None}
    missing = {span: files for span, files in groups.items() if span not in reused}
    measured = dict(measure(missing)) if missing else {}
    if set(measured) != set(missing):
        raise ValueError(f"Statistics of spans {sorted(missing)} were required but those of {sorted(measured)} came.")
    for span, result in measured.items():
        if [_content(file) for file in groups[span]] != content[span]:
            raise DataError(f"The files of span {span} were changed while they were read. Run again.")
        _keep(shelf, keys[span], result.renamed({file: place for place, file in places[span].items()}))
    removed = trim(cache)
    if {shelf.place(key) for key in keys.values()} & set(removed):
        logging.warning("The cache %s holds at most %d bytes, too few for the window.", cache.folder, cache.max_bytes)
    tree = MergeTree(plan)
    units: list[UnitRows] = []
    for span in groups:
        result = reused[span] if span in reused else measured[span]
        tree.add(result.statistics)
        units += result.units
    logging.info("Statistics: %d spans measured (%s), %d from the cache.", len(missing), list(missing), len(reused))
    return SpanStatistics(
        tree.merged(),
        tuple(units),
        tuple(missing),
        tuple(reused),
        tuple(damaged),
        sum(sizes[span] for span in missing),
        sum(sizes[span] for span in reused),
    )


def each_alone(measure: Callable[[Sequence[str]], Measured]) -> Callable[[Groups], dict[str, Measured]]:
    """A function of files as one of groups: called once a group, one after the other."""
    return lambda groups: {span: measure(files) for span, files in groups.items()}


def statistics_key(content: Sequence[tuple[str, int, bool]], plan: FeaturePlan, code_digest: str) -> str:
    """What decides a span's statistics: plan, code, formats; hash, size and compression of each file, in any order."""
    return key_of("statistics", _FORMAT, ANALYSIS_VERSION, plan.to_json(), code_digest, sorted(map(list, content)))


def _places(files: Sequence[str], content: Sequence[tuple[str, int, bool]]) -> dict[str, str]:
    """What an entry calls the files: their places in the order of their content, which is all that an entry knows."""
    ordered = sorted(zip(content, files, strict=True))
    return {str(place): file for place, (_, file) in enumerate(ordered)}


def _content(file: str) -> tuple[str, int, bool]:
    try:
        with tf.io.gfile.GFile(file, "rb") as stream:
            return digest_of(stream), int(stream.size()), file.endswith(".gz")
    except tf.errors.OpError as error:
        raise DataError(f"Cannot read {file}: {error.message.splitlines()[0]}") from error


def _kept(shelf: Shelf, key: str, span: str, plan: FeaturePlan, damaged: list[str]) -> Measured | None:
    try:
        payload = shelf.read(key)
        if payload is None:
            return None
        kept = Measured.from_bytes(payload)
        statistics = kept.statistics
        if list(statistics.features) != list(TableStatistics.empty(plan).features):
            raise DamagedEntryError(f"it holds statistics of {list(statistics.features)}, not of the plan's features")
        return kept
    except ValueError as error:  # of the entry's form, or of what it holds
        logging.warning("Span %s: the cache entry %s is not used, and made again: %s.", span, shelf.place(key), error)
        damaged.append(span)
        shelf.drop(key)
        return None


def _keep(shelf: Shelf, key: str, measured: Measured) -> None:
    try:
        shelf.write(key, measured.to_bytes())
    except tf.errors.NotFoundError as error:
        logging.warning("Statistics were not kept: another process emptied the cache. %s", error)
