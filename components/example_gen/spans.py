"""Which files belong to which span, and which of them a window takes."""

import re
from collections.abc import Sequence

from components.errors import DataError
from components.example_gen.sources import list_files
from components.example_gen.span_pattern import Window, check_pattern, dated, glob_of, regex_of, span_of_match
from components.span_files import label


def files_of_spans(pattern: str) -> dict[int, list[str]]:
    """All spans behind the pattern, ascending, and their files, sorted by name; of several versions the newest.

    Raises:
      ConfigError: no span pattern.
      DataError: no file, one that fits but whose span is no number or no date, or two that write one span, or one of
        its versions, in two ways (``day-1`` and ``day-01``).
    """
    check_pattern(pattern)
    shape = re.compile(regex_of(pattern))
    found: dict[int, dict[int, list[str]]] = {}
    written: dict[tuple[int, int | None], tuple[str, str]] = {}
    for path in list_files(glob_of(pattern)):
        match = shape.fullmatch(path)
        if match is None:
            raise DataError(f"{path}: has no number where {pattern} has its span or version. Rename it.")
        texts = match.groupdict()
        span, version = span_of_match(match, path), int(texts.get("VERSION") or 0)
        for what, text in (((span, None), texts.get("SPAN", "")), ((span, version), texts.get("VERSION", ""))):
            other, first = written.setdefault(what, (text, path))
            if other != text:
                raise DataError(f"{first} and {path} are one span, written {other} and {text}. Rename one of them.")
        found.setdefault(span, {}).setdefault(version, []).append(path)
    return {span: sorted(versions[max(versions)]) for span, versions in sorted(found.items())}


def window_files(patterns: Sequence[str], window: Window) -> dict[int, list[tuple[int, str]]]:
    """Span -> its files, each with the index of its pattern; the spans of the window over all patterns, ascending.

    Raises:
      ConfigError, DataError: as ``files_of_spans``; no span lies in the window.
    """
    by_pattern = [files_of_spans(pattern) for pattern in patterns]
    there = sorted({span for spans in by_pattern for span in spans})
    chosen = window.chosen(there)
    if not chosen:
        asked = (span for span in (window.first, window.last, there[0], there[-1]) if span is not None)
        first, last, oldest, newest = (label(span, dated(patterns)) for span in asked)
        raise DataError(f"{', '.join(patterns)}: no span from {first} to {last}. Choose between {oldest} and {newest}.")
    return {
        span: [(index, path) for index, spans in enumerate(by_pattern) for path in spans.get(span, ())]
        for span in chosen
    }
