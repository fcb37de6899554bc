"""benchmarks/input_pipeline.py at its smallest: all ways run, give the same values and are in the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "input_pipeline.py"
PEERS = ("plain", "tfx_layer", "per_element", "keras_in_model", "materialized")
SIZES = "--rows 2000 --features 3 --batch-size 256 --images 64 --rounds 1 --seconds 0.05 --json"


@pytest.mark.beam
def test_every_way_gives_the_same_values_and_is_in_the_report() -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, FILE, *SIZES.split()], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    ratios = {f"ours_over_{peer}{suffix}" for suffix in ("", "_images") for peer in PEERS}
    assert set(report["ratios"]) == set(report["cpu_ratios"]) == ratios
    assert report["graph"] == {name: {"captured_inputs": 0, "parallel_maps": 1} for name in ("ours", "ours_images")}
    for figures in report["figures"].values():
        assert set(figures) == {"ours", *PEERS}
        assert all(found["rows_per_second"] > 0 and found["bytes_per_second"] > 0 for found in figures.values())
