"""Span patterns: what ``day-{SPAN}/*.csv`` means, and which spans a window takes.

The vocabulary is TFX's: ``{SPAN}`` or ``{SPAN:<digits>}``, or ``{YYYY}``, ``{MM}`` and ``{DD}`` together (the span is
then the number of days since 1970-01-01), and ``{VERSION}`` or ``{VERSION:<digits>}`` beside them: a span's newest
version counts.
"""

import dataclasses
import datetime
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.errors import ConfigError, DataError
from components.span_files import EPOCH

_SPEC = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::([^}]*))?\}")
_DATE = ("YYYY", "MM", "DD")


@dataclasses.dataclass(frozen=True)
class Window:
    """Which spans are taken, of those that are there.

    Attributes:
      newest: so many, counted from the newest; 0 = all.
      first: no older one, or None.
      last: no newer one, or None.
    """

    newest: int = 0
    first: int | None = None
    last: int | None = None

    def chosen(self, spans: Iterable[int]) -> list[int]:
        """The spans in it, ascending."""
        inside = sorted(
            span
            for span in set(spans)
            if (self.first is None or span >= self.first) and (self.last is None or span <= self.last)
        )
        return inside[-self.newest :] if self.newest else inside


def has_span(path: str) -> bool:
    """Whether the path has a place for a span."""
    return bool(_SPEC.search(path))


def dated(patterns: Iterable[str]) -> bool:
    """Whether the spans of all these patterns are dates."""
    return all("{YYYY}" in pattern for pattern in patterns)


def window_of(newest: int = 0, bounds: Sequence[str] = ()) -> Window:
    """The window of a configuration: the newest so many spans, or those from the first to the last bound.

    Args:
      newest: 0 = all.
      bounds: none, or the first and the last span, both included: a number, or a date as 2013-01-31.

    Raises:
      ConfigError: both are given, or they are no window.
    """
    if newest < 0:
        raise ConfigError(f"A window takes at least 1 span, or 0 for all, but is {newest}.")
    if not bounds:
        return Window(newest)
    if newest:
        raise ConfigError(f"A window is the newest {newest} spans, or {' to '.join(bounds)}. Give one of the two.")
    if len(bounds) != 2:
        raise ConfigError(f"spans must be the first and the last one but is {list(bounds)}.")
    first, last = (_number_of(bound) for bound in bounds)
    if first > last:
        raise ConfigError(f"spans must be the first and the last one but {bounds[0]} comes after {bounds[1]}.")
    return Window(0, first, last)


def base_and_pattern(path: str) -> tuple[str, str]:
    """A folder and the pattern below it: ``data/*.csv`` and ``data/x.csv`` are split, ``data`` is taken whole.

    A local path is looked at; of a remote one, a last part with a dot in it is taken for a file.
    """
    parts = path.rstrip("/").split("/")
    wild = next((index for index, part in enumerate(parts) if any(mark in part for mark in "*?[{")), None)
    if wild is None:
        is_file = "." in parts[-1] and not path.endswith("/") if "://" in path else Path(path).is_file()
        wild = len(parts) - 1 if is_file else None
    if wild is None:
        return path, "*"
    return "/".join(parts[:wild]) or ("/" if path.startswith("/") else "."), posixpath.join(*parts[wild:])


def check_pattern(pattern: str) -> None:
    """Returns if the pattern says where the span stands, once.

    Raises:
      ConfigError: it does not, or a width is no number of digits.
    """
    specs = _SPEC.findall(pattern)
    names = [name for name, _ in specs]
    dates = sorted(name for name in names if name in _DATE)
    once = (names.count("SPAN"), dates) in ((1, []), (0, sorted(_DATE)))
    if not once or names.count("VERSION") > 1:
        raise ConfigError(
            f"{pattern}: a span pattern has {{SPAN}} once, or {{YYYY}}, {{MM}} and {{DD}} once each, and {{VERSION}} "
            f"at most once, but this has {', '.join(names) or 'none'}."
        )
    for name, width in specs:
        if width and (name in _DATE or not re.fullmatch("[1-9][0-9]?", width)):
            raise ConfigError(f"{pattern}: {{{name}:{width}}} is no spec; a width is a number of digits, {{SPAN:5}}.")


def glob_of(pattern: str) -> str:
    """The glob of all files of all spans."""
    return _SPEC.sub("*", pattern)


def span_of_match(match: re.Match[str], path: str) -> int:
    """The span of a path that ``regex_of`` its pattern matches.

    Raises:
      DataError: its date is none, or one before 1970, whose span would be negative.
    """
    groups = match.groupdict()
    if "SPAN" in groups:
        return int(groups["SPAN"])
    written = "-".join(groups[part] for part in _DATE)
    try:
        span = (datetime.date.fromisoformat(written) - EPOCH).days
    except ValueError as error:
        raise DataError(f"{path}: {written} is no date. Rename it.") from error
    if span < 0:
        raise DataError(f"{path}: {written} lies before 1970-01-01, the first span. Take it out of the folder.")
    return span


def regex_of(pattern: str) -> str:
    """The glob's meaning as a regular expression, with a group for each spec."""
    regex, at = "", 0
    for spec in _SPEC.finditer(pattern):
        width = "4" if spec[1] == "YYYY" else "2" if spec[1] in _DATE else spec[2]
        regex += _glob_regex(pattern[at : spec.start()])
        regex += f"(?P<{spec[1]}>[0-9]{f'{{{width}}}' if width else '+'})"
        at = spec.end()
    return regex + _glob_regex(pattern[at:])


def _number_of(bound: str) -> int:
    if re.fullmatch("[0-9]+", bound):
        return int(bound)
    try:
        return (datetime.date.fromisoformat(bound) - EPOCH).days
    except ValueError as error:
        raise ConfigError(f"A span is a number or a date as 2013-01-31 but is {bound!r}.") from error


def _glob_regex(glob: str) -> str:
    parts = re.split(r"(\*+|\?|\[[^\]]+\])", glob)
    return "".join(_wild(part) if index % 2 else re.escape(part) for index, part in enumerate(parts))


def _wild(mark: str) -> str:
    if mark.startswith("["):
        return mark.replace("[!", "[^", 1)
    return "[^/]" if mark == "?" else "[^/]*"
