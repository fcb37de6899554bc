"""A configuration, submitted by Kubeflow's own client to a fake that rehearses what it is sent."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_services import refuse_other_hosts, running

from pipeline.cli import main
from pipeline.kubeflow.submission import kfp_service

pytestmark = pytest.mark.prove

REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_runs_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    results: list[dict[str, Any]] = []

    def rehearse(body: Mapping[str, Any]) -> bool:
        job = tmp_path / "received.yaml"
        job.write_text(yaml.safe_dump(body["pipeline_spec"]))
        given = [f"--param={name}={value}" for name, value in body["runtime_config"]["parameters"].items()]
        command = [sys.executable, "-m", "pipeline", "rehearse", str(job), "--root", str(tmp_path / "root"), "--json"]
        done = subprocess.run(
            [*command, *given, "--env", f"PYTHONPATH={REPOSITORY}"], cwd=REPOSITORY, capture_output=True, text=True
        )
        if done.returncode == 0:
            results.append(json.loads(done.stdout))
        return done.returncode == 0

    config = str(REPOSITORY / "pipeline" / "flights_small.toml")
    with running(rehearse) as fake:
        attempts = refuse_other_hosts(monkeypatch)
        monkeypatch.setattr(kfp_service, "_POLL_SECONDS", 1)
        service = ["--to", "kfp", "--host", fake.url, "--image", "an/image:1", "--wait", "--json"]
        status = main(["submit", config, *service, "--param", "epochs=2"])
    said = capfd.readouterr()
    assert status == 0, said.err
    assert json.loads(said.out)["state"] == "SUCCEEDED"
    assert attempts == []
    assert results[0]["rows"] > 15_000
    assert Path(results[0]["model"]).is_dir()
