"""What Vertex AI or Kubeflow would refuse, or take and never find, is said before anything is sent."""

import dataclasses

import pytest
from toy_job import toy_spec

from components.errors import ConfigError
from pipeline.kubeflow.submission.job import Job, cron_fields, with_caching
from pipeline.kubeflow.submission.kfp_service import COOKIES, TOKEN, Kfp
from pipeline.kubeflow.submission.vertex import Vertex

VERTEX = Vertex("my-project", "europe-west4")
KFP = Kfp("https://kfp.invalid")
JOB = Job(toy_spec(), name="toy-1", pipeline_root="gs://bucket/root", parameters={"rate": 0.5, "region": "eu"})


def test_a_good_job_passes() -> None:
    VERTEX.check(JOB)
    KFP.check(JOB)


@pytest.mark.parametrize(
    ("service", "changes", "message"),
    [
        (Vertex("", "europe-west4"), {}, "--project and --region"),
        (VERTEX, {"pipeline_root": "/tmp/root"}, "--pipeline-root gs://BUCKET/FOLDER but got '/tmp/root'"),
        (VERTEX, {"name": "1st"}, "start with a letter, but is '1st'"),
        (VERTEX, {"service_account": "robot"}, "address of a service account but is 'robot'"),
        (VERTEX, {"schedule": "0 3 * *"}, "five fields of cron"),
        (VERTEX, {"schedule": "0 3 * * *", "experiment": "e"}, "no scheduled run into an experiment"),
        (dataclasses.replace(VERTEX, network="default"), {}, "projects/NUMBER/global/networks/NAME"),
        (dataclasses.replace(VERTEX, labels={"Team": "a"}), {}, "lower-case letters.* but is Team=a"),
        (Vertex("my-project", "europe-west44"), {}, "--region 'europe-west44' is none of Vertex AI's"),
        (Kfp("kfp.invalid"), {}, r"--host http\(s\)://"),
        (Kfp("http://"), {}, r"--host http\(s\)://"),
        (Kfp("http://kfp.invalid:port"), {}, r"--host http\(s\)://"),
        (KFP, {"pipeline_root": "/tmp/root"}, "must be a URI"),
        (KFP, {"schedule": "TZ=Europe/Oslo 0 3 * * *"}, "know no time zone"),
    ],
)
def test_what_a_service_refuses_is_an_error_now(service: Vertex | Kfp, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service.check(dataclasses.replace(JOB, **changes))


@pytest.mark.parametrize("host", ["http://user:hunter2@kfp.invalid", "user:hunter2@kfp.invalid"])
def test_a_password_in_the_host_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(ConfigError, match=TOKEN) as refused:
        Kfp(host).check(JOB)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("variable", [TOKEN, COOKIES])
@pytest.mark.parametrize("value", ["sekret\r\nabc", "sek\x7fret", "sekret\u2026"])
def test_a_credential_that_no_header_takes_is_refused_and_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"{variable} must be one line") as refused:
        KFP.check(JOB)
    assert "sek" not in str(refused.value)


def test_a_schedule_is_a_time_zone_and_five_fields() -> None:
    assert cron_fields("0 3 * * *") == ("", "0 3 * * *")
    assert cron_fields(" TZ=Europe/Oslo  0 3 * * 1-5") == ("TZ=Europe/Oslo", "0 3 * * 1-5")
    with pytest.raises(ConfigError, match="five fields"):
        cron_fields("nightly")


def test_caching_is_set_in_nested_tasks_too_and_the_given_spec_stays_as_it_is() -> None:
    spec = toy_spec()

    changed = with_caching(spec, False)

    assert changed["root"]["dag"]["tasks"]["Outer"]["cachingOptions"] == {"enableCache": False}
    assert changed["components"]["Outer"]["dag"]["tasks"]["Inner"]["cachingOptions"] == {"enableCache": False}
    assert spec == toy_spec()
