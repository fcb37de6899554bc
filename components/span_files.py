"""Spans in the names of a split's files, ``span-00012-data_tfrecord-00000-of-00001.gz``, and as people read them."""

import datetime
import posixpath
import re
from collections.abc import Iterable

EPOCH = datetime.date(1970, 1, 1)  # span 0, where spans are dates
_NAME = re.compile(r"span-([0-9]{5,})-")


def span_file_name(span: int, number: int, files: int) -> str:
    """The name of file ``number`` of the ``files`` that hold this span's rows of a split, gzip."""
    return f"span-{span:05d}-data_tfrecord-{number:05d}-of-{files:05d}.gz"


def label(span: int, dated: bool) -> str:
    """The span for a person: its number, or where spans are dates its date, 2013-01-31."""
    return str(EPOCH + datetime.timedelta(span)) if dated else str(span)


def span_of(file: str) -> int | None:
    """The span of a file by its name (a path or URI), or None."""
    found = _NAME.match(posixpath.basename(file))
    return int(found[1]) if found else None


def files_by_span(files: Iterable[str], dated: bool = False) -> dict[str, list[str]]:
    """Span, as its label -> its files, by name; spans ascend. Files of no span are one group, ``""``, the first."""
    groups: dict[int, list[str]] = {}
    for file in sorted(files):
        span = span_of(file)
        groups.setdefault(-1 if span is None else span, []).append(file)
    return {"" if span < 0 else label(span, dated): groups[span] for span in sorted(groups)}
