"""The flights job and one of ``init``, rehearsed to the end on both backends, on changed data as well."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.prove

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 3600
BACKENDS = pytest.mark.parametrize(("mode", "suffix"), [("vertex", "json"), ("kfp", "yaml")])
# After a blessed model, the drift gate and the Evaluator of Vertex AI compare with it: another input.
COMPARES_WITH_BLESSED = {"DriftGate", "Evaluator", "Pusher", "RunReport"}
RESOLVERS = {"LatestBlessedModel-model-blessing-resolver", "LatestBlessedModel-model-resolver"}


def tfx_norm(verb: str, *options: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The object that a verb prints, and the states of its progress lines."""
    command = [sys.executable, "-m", "pipeline", verb, *options, "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    states = dict(re.findall(r"^(\S+) (done|cached|failed|not run)\b", done.stderr, re.MULTILINE))
    print(verb, *options, states, done.stdout)
    return json.loads(done.stdout), states


def computed(states: dict[str, str]) -> set[str]:
    return {name for name, state in states.items() if state != "cached"} - RESOLVERS


@BACKENDS
def test_flights(tmp_path: Path, mode: str, suffix: str) -> None:
    config = REPOSITORY / "pipeline" / "flights_small.toml"
    tfx_norm("compile", str(config), "--out", str(tmp_path / "out"), "--image", "an/image:1")
    local, _ = tfx_norm("run", str(config), "--root", str(tmp_path / "run"))
    source = (REPOSITORY / "data" / "flights_small" / "flights.csv").read_text()
    data = tmp_path / "flights.csv"
    data.write_text(source)
    os.utime(data, (0, 0))
    job = str(tmp_path / "out" / f"flights-small.{suffix}")

    def rehearse() -> tuple[dict[str, Any], dict[str, str]]:
        options = ["--mode", mode, "--param", f"data_path={data}", "--env", f"PYTHONPATH={REPOSITORY}"]
        return tfx_norm("rehearse", job, "--root", str(tmp_path / "root"), *options)

    first, states = rehearse()
    assert set(states.values()) == {"done"}
    assert first["constants_digest"] == local["constants_digest"]
    assert first["metrics"] == pytest.approx(local["metrics"], rel=1e-3)
    _, states = rehearse()
    assert computed(states) == (COMPARES_WITH_BLESSED if mode == "vertex" else set())
    _, states = rehearse()
    assert computed(states) == set()
    data.write_text("".join(source.splitlines(keepends=True)[:-1]))
    changed, states = rehearse()
    assert changed["constants_digest"] != first["constants_digest"]
    assert computed(states) == set(states) - RESOLVERS - {"ImportSchemaGen"}


@BACKENDS
def test_a_configuration_of_init(tmp_path: Path, mode: str, suffix: str) -> None:
    rows = [f"{i * 37 % 101 / 7:.3f},{'abc'[i % 3]},{int(i * 37 % 101 > 50)}" for i in range(2000)]
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(["width,kind,large", *rows]) + "\n")
    tfx_norm("init", "--data", str(data), "--label", "large", "--out", str(tmp_path / "mine"))
    places = ["--param", f"data_path={data}", "--param", f"schema={tmp_path / 'mine' / 'schema.pbtxt'}"]
    config = str(tmp_path / "mine" / "config.toml")
    made, _ = tfx_norm("compile", config, "--out", str(tmp_path / "out"), "--image", "an/image:1", *places)
    local, _ = tfx_norm("run", config, "--root", str(tmp_path / "run"))
    job = made["vertex" if suffix == "json" else "kubeflow"]
    environment = ["--env", f"PYTHONPATH={REPOSITORY}"]
    result, states = tfx_norm("rehearse", job, "--mode", mode, "--root", str(tmp_path / "root"), *environment)
    assert set(states.values()) == {"done"}
    assert result["constants_digest"] == local["constants_digest"]
