"""Which files belong to which span, and which of them a window takes."""

import re
from collections.abc import Sequence

from components.errors import DataError
from components.example_gen.sources import list_files
from components.example_gen.span_pattern import Window, check_pattern, glob_of, regex_of, span_of_match


def files_of_spans(pattern: str) -> dict[int, list[str]]:
    """All spans behind the pattern, ascending, and their files, sorted by name; of several versions the newest.

    Raises:
      ConfigError: no span pattern.
      DataError: no file, or one that fits but whose span is no number or no date.
    """
    check_pattern(pattern)
    shape = re.compile(regex_of(pattern))
    found: dict[int, dict[int, list[str]]] = {}
    for path in list_files(glob_of(pattern)):
        match = shape.fullmatch(path)
        if match is None:
            raise DataError(f"{path}: has no number where {pattern} has its span or version. Rename it.")
        version = int(match.groupdict().get("VERSION") or 0)
        found.setdefault(span_of_match(match, path), {}).setdefault(version, []).append(path)
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
        raise DataError(
            f"{', '.join(patterns)}: no span from {window.first} to {window.last}. Choose between "
            f"{there[0]} and {there[-1]}."
        )
    return {
        span: [(index, path) for index, spans in enumerate(by_pattern) for path in spans.get(span, ())]
        for span in chosen
    }
