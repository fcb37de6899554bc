"""A window of spans in one run: what is kept already, what has to be converted, and the artifact's files."""

import dataclasses
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from absl import logging

from components.cache.envelope import key_of
from components.cache.shelf import DEFAULT_MAX_BYTES, CacheOptions
from components.errors import DataError
from components.example_gen import tables
from components.example_gen.shards import Counts, Plan, Shard, Source, record_writer
from components.example_gen.span_pattern import Window, dated
from components.example_gen.span_store import ConvertedSpan, SpanStore, conversion_key, described, span_digest
from components.example_gen.spans import window_files
from components.span_files import label, span_file_name

InputFiles = Mapping[int, Sequence[tuple[int, str]]]  # span -> (index of the input split, path)
Convert = Callable[[list[Source]], Sequence[Shard | Counts]]


@dataclasses.dataclass(frozen=True)
class WindowOptions:
    """The execution properties of a window.

    Attributes:
      patterns: a span pattern for each input split.
      window: which spans.
      by_content: whether a span's bytes tell that it has changed, or its files' names, sizes and times.
      cache: where converted spans are kept, or None.
      code_digest: of the code that converts.
    """

    patterns: tuple[str, ...]
    window: Window
    by_content: bool
    cache: CacheOptions | None
    code_digest: str

    @classmethod
    def of(cls, options: Mapping[str, Any], input_base: str) -> "WindowOptions | None":
        """From ArrowExampleGen's ``custom_config``, whose whole numbers have become floats; None without a window."""
        if "span_patterns" not in options:
            return None
        bounds = (int(options[name]) if name in options else None for name in ("first_span", "last_span"))
        folder = options.get("cache_dir")
        return cls(
            tuple(posixpath.join(input_base, pattern) for pattern in options["span_patterns"]),
            Window(int(options.get("window", 0)), *bounds),
            options.get("fingerprint", "content") == "content",
            CacheOptions(folder, int(options.get("cache_max_bytes", DEFAULT_MAX_BYTES))) if folder else None,
            options.get("code_digest", ""),
        )

    @property
    def dated(self) -> bool:
        """Whether spans are dates."""
        return dated(self.patterns)

    def files(self) -> InputFiles:
        """The files of the window's spans, ascending."""
        return window_files(self.patterns, self.window)


class Written(NamedTuple):
    """What became of a window: totals by name, its spans, numbers or dates, those that this run has read.

    ``evicted`` cache entries left in the end, to keep the cache within its bound.
    """

    totals: dict[str, int]
    spans: list[int | str]
    converted: list[int | str]
    evicted: int


