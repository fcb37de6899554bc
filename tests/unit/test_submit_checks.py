"""What Vertex AI or Kubeflow would refuse, or take and never find, is said before anything is sent."""

import dataclasses

import pytest
from toy_job import toy_spec

from components.errors import ConfigError
from pipeline.kubeflow.submission.job import Job, cron_fields, with_caching
from pipeline.kubeflow.submission.kfp_service import Kfp
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
        (Kfp("kfp.invalid"), {}, r"--host http\(s\)://"),
        (KFP, {"pipeline_root": "/tmp/root"}, "must be a URI"),
        (KFP, {"schedule": "TZ=Europe/Oslo 0 3 * * *"}, "know no time zone"),
    ],
)
def test_what_a_service_refuses_is_an_error_now(service: Vertex | Kfp, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service.check(dataclasses.replace(JOB, **changes))


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
