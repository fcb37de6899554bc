"""Kubeflow's own client against Kubeflow Pipelines on the loopback interface."""

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_services import FakeServices, refuse_other_hosts, running
from toy_job import toy_spec

from pipeline.kubeflow.submission import kfp_service
from pipeline.kubeflow.submission.job import Job, Sent, ServiceError
from pipeline.kubeflow.submission.kfp_service import COOKIES, TOKEN, Kfp

JOB = Job(
    toy_spec(),
    name="toy run",
    pipeline_root="gs://bucket/root",
    parameters={"rate": 0.5, "region": "eu", "epochs": 7},
    service_account="pipeline-runner",
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeServices]:
    with running() as server:
        attempts = refuse_other_hosts(monkeypatch)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(kfp_service, "_POLL_SECONDS", 0.01)
        yield server
        assert attempts == []


def test_the_service_gets_what_a_dry_run_prints(fake: FakeServices) -> None:
    service = Kfp(fake.url)

    sent = service.send(JOB)

    (call,) = fake.named("POST", "/runs")
    printed = service.request(JOB)
    assert call.body == {**printed["body"], "experiment_id": "e1"}
    assert printed["url"] == fake.url + call.path
    assert call.body["runtime_config"]["parameters"] == {"rate": 0.5, "region": "eu", "epochs": 7}
    assert (sent.id, sent.url, sent.ok) == ("r1", f"{fake.url}/#/runs/details/r1", None)


def test_waiting_tells_a_good_end_from_a_bad_one(fake: FakeServices) -> None:
    service = Kfp(fake.url)
    assert service.wait(service.send(JOB)).ok is True

    fake.run = lambda body: False
    ended = service.wait(service.send(JOB))

    assert (ended.ok, ended.state) == (False, "FAILED")


def test_a_schedule_begins_with_the_second(fake: FakeServices) -> None:
    service = Kfp(fake.url)
    job = dataclasses.replace(JOB, name="nightly", schedule="0 3 * * *")

    sent = service.send(job)

    (call,) = fake.named("POST", "/recurringruns")
    assert call.body == {**service.request(job)["body"], "experiment_id": "e1"}
    assert call.body["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert fake.named("POST", "/runs") == []
    assert sent.id == "s1"


def test_a_refusal_is_one_error_with_its_reason(fake: FakeServices) -> None:
    fake.refusal = "no such service account"
    with pytest.raises(ServiceError, match=r"Kubeflow Pipelines: 403 .*no such service account"):
        Kfp(fake.url).send(JOB)


def test_a_service_that_is_not_there_is_one_error() -> None:
    with running() as gone:
        pass
    with pytest.raises(ServiceError, match="could not be reached"):
        Kfp(gone.url).send(JOB)


def test_a_page_is_no_answer_whatever_its_status(fake: FakeServices) -> None:
    """A gateway gives its login page with status 200, and the client takes it for an answer without an id."""
    fake.page = "<html>Log in</html>"
    service = Kfp(fake.url)

    for job in (JOB, dataclasses.replace(JOB, schedule="0 3 * * *")):
        with pytest.raises(ServiceError, match="did not answer as Kubeflow Pipelines does"):
            service.send(job)
    with pytest.raises(ServiceError, match="did not answer as Kubeflow Pipelines does"):
        service.wait(Sent("r1", "", "PENDING"))


def test_another_service_at_the_host_is_one_error(fake: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's attempts
    fake.page, fake.page_status = "Not Found", 404
    with pytest.raises(ServiceError, match="Kubeflow Pipelines was not found at --host"):
        Kfp(fake.url).send(JOB)


def test_token_and_cookies_reach_the_service_and_no_output_and_no_file(
    fake: FakeServices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    # A file's last line ends with a newline, which no header can have.
    monkeypatch.setenv(TOKEN, "secret-token\n")
    monkeypatch.setenv(COOKIES, "session=secret-cookie\r\n")
    service = Kfp(fake.url)

    printed = str(service.request(JOB)) + str(service.wait(service.send(JOB)))

    (call,) = fake.named("POST", "/runs")
    assert call.headers["Authorization"] == "Bearer secret-token"
    assert call.headers["Cookie"] == "session=secret-cookie"
    assert "secret" not in printed + caplog.text + "".join(capfd.readouterr())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
