"""benchmarks/checks.py: what it calls added, worked out by hand, and the block that it writes."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "checks.py"


@pytest.fixture(scope="module")
def checks() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_checks", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_checks_and_the_report_are_set_against_the_rest_of_the_run(checks: Any) -> None:
    wall = {"Trainer": 30, "ConstantsAudit": 2, "DriftGate": 1, "ParityCheck": 6, "report": 1, "run": 60}
    found = checks.ratios(
        {name: {"wall": seconds, "cpu": 2 * seconds} for name, seconds in wall.items()}, {"wall": 48.0, "cpu": 100.0}
    )
    assert (found["added_over_rest"], found["added_over_rest_cpu"]) == (10 / 50, 20 / 100)
    assert (found["with_over_without"], found["with_over_without_cpu"]) == (60 / 48, 120 / 100)


def test_the_page_keeps_everything_but_the_block(checks: Any) -> None:
    page = checks.PAGE.read_text(encoding="utf-8")
    written = checks.with_block(page, r"one \1 line")
    before, _, after = page.partition(checks.BEGIN)
    assert written == f"{before}{checks.BEGIN}\none \\1 line\n{checks.END}{after.partition(checks.END)[2]}"
    with pytest.raises(SystemExit, match="0 times"):
        checks.with_block("nothing", "x")
