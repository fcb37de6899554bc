"""benchmarks/images.py at its smallest: all ways run and are in the report, with the others' errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "images.py"
SIZES = "--rows 1 --kinds PNG --sides 32 --memory 0 --json"
RATIOS = ("analysis_over_decode", "input_over_decode", "input_over_decode_float32", "analysis_over_keras_adapt")


def test_every_way_is_in_the_report_and_the_common_recipe_is_wrong() -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, FILE, *SIZES.split()], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    (cell,) = report["cells"]
    assert cell["images"] == 257
    assert set(report["ratios"]["PNG-32"]) == {f"{name}{suffix}" for name in RATIOS for suffix in ("", "_cpu")}
    assert cell["errors"]["mean of batch means"][1] > 1e-3
    assert cell["errors"]["Keras adapt"][0] < 1e-4