class OpenWindow:
    """The spans of a window, fingerprinted, and the cache that may hold them."""

    def __init__(self, options: WindowOptions) -> None:
        """Lists and fingerprints the window's files.

        Raises:
          DataError: no such files, or one that cannot be read.
        """
        self._files = options.files()
        self._digests = {span: span_digest(files, by_content=options.by_content) for span, files in self._files.items()}
        self._options = options
        self._store = SpanStore(options.cache) if options.cache else None
        self._code = options.code_digest

    def types(
        self,
        data_format: str,
        declared: Mapping[str, str],
        optional: Collection[str],
        null_values: Sequence[str],
    ) -> dict[str, str]:
        """As ``tables.plan_types`` over all spans; a span that was looked at before is not opened.

        Raises:
          DataError: as ``tables.plan_types``.
        """
        surveys = {}
        for span, files in self._files.items():
            paths = [path for _, path in files]

            def look(paths: Sequence[str] = paths) -> dict[str, str | None]:
                return tables.survey(paths, data_format, declared, optional, null_values)

            asked = [data_format, list(declared), sorted(optional), list(null_values), self._code]
            key = key_of("columns", self._digests[span], asked)
            surveys[paths[0]] = self._store.survey(key, look) if self._store else look()
        return tables.types_over(surveys, declared)

    def write(
        self, plan: Plan, input_splits: Sequence[str], split_uris: Mapping[str, str], convert: Convert
    ) -> Written:
        """Fills the splits' folders; ``convert`` gets the files of the spans that are not kept, at least one.

        Raises:
          DataError: no rows in all of the window, or data that cannot be read as declared.
        """
        named = [] if plan.buckets else list(input_splits)
        keys = {span: conversion_key(digest, plan, named, self._code) for span, digest in self._digests.items()}
        kept = {span: self._store.load(key, plan.work) for span, key in keys.items()} if self._store else {}
        ready = {span: found for span, found in kept.items() if found}
        missing = {span: files for span, files in self._files.items() if span not in ready}
        made = _converted(missing, named, convert) if missing else {}
        self._refuse_changed(made)
        totals = _check(ready | made, split_uris, next(iter(self._files.values()))[0][1])
        evicted = 0
        if self._store:
            for span, result in made.items():
                self._store.keep(keys[span], result)
            evicted = self._store.trim(list(keys.values()))
        publish_window(ready | made, split_uris)
        # Numbers stay numbers.
        names = {span: label(span, dated=True) if self._options.dated else span for span in sorted(self._files)}
        converted = [name for span, name in names.items() if span in made]
        logging.info("Spans: %d converted (%s), %d from the cache.", len(made), converted, len(ready))
        return Written(totals, list(names.values()), converted, evicted)

    def _refuse_changed(self, spans: Collection[int]) -> None:
        """Else what was read would be kept under the digest of what was there before."""
        for span in spans:
            if span_digest(self._files[span], by_content=self._options.by_content) != self._digests[span]:
                name = label(span, self._options.dated)
                raise DataError(f"{self._files[span][0][1]}: span {name} was changed while it was read. Run again.")


def publish_window(spans: Mapping[int, ConvertedSpan], split_uris: Mapping[str, str]) -> None:
    """Moves the files of all spans into the splits' folders; a split without any gets an empty one."""
    for split, uri in split_uris.items():
        tf.io.gfile.makedirs(uri)
        by_span = {span: [file for file in spans[span].files if file.split == split] for span in sorted(spans)}
        if not any(by_span.values()):
            logging.warning("The split %s has no rows.", split)
            record_writer(posixpath.join(uri, span_file_name(max(spans), 0, 1))).close()
        for span, files in by_span.items():
            for number, file in enumerate(files):
                final = posixpath.join(uri, span_file_name(span, number, len(files)))
                tf.io.gfile.rename(file.path, final, overwrite=True)


def _converted(missing: InputFiles, named: Sequence[str], convert: Convert) -> dict[int, ConvertedSpan]:
    listed = [(span, index, path) for span, files in missing.items() for index, path in files]
    results = convert(
        [Source(number, path, named[index] if named else None) for number, (_, index, path) in enumerate(listed)]
    )
    made = {}
    for span in missing:
        mine = [result for result in results if listed[result.source][0] == span]
        counts = [result for result in mine if isinstance(result, Counts)]
        shards = sorted(result for result in mine if isinstance(result, Shard) and result.rows)
        files = tuple(described(shard.split, shard.path, shard.rows) for shard in shards)
        made[span] = ConvertedSpan(sum(c.read for c in counts), sum(c.left_out for c in counts), files)
    return made


def _check(spans: Mapping[int, ConvertedSpan], splits: Collection[str], first: str) -> dict[str, int]:
    """The totals over all spans, if there are rows."""
    read, left_out = sum(span.read for span in spans.values()), sum(span.left_out for span in spans.values())
    if not read:
        raise DataError(tables.no_rows(first))
    if read == left_out:
        raise DataError(f"All {read} rows lack a value that is required: nothing is left to learn from.")
    rows = {
        f"rows_{split}": sum(file.rows for span in spans.values() for file in span.files if file.split == split)
        for split in splits
    }
    return {"rows_read": read, "rows_left_out": left_out, **rows}
