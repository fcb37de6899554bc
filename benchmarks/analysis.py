"""What an analysis costs: CPU seconds, wall seconds and peak memory of NormalizingTransform beside other ways.

All ways read the same rows: tf.Examples in plain TFRecord shards, Polars the same numbers as Parquet. Each run is a
process of its own, the ways take turns, medians are shown. CPU seconds are user and system of all threads and children;
those of the imports are measured apart. Every way has to find the same means and variances, or nothing is reported.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.analysis_ways import WAYS  # noqa: E402
from peers.children import CHILD, answer_of, timed  # noqa: E402
from peers.performance_page import as_page, write_plot  # noqa: E402
from peers.stored_rows import Rows, write  # noqa: E402

ROWS, FEATURES = (100_000, 1_000_000), (20,)
# What --write measures, rows and features: the first features are those of the plot and of all that is said about rows.
SIZES = (
    *((rows, 20) for rows in (10_000, 50_000, 100_000, 1_000_000, 4_000_000)),
    *((4_000_000, 5), (400_000, 200), (40_000, 2_000)),
)
# Values beyond which a way is left out of --write: minutes a run, and nothing new.
MOST_VALUES = {"keras_per_element": 2e7}
# Features beyond which a way is left out there: 200 rows of 2,000 took stock more than 15 minutes of tracing.
MOST_FEATURES = {"stock": 1_000}
# Relative, of a mean to sigma where that is larger. Keras accumulates in float32 and does not reach more, at any batch.
MOST_DIFFERENCE, MOST_OF_KERAS = 1e-6, 1e-5
EXACT = ("ours", "in_process")
LINEAR_FROM = 100_000
PAGE = ROOT / "docs" / "performance.md"
OPTIONAL = {"polars": "polars", "sklearn": "sklearn"}  # way: module
PACKAGES = ("tfx", "tensorflow-transform", "apache-beam", "tensorflow", "keras", "scikit-learn", "polars")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/ and its plot."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [CHILD]:
        print(json.dumps(_write_rows(*words[2:]) if words[1] == "write" else _run(*words[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", help=f"default {ROWS}; with --write the sizes of the page")
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--repeats", type=int, default=1, help="runs of each way; the medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help="write the page and its plot")
    parser.add_argument("--page", default=PAGE.name, help=f"its name in docs/, default {PAGE.name}")
    options = parser.parse_args(words)
    sizes = [(rows, features) for features in options.features for rows in sorted(options.rows or ROWS)]
    values, columns = {}, {}
    if options.write and not options.rows:
        sizes, values, columns = list(SIZES), MOST_VALUES, MOST_FEATURES
    left_out = {
        way: f"the package {name} is not installed"
        for way, name in OPTIONAL.items()
        if way in options.ways and importlib.util.find_spec(name) is None
    }
    for way, reason in left_out.items():
        _say(f"{way} is left out: {reason}")
    ways = [way for way in options.ways if way not in left_out]
    report: dict[str, Any] = {
        "arguments": [word for word in words if word not in ("--json", "--write")],
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": versions(),
        "left_out": left_out,
        "empty": [
            *(f"{way} beyond {most:,.0f} values (minutes a run)" for way, most in values.items()),
            *(f"{way} beyond {most:,} features (over 15 minutes of tracing)" for way, most in columns.items()),
        ],
        "cases": [
            measured(
                rows,
                features,
                [
                    way
                    for way in ways
                    if rows * features <= values.get(way, math.inf) and features <= columns.get(way, math.inf)
                ],
                options.repeats,
            )
            for rows, features in sizes
        ],
    }
    report |= summary(report["cases"])
    if options.write:
        page = PAGE.with_name(options.page)
        plot = page.with_suffix(".svg")
        plotted = len({case["rows"] for case in report["cases"]}) > 2 and write_plot(report, plot)
        if not plotted:
            _say("No plot is written: it needs three numbers of rows, and the package matplotlib.")
        page.write_text(as_page(report, plot.name if plotted else ""), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report, ""))
    return 0


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def measured(rows: int, features: int, ways: Sequence[str], repeats: int) -> dict[str, Any]:
    """Of one size: by way the medians of its runs, all of which found the same; and the ratios."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data"))
        size = answer_of(__file__, ["write", data, str(features), str(rows)])
        for repeat in range(repeats):
            for way in ways if repeat % 2 == 0 else ways[::-1]:
                out = str(Path(folder, f"{way}-{repeat}"))
                run = answer_of(__file__, [way, data, str(features), out])
                _say(f"{rows:,} x {features}, {way}: {run['cpu_seconds']:.2f} CPU s, {run['peak_megabytes']:,.0f} MB")
                runs[way].append(run)
            differences = check_figures({way: found[-1].pop("figures") for way, found in runs.items()})
    figures = {
        way: {figure: statistics.median(run[figure] for run in found) for figure in found[0]}
        for way, found in runs.items()
    }
    return {
        "rows": rows,
        "features": features,
        "megabytes": size["megabytes"],
        "parquet_megabytes": size["parquet_megabytes"],
        "figures": figures,
        "differences": differences,
        "ratios": ratios(figures, "cpu_seconds"),
        "process_ratios": ratios(figures, "process_cpu_seconds"),
    }


