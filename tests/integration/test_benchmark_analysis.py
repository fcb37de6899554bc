"""benchmarks/analysis.py at its smallest: all ways run, find the same figures and are in the report."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FILE = BENCHMARKS / "analysis.py"
OPTIONAL = {"polars", "sklearn"}
QUICK = {"ours", "in_process", "keras_adapt", "floor"}
ALL = {*QUICK, *OPTIONAL, "stock", "keras_per_element"}
FIGURES = {"cpu_seconds", "wall_seconds", "import_cpu_seconds", "process_cpu_seconds", "peak_megabytes"}
sys.path.append(str(BENCHMARKS))


@pytest.mark.beam
@pytest.mark.parametrize("wanted", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)], ids=["quick", "all"])
def test_every_way_finds_the_same_figures_and_is_in_the_report(wanted: set[str]) -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, FILE, "--rows", "700", "--features", "3", "--json", "--ways", *sorted(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    (case,) = report["cases"]
    ways = {way for way in wanted if way not in OPTIONAL or importlib.util.find_spec(way)}
    assert (case["rows"], case["features"]) == (700, 3)
    assert set(case["figures"]) == ways
    assert set(report["left_out"]) == wanted - ways
    assert all(set(found) == FIGURES and min(found.values()) > 0 for found in case["figures"].values())
    peers = {f"{way}_over_ours" for way in ways - {"ours", "floor"}}
    assert set(report["ratios"]) == {*peers, "ours_over_floor"}
    assert report["exponent"] is None  # of one size


def test_fixed_costs_are_no_part_of_exponent_and_floor_ratio() -> None:
    import analysis

    def case(rows: int) -> dict[str, object]:
        seconds = {"ours": 5 + 6e-6 * rows, "floor": 0.5 + 4e-6 * rows}
        return {"rows": rows, "figures": {way: {"cpu_seconds": found} for way, found in seconds.items()}}

    series = [case(rows) for rows in (10_000, 100_000, 1_000_000, 4_000_000)]
    assert analysis.steady(series) == pytest.approx(1.5)
    assert analysis.exponent(series) == pytest.approx(1)


def test_a_way_that_finds_other_figures_stops_the_run() -> None:
    import analysis

    figures = [[0.0, 10.0], [1.0, 4.0]]
    near = [[9e-7, 10.0], [1.0, 4.0]]
    found = {"ours": figures, "in_process": figures, "stock": near, "keras_adapt": [[9e-6, 10.0], [1.0, 4.0]]}
    differences = analysis.check_figures({**found, "floor": None})
    assert differences == {"ours": 0, "in_process": 0, "stock": 9e-7, "keras_adapt": 9e-6}
    with pytest.raises(SystemExit, match="in_process finds other means"):
        analysis.check_figures({"ours": figures, "in_process": [[0.0, 10.0], [1.0, 4.000000000000001]]})
    with pytest.raises(SystemExit, match="sklearn finds other means"):
        analysis.check_figures({"ours": figures, "sklearn": [[0.0, 10.0], [1.0, 4.00001]]})
