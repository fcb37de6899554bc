"""``tfx-norm submit``: what it refuses, what it prints, and what it sends, for compiled jobs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_services import FakeServices, let_google_in, refuse_other_hosts, running
from toy_job import toy_spec

from pipeline.cli import main

GOLDEN = Path(__file__).parents[1] / "golden"
VERTEX = (
    "--to",
    "vertex",
    "--project",
    "my-project",
    "--region",
    "europe-west4",
    "--pipeline-root",
    "gs://bucket/root",
)
KFP = ("--to", "kfp", "--host", "http://127.0.0.1:1")
FLIGHTS = str(GOLDEN / "flights-small.json")
FLIGHTS_YAML = str(GOLDEN / "flights-small.yaml")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeServices]:
    with running() as server:
        attempts = refuse_other_hosts(monkeypatch)
        let_google_in(server, tmp_path, monkeypatch)
        yield server
        assert attempts == []


@pytest.fixture
def toy(tmp_path: Path) -> str:
    """A compiled job with two parameters that have no default."""
    path = tmp_path / "toy.json"
    path.write_text(json.dumps({"pipelineSpec": toy_spec()}))
    return str(path)


def dry_run(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["submit", *arguments, "--dry-run"]) == 0
    printed: dict[str, Any] = json.loads(capfd.readouterr().out)
    return printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((FLIGHTS, *VERTEX, "--param", "epoch=1"), "this job has no such parameter. It has"),
        ((FLIGHTS, *VERTEX, "--param", "epochs=many"), "epochs must be a whole number but is 'many'"),
        ((FLIGHTS, *VERTEX, "--param", "epochs=-3"), "epochs must be at least 1 but is -3"),
        (
            (FLIGHTS, *VERTEX, "--param", "threshold_auc_min=nan"),
            "threshold_auc_min must be a finite number but is nan",
        ),
        ((FLIGHTS, *VERTEX, "--param", "schema=package:schemas/nope.pbtxt"), "there is no file 'nope.pbtxt'"),
        ((FLIGHTS, *VERTEX, "--region", "nowhere"), "--region 'nowhere' is none of Vertex AI's"),
        ((FLIGHTS_YAML, "--to", "kfp", "--host", "http://me:hunter2@x"), "--host must be without user and password"),
        ((FLIGHTS, *VERTEX, "--image", "an/image:1"), "--image is for a configuration"),
        ((FLIGHTS, *VERTEX, "--host", "http://x"), "--host is an option of --to kfp"),
        ((FLIGHTS, *VERTEX, "--wait", "--schedule", "0 3 * * *"), "--wait is for a run that begins now"),
        ((FLIGHTS, *VERTEX, "--label", "team"), "--label must be NAME=VALUE but is 'team'"),
        ((FLIGHTS, *KFP), "Kubeflow takes the YAML file"),
        ((FLIGHTS_YAML, *KFP, "--project", "p"), "--project is an option of --to vertex"),
        (("no-such.json", *VERTEX), "Cannot read the job no-such.json"),
        (("pipeline/flights_small.toml", *VERTEX), "needs --image IMAGE"),
    ],
)
def test_what_cannot_be_sent_is_one_line_and_status_2(
    arguments: tuple[str, ...], message: str, fake: FakeServices, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *arguments]) == 2
    said = capfd.readouterr()
    assert message in said.err
    assert (said.err.count("\n"), said.out) == (1, "")
    assert "hunter2" not in said.err
    assert fake.calls == []


def test_a_parameter_without_a_default_must_be_given(
    toy: str, fake: FakeServices, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", toy, *VERTEX, "--param", "rate=1"]) == 2
    assert "--param region=VALUE" in capfd.readouterr().err
    assert fake.calls == []


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(
    fake: FakeServices, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = dry_run(capfd, FLIGHTS, *VERTEX, "--param", "epochs=1", "--name", "a-run", "--label", "team=delays")

    assert printed["url"] == (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/pipelineJobs"
        "?pipelineJobId=a-run"
    )
    body = printed["body"]
    assert body["pipelineSpec"] == json.loads(Path(FLIGHTS).read_text())["pipelineSpec"]
    assert body["runtimeConfig"] == {"gcsOutputDirectory": "gs://bucket/root", "parameterValues": {"epochs": 1}}
    assert body["labels"] == {"team": "delays"}
    assert fake.calls == []


def test_values_and_root_of_a_compiled_job_are_sent_with_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job = tmp_path / "toy.json"
    own = {"gcsOutputDirectory": "gs://own/root", "parameterValues": {"rate": 0.5, "region": "eu"}}
    job.write_text(json.dumps({"pipelineSpec": toy_spec(), "runtimeConfig": own}))

    printed = dry_run(capfd, str(job), *VERTEX[:6], "--param", "region=us")

    assert printed["body"]["runtimeConfig"] == {**own, "parameterValues": {"rate": 0.5, "region": "us"}}


def test_no_cache_is_in_every_task(capfd: pytest.CaptureFixture[str]) -> None:
    printed = dry_run(capfd, FLIGHTS_YAML, *KFP, "--no-cache")

    tasks = printed["body"]["pipeline_spec"]["root"]["dag"]["tasks"]
    assert len(tasks) > 10
    assert [task["cachingOptions"] for task in tasks.values()] == [{"enableCache": False}] * len(tasks)


def test_on_kubeflow_a_run_has_the_data_s_version_and_a_schedule_reads_the_data_each_time(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Because its cache looks at paths alone."""
    run = dry_run(capfd, FLIGHTS_YAML, *KFP)["body"]
    nightly = dry_run(capfd, FLIGHTS_YAML, *KFP, "--schedule", "0 3 * * *")["body"]

    assert run["runtime_config"]["parameters"] == {"data_version": "bundled:flights_small"}
    assert nightly["runtime_config"]["parameters"] == {}
    cached = {
        name: task["cachingOptions"].get("enableCache", False)
        for name, task in nightly["pipeline_spec"]["root"]["dag"]["tasks"].items()
    }
    assert [name for name, taken in cached.items() if not taken] == ["ArrowExampleGen"]
    assert run["pipeline_spec"]["root"]["dag"]["tasks"]["ArrowExampleGen"]["cachingOptions"] == {"enableCache": True}


def test_a_sent_job_is_named_and_waited_for(toy: str, fake: FakeServices, capfd: pytest.CaptureFixture[str]) -> None:
    options = (
        *VERTEX,
        "--endpoint",
        fake.url,
        "--param",
        "rate=1",
        "--param",
        "region=eu",
        "--name",
        "toy-1",
        "--wait",
    )

    assert main(["submit", toy, *options, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "id": "projects/my-project/locations/europe-west4/pipelineJobs/toy-1",
        "url": "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/toy-1"
        "?project=my-project",
        "state": "PIPELINE_STATE_SUCCEEDED",
        "ok": True,
    }

    fake.run = lambda body: False
    assert main(["submit", toy, *options]) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "PIPELINE_STATE_FAILED"


def test_a_refusal_is_one_line_and_status_1(toy: str, fake: FakeServices, capfd: pytest.CaptureFixture[str]) -> None:
    fake.refusal = "Permission denied"
    options = (*VERTEX, "--endpoint", fake.url, "--param", "rate=1", "--param", "region=eu")

    assert main(["submit", toy, *options]) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert "Permission denied" in said.err
    assert said.err.count("\n") == 1
