"""Google's own client against a Vertex AI on the loopback interface."""

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_services import FakeServices, let_google_in, refuse_other_hosts, running
from toy_job import toy_spec

from components.errors import ConfigError
from pipeline.kubeflow.submission.job import Job, ServiceError
from pipeline.kubeflow.submission.schema_upload import SchemaUpload
from pipeline.kubeflow.submission.vertex import Vertex

JOB = Job(
    toy_spec(),
    name="toy-1",
    pipeline_root="gs://bucket/root",
    parameters={"rate": 0.5, "region": "eu", "epochs": 7},
    service_account="runner@my-project.iam.gserviceaccount.com",
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeServices]:
    with running() as server:
        attempts = refuse_other_hosts(monkeypatch)
        let_google_in(server, tmp_path, monkeypatch)
        yield server
        assert attempts == []


def vertex(fake: FakeServices, **changes: Any) -> Vertex:
    network = "projects/1/global/networks/vpc"
    service = Vertex("my-project", "europe-west4", network, {"team": "delays"}, endpoint=fake.url)
    return dataclasses.replace(service, **changes)


def test_the_service_gets_what_a_dry_run_prints(fake: FakeServices) -> None:
    service = vertex(fake)

    sent = service.send(JOB)

    (call,) = fake.named("POST", "/pipelineJobs")
    printed = service.request(JOB)
    assert call.body == printed["body"]
    assert printed["url"].endswith(f"{call.path}?pipelineJobId={call.query['pipelineJobId'][0]}")
    assert call.body["runtimeConfig"]["parameterValues"] == {"rate": 0.5, "region": "eu", "epochs": 7}
    assert sent.id == "projects/my-project/locations/europe-west4/pipelineJobs/toy-1"
    assert sent.ok is None


def test_waiting_tells_a_good_end_from_a_bad_one(fake: FakeServices) -> None:
    service = vertex(fake)
    assert service.wait(service.send(JOB)).ok is True

    fake.run = lambda body: False
    ended = service.wait(service.send(dataclasses.replace(JOB, name="toy-2")))

    assert (ended.ok, ended.state) == (False, "PIPELINE_STATE_FAILED")


def test_a_schedule_has_the_same_job_in_it(fake: FakeServices) -> None:
    service = vertex(fake)
    job = dataclasses.replace(JOB, name="nightly", schedule="TZ=Europe/Oslo 0 3 * * *")

    sent = service.send(job)

    (call,) = fake.named("POST", "/schedules")
    assert call.body == service.request(job)["body"]
    assert call.body["cron"] == "TZ=Europe/Oslo 0 3 * * *"
    assert fake.named("POST", "/pipelineJobs") == []
    assert (sent.id, sent.state) == ("projects/my-project/locations/europe-west4/schedules/1", "ACTIVE")


def test_a_schema_is_uploaded_once_by_its_content(fake: FakeServices, tmp_path: Path) -> None:
    file = tmp_path / "toy.pbtxt"
    file.write_text('feature { name: "a" }')
    upload = SchemaUpload.below("gs://bucket/root/", str(file))

    upload.send("my-project")
    upload.send("my-project")

    # sha256sum of the text above begins so.
    assert upload.uri == "gs://bucket/root/schemas/ec61fd23408426ee/toy.pbtxt"
    assert fake.objects == {upload.uri: b'feature { name: "a" }'}


def test_a_refusal_is_one_error_with_its_reason(fake: FakeServices) -> None:
    fake.refusal = "Permission 'aiplatform.pipelineJobs.create' denied"
    with pytest.raises(ServiceError, match=r"Vertex AI: 403 .*Permission 'aiplatform.pipelineJobs.create' denied"):
        vertex(fake).send(JOB)


def test_no_credentials_is_said_in_one_line(fake: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file")
    with pytest.raises(ConfigError, match="gcloud auth application-default login"):
        vertex(fake).send(JOB)


def test_credentials_are_in_no_output_and_no_file(
    fake: FakeServices, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service = vertex(fake)

    printed = str(service.request(JOB)) + str(service.wait(service.send(JOB)))

    said = printed + caplog.text + "".join(capfd.readouterr())
    (authorization,) = {call.headers["Authorization"] for call in fake.named("POST", "/pipelineJobs")}
    secret = authorization.removeprefix("Bearer ")
    assert secret
    assert "PRIVATE KEY" not in said
    assert secret not in said
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]