def check_figures(found: Mapping[str, Any]) -> dict[str, float]:
    """By way how far its figures are from ours, relative; ours and in_process must agree to the bit, or it exits."""
    told = {way: np.array(figures) for way, figures in found.items() if figures is not None}
    differences: dict[str, float] = {}
    first = next((way for way in (*EXACT, *told) if way in told), "")
    for way, figures in told.items():
        mean, variance = told[first]
        scale = np.stack([np.maximum(np.abs(mean), np.sqrt(variance)), variance])
        worst = float(np.max(np.abs(figures - told[first]) / scale)) if figures.shape == scale.shape else math.inf
        most = MOST_OF_KERAS if way.startswith("keras") else MOST_DIFFERENCE
        if not worst <= (0 if way in EXACT and first in EXACT else most):
            raise SystemExit(f"{way} finds other means or variances than {first}: they differ by {worst:.2g}.")
        differences[way] = worst
    return differences


def ratios(figures: Mapping[str, Mapping[str, float]], figure: str) -> dict[str, float]:
    """Of each way to ours, at one size; that of the floor is ``steady``'s."""
    if "ours" not in figures:
        return {}
    ours = figures["ours"][figure]
    return {f"{way}_over_ours": found[figure] / ours for way, found in figures.items() if way not in ("ours", "floor")}


def summary(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several numbers of rows say together, at the first number of features."""
    series = sorted((c for c in cases if c["features"] == cases[0]["features"]), key=lambda case: case["rows"])
    last = series[-1]
    large = [case for case in series if case["rows"] >= LINEAR_FROM]
    large = large if len(large) > 1 else series
    return {
        "ratios": {**last["ratios"], "ours_over_floor": steady(series)},
        "process_ratios": last["process_ratios"],
        "exponent": exponent(series),
        "peak_growth": {way: peak(last, way) / peak(large[0], way) - 1 for way in last["figures"]},
        "peak_growth_rows": [large[0]["rows"], last["rows"]],
    }


def steady(series: Sequence[Mapping[str, Any]]) -> float | None:
    """CPU seconds of ours over those of the floor, for each row more: what is fixed has vanished."""
    first, last = series[0]["figures"], series[-1]["figures"]
    if not {"ours", "floor"} <= last.keys():
        return None
    ours, floor = (last[way]["cpu_seconds"] - first[way]["cpu_seconds"] for way in ("ours", "floor"))
    return ours / floor if floor > 0 else None


def exponent(series: Sequence[Mapping[str, Any]]) -> float | None:
    """p of cost ~ rows^p beyond 100,000 rows, the fixed cost being that of the fewest rows; None of too few."""
    if "ours" not in series[0]["figures"]:
        return None
    base = series[0]
    points = [
        (case["rows"] - base["rows"], case["figures"]["ours"]["cpu_seconds"] - base["figures"]["ours"]["cpu_seconds"])
        for case in series[1:]
        if case["rows"] > LINEAR_FROM
    ]
    if len(points) < 2 or min(seconds for _, seconds in points) <= 0:
        return None
    return float(np.polyfit(*np.log(points).T, 1)[0])


def peak(case: Mapping[str, Any], way: str) -> float:
    """Megabytes; NaN if the way was left out there."""
    return float(case["figures"].get(way, {}).get("peak_megabytes", math.nan))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _write_rows(folder: str, features: str, count: str) -> dict[str, float]:
    rows = Rows(Path(folder), int(features))
    write(rows, int(count))
    stored = {"megabytes": rows.files, "parquet_megabytes": rows.tables}
    return {name: sum(os.path.getsize(file) for file in files) / 1e6 for name, files in stored.items()}


def _run(way: str, folder: str, features: str, out: str) -> dict[str, Any]:
    """In a process of its own."""
    tell, seconds = timed(WAYS[way](Rows(Path(folder), int(features)), Path(out)))
    return seconds | {"figures": tell()}


if __name__ == "__main__":
    raise SystemExit(main())
