"""What one day more costs in a window of 28 days of flights, beside an analysis of all 28 from scratch.

Each measurement is a process of its own, on both sides alike, and they take turns; medians are shown. CPU seconds are
user and system of all threads. Imports, with the start of TensorFlow's runtime, are measured too and shown beside.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.children import CHILD, answer_of, timed  # noqa: E402

DAYS = 30
STEPS = {
    "all days from scratch": "the 28 days' records read at once; no cache",
    "one day more": "27 days from the cache, one is read",
    "all days, each kept": "nothing in the cache: each day read by itself and kept",
}
PAGE = ROOT / "docs" / "rolling_spans.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [CHILD]:
        print(json.dumps(_prepare(Path(words[2]), int(words[3])) if words[1] == "prepare" else _analyse(*words[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 20], help="each flight so many times; 1 = as it is")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each step; the medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(words)
    report: dict[str, Any] = {
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "tables": {times: measured(times, options.repeats) for times in options.times},
    }
    report["ratios"] = {f"one_day_over_all_x{times}": table["ratio"] for times, table in report["tables"].items()}
    if options.write:
        PAGE.write_text(as_page(report), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report))
    return 0


def measured(times: int, repeats: int) -> dict[str, Any]:
    """Rows, bytes, what the conversion took, and of each step the medians; exits where two digests differ."""
    runs: dict[str, list[dict[str, Any]]] = {step: [] for step in STEPS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = answer_of(__file__, ["prepare", name, str(times)])
        # Of the first 28 days, so that the window that is one day newer finds 27 of them.
        answer_of(__file__, [*_words("all days, each kept", folder, "first")])
        shutil.copytree(folder / "statistics", folder / "kept")
        for repeat in range(repeats):
            for step in list(STEPS) if repeat % 2 == 0 else list(STEPS)[::-1]:
                shutil.rmtree(folder / "statistics")
                if step == "one day more":
                    shutil.copytree(folder / "kept", folder / "statistics")
                else:
                    (folder / "statistics").mkdir()
                runs[step].append(answer_of(__file__, _words(step, folder, "second")))
                print(f"x{times} {step}: {runs[step][-1]['cpu_seconds']:.3f} CPU s", file=sys.stderr, flush=True)
    digests = {run.pop("digest") for found in runs.values() for run in found}
    if len(digests) != 1:
        raise SystemExit(f"One digest is required, but these were found: {sorted(digests)}.")
    steps = {
        step: {key: statistics.median(run[key] for run in found) for key in found[0]} for step, found in runs.items()
    }
    one, everything = steps["one day more"], steps["all days from scratch"]
    return {**table, "steps": steps, "ratio": one["cpu_seconds"] / everything["cpu_seconds"]}


def as_page(report: dict[str, Any]) -> str:
    """Markdown."""
    asked = f"--times {' '.join(map(str, report['tables']))} --repeats {report['repeats']}"
    tables = "\n\n".join(_section(times, table) for times, table in report["tables"].items())
    return f"""# Rolling spans: what one day more costs

Written by `benchmarks/thirty_days.py`; do not edit. To reproduce, from the project's root:

```sh
python benchmarks/thirty_days.py {asked} --write
```

{report["cores"]} cores, Python {report["python"]}. Each line is {report["repeats"]} processes of their own that take
turns, medians. CPU seconds are those of all threads, from the list of the files to the statistics; the imports, with
the start of TensorFlow, are shown beside and are the same for all. Every process found the same digest, and
`tests/prove/test_thirty_days.py` asserts that one day more reads that day's bytes alone.

{tables}
"""


def _section(times: int, table: dict[str, Any]) -> str:
    name = "Flights as they are" if times == 1 else f"Every flight {times} times"
    lines = ["| analysis | CPU s | wall s | imports, CPU s | bytes read | bytes from the cache |", "| --- " * 6 + "|"]
    lines += [
        f"| {step}: {STEPS[step]} | {run['cpu_seconds']:.3f} | {run['wall_seconds']:.3f} | "
        f"{run['import_cpu_seconds']:.1f} | {run['bytes_measured']:,.0f} | {run['bytes_reused']:,.0f} |"
        for step, run in table["steps"].items()
    ]
    rows, converted = "\n".join(lines), (table["convert_all"], table["convert_one"])
    return f"""## {name}: {table["rows"]:,} rows of 28 days

{rows}

One day more takes **{table["ratio"]:.1%}** of the CPU seconds of all days from scratch. The conversion from CSV by
ArrowExampleGen took {converted[0]:.2f} CPU seconds for 28 days, {converted[1]:.2f} for one day more."""


def _words(step: str, folder: Path, examples: str) -> list[str]:
    return [step, str(folder / examples / "Split-train"), str(folder / "statistics")]


def _prepare(folder: Path, times: int) -> dict[str, Any]:
    """In a process of its own: the records of 28 days, and of those one day later."""
    from peers.flights_by_day import add, convert, days_of_flights

    days = days_of_flights(folder, DAYS, times)
    *before, last = days
    add(folder, {day: days[day] for day in before})
    _, everything = timed(lambda: convert(folder, "first", "cache"))
    add(folder, {last: days[last]})
    artifact, one = timed(lambda: convert(folder, "second", "cache"))
    return {
        "rows": artifact.get_int_custom_property("rows_train"),
        "convert_all": everything["cpu_seconds"],
        "convert_one": one["cpu_seconds"],
    }


def _analyse(step: str, examples: str, cache: str) -> dict[str, Any]:
    """In a process of its own."""
    import tensorflow as tf
    from peers.flights_by_day import SCHEMA

    from components.cache.shelf import CacheOptions
    from components.feature_plan import FeaturePlan
    from components.moments.finish import finish
    from components.span_files import files_by_span
    from components.transform.span_statistics import SpanStatistics, statistics_of
    from components.transform.unit_statistics import read_statistics
    from schemas.loader import load_schema

    tf.constant(0)  # starts the runtime, as an import does
    plan = FeaturePlan.from_schema(load_schema(SCHEMA))

    def work() -> SpanStatistics:
        files = sorted(str(file) for file in Path(examples).iterdir())
        if step == "all days from scratch":
            whole = read_statistics(files, plan)
            return SpanStatistics(whole.statistics, whole.units, (), (), (), sum(map(os.path.getsize, files)), 0)
        groups = files_by_span(files, dated=True)
        return statistics_of(groups, plan, lambda some: read_statistics(some, plan), CacheOptions(cache), "this code")

    found, seconds = timed(work)
    digest = finish(plan, found.statistics).digest
    return seconds | {"digest": digest, "bytes_measured": found.bytes_measured, "bytes_reused": found.bytes_reused}


if __name__ == "__main__":
    raise SystemExit(main())
