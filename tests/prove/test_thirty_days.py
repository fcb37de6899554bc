"""30 days of flights, a window of 28: one day more reads that day's bytes alone, with the digest of from scratch.

What it takes is measured by ``benchmarks/thirty_days.py``; here it is printed.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.prove, pytest.mark.beam]

pytest.importorskip("tfx.types")
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from peers.flights_by_day import SCHEMA, WINDOW, add, convert, days_of_flights, listed  # noqa: E402

from components.cache.shelf import CacheOptions  # noqa: E402
from components.feature_plan import FeaturePlan  # noqa: E402
from components.moments.finish import finish  # noqa: E402
from components.span_files import files_by_span  # noqa: E402
from components.transform.measured import Measured  # noqa: E402
from components.transform.span_statistics import SpanStatistics, statistics_of  # noqa: E402
from components.transform.unit_statistics import read_statistics  # noqa: E402
from schemas.loader import load_schema  # noqa: E402

PLAN = FeaturePlan.from_schema(load_schema(SCHEMA))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the CPU seconds of this process and its threads."""
    start = time.process_time()
    return work(), time.process_time() - start


def test_one_day_more_reads_one_day(tmp_path: Path) -> None:
    days = days_of_flights(tmp_path, 30)
    *before, last = days
    read: list[str] = []

    def measure(files: Sequence[str]) -> Measured:
        read.extend(files)
        return read_statistics(files, PLAN)

    def files_in(artifact: Any) -> list[str]:
        return sorted(str(file) for file in Path(artifact.uri, "Split-train").iterdir())

    def analyse(artifact: Any) -> tuple[SpanStatistics, float]:
        options = CacheOptions(str(tmp_path / "cache"))
        groups = files_by_span(files_in(artifact), dated=True)
        return timed(lambda: statistics_of(groups, PLAN, measure, options, "this code"))

    add(tmp_path, {day: days[day] for day in before})
    first, converted_all = timed(lambda: convert(tmp_path, "first", "cache"))
    everything, measured_all = analyse(first)
    assert listed(first, "spans_converted") == before[-WINDOW:]
    assert everything.measured == tuple(before[-WINDOW:])

    add(tmp_path, {last: days[last]})
    read.clear()
    second, converted_one = timed(lambda: convert(tmp_path, "second", "cache"))
    window, measured_one = analyse(second)
    assert listed(second, "spans") == [*days][-WINDOW:]
    assert listed(second, "spans_converted") == [last]
    assert (window.measured, window.reused) == ((last,), tuple([*days][-WINDOW:-1]))
    of_the_day = [file for file in files_in(second) if Path(file).name.startswith("span-15735-")]
    assert read == of_the_day != []  # 2013-01-30 in days since 1970-01-01
    sizes = {file: Path(file).stat().st_size for file in files_in(second)}
    assert window.bytes_measured == sum(sizes[file] for file in of_the_day)
    assert window.bytes_measured + window.bytes_reused == sum(sizes.values())

    scratch = convert(tmp_path, "scratch", "other-cache")
    at_once, measured_at_once = timed(lambda: read_statistics(files_in(scratch), PLAN))
    assert window.statistics.to_bytes() == at_once.statistics.to_bytes()
    assert finish(PLAN, window.statistics).digest == finish(PLAN, at_once.statistics).digest
    print(
        f"\n{at_once.statistics.rows:,} rows of {WINDOW} days, CPU seconds\n"
        f"conversion: all days {converted_all:.2f}, one day {converted_one:.2f} ({converted_one / converted_all:.0%})\n"
        f"analysis: all days, each alone {measured_all:.2f}, all at once {measured_at_once:.2f}; "
        f"one day {measured_one:.2f} ({measured_one / measured_all:.0%} and {measured_one / measured_at_once:.0%})\n"
        f"bytes: {window.bytes_measured:,} measured, {window.bytes_reused:,} from the cache"
    )
