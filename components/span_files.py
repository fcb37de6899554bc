"""Files of a split by the span that their name carries: ``span-00012-data_tfrecord-00000-of-00001.gz``."""

import posixpath
import re
from collections.abc import Iterable

_NAME = re.compile(r"span-([0-9]{5,})-")


def span_file_name(span: int, number: int, files: int) -> str:
    """The name of file ``number`` of the ``files`` that hold this span's rows of a split, gzip."""
    return f"span-{span:05d}-data_tfrecord-{number:05d}-of-{files:05d}.gz"


def span_of(file: str) -> int | None:
    """The span of a file by its name (a path or URI), or None."""
    found = _NAME.match(posixpath.basename(file))
    return int(found[1]) if found else None


def files_by_span(files: Iterable[str]) -> dict[str, list[str]]:
    """Span, as decimal text -> its files, by name; spans ascend. Files of no span are one group, ``""``, the first."""
    groups: dict[int, list[str]] = {}
    for file in sorted(files):
        span = span_of(file)
        groups.setdefault(-1 if span is None else span, []).append(file)
    return {"" if span < 0 else str(span): groups[span] for span in sorted(groups)}
