"""Open-source Kubeflow Pipelines v2, by its own client; token and cookies come from the environment alone."""

import contextlib
import dataclasses
import os
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from pipeline.kubeflow.submission.job import Job, Sent, ServiceError, cron_fields

TOKEN, COOKIES = "TFX_NORM_KFP_TOKEN", "TFX_NORM_KFP_COOKIES"
_DEFAULT_EXPERIMENT = "Default"
_ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
_POLL_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Kfp:
    """Which Kubeflow Pipelines a job runs on.

    Attributes:
      host: URL of its API, the same that a browser shows.
      namespace: of a cluster with several users; empty for one without.
    """

    host: str
    namespace: str = ""

    def check(self, job: Job) -> None:
        """ConfigError for what Kubeflow would refuse."""
        _check_host(self.host)
        for variable in (TOKEN, COOKIES):
            _credential(variable)
        if job.pipeline_root and "://" not in job.pipeline_root:
            raise ConfigError(f"--pipeline-root must be a URI, as gs://BUCKET/FOLDER, but is {job.pipeline_root!r}.")
        if job.schedule and cron_fields(job.schedule)[0]:
            raise ConfigError("Kubeflow's schedules know no time zone: leave TZ= out and give the hour in UTC.")

    def request(self, job: Job) -> dict[str, Any]:
        """The call as JSON: method, URL and body; the experiment by name, which the client makes an id of."""
        runtime = {"parameters": dict(job.parameters), "pipeline_root": job.pipeline_root or None}
        body: dict[str, Any] = {
            "display_name": job.name,
            "pipeline_spec": job.spec,
            "runtime_config": {key: value for key, value in runtime.items() if value is not None},
            **({"service_account": job.service_account} if job.service_account else {}),
        }
        if job.schedule:
            trigger = {"cron_schedule": {"cron": _six_fields(job.schedule)}}
            body |= {"mode": "ENABLE", "trigger": trigger, "max_concurrency": 1}
        kind = "recurringruns" if job.schedule else "runs"
        url = f"{self.host.rstrip('/')}/apis/v2beta1/{kind}"
        return {"method": "POST", "url": url, "body": body, "experiment": job.experiment or _DEFAULT_EXPERIMENT}

    def send(self, job: Job) -> Sent:
        """Starts the job, or sets its schedule.

        Raises:
          ServiceError: the service refused.
        """
        with _errors(), tempfile.TemporaryDirectory() as folder:
            import yaml

            file = Path(folder, f"{job.pipeline}.yaml")
            file.write_text(yaml.safe_dump(dict(job.spec)), encoding="utf-8")
            client = self._client()
            experiment = client.create_experiment(
                name=job.experiment or _DEFAULT_EXPERIMENT, namespace=self.namespace or None
            )
            common: dict[str, Any] = {
                "experiment_id": self._id(experiment, "experiment_id"),
                "job_name": job.name,
                "pipeline_package_path": str(file),
                "params": dict(job.parameters),
                "pipeline_root": job.pipeline_root or None,
                "service_account": job.service_account or None,
            }
            if job.schedule:
                made = client.create_recurring_run(cron_expression=_six_fields(job.schedule), **common)
                name = self._id(made, "recurring_run_id")
                return Sent(name, self._url("recurringrun", name), str(made.status))
            run = client.run_pipeline(**common)
            name = self._id(run, "run_id")
            return Sent(name, self._url("runs", name), str(run.state))

    def wait(self, sent: Sent) -> Sent:
        """The run at its end."""
        with _errors():
            client = self._client()
            # The client's own waiting does not know that a cancelled run has ended.
            while True:
                run = client.get_run(sent.id)
                self._id(run, "run_id")
                state = str(run.state).upper()
                if state in _ENDED:
                    return dataclasses.replace(sent, state=state, ok=state == "SUCCEEDED")
                time.sleep(_POLL_SECONDS)

    def _client(self) -> Any:
        import kfp

        return kfp.Client(
            host=self.host,
            existing_token=_credential(TOKEN),
            cookies=_credential(COOKIES),
            **({"namespace": self.namespace} if self.namespace else {}),
        )

    def _id(self, answer: Any, key: str) -> str:
        """The id in an answer: a login page, which the client takes for one, has none."""
        if not (found := getattr(answer, key, None)):
            raise ServiceError(
                f"{self.host} did not answer as Kubeflow Pipelines does: there is no {key}. Is --host the URL of the "
                f"API, and is a token needed ({TOKEN})?"
            )
        return str(found)

    def _url(self, kind: str, name: str) -> str:
        return f"{self.host.rstrip('/')}/#/{kind}/details/{name}"


def _six_fields(schedule: str) -> str:
    """As Kubeflow has it: with the second before the five fields of cron."""
    return f"0 {cron_fields(schedule)[1]}"


def _check_host(host: str) -> None:
    """ConfigError for what is no URL of a service; one with a password in it is not repeated."""
    if "@" in host:
        raise ConfigError(f"--host must be without user and password, which everybody sees: use {TOKEN} or {COOKIES}.")
    try:
        place = urllib.parse.urlsplit(host)
        is_url = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:
        is_url = False
    if not is_url or not host.isprintable() or " " in host:
        raise ConfigError(f"Kubeflow needs --host http(s)://HOST[:PORT] but got {host!r}.")


def _credential(variable: str) -> str | None:
    """What the environment holds, without white space around it; never part of an error.

    Raises:
      ConfigError: it cannot be in an HTTP header.
    """
    value = os.environ.get(variable, "").strip()
    if not value.isascii() or not value.isprintable():
        raise ConfigError(f"{variable} must be one line of printable ASCII but has other characters in it.")
    return value or None


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """What the client raises, as ours: its answer, not its headers, which may hold a cookie."""
    import kfp_server_api
    import urllib3

    try:
        yield
    except kfp_server_api.ApiException as error:
        raise ServiceError(f"Kubeflow Pipelines: {error.status} {error.reason}: {error.body}") from error
    except urllib3.exceptions.HTTPError as error:
        raise ServiceError(f"Kubeflow Pipelines could not be reached: {error}") from error
    except TimeoutError as error:  # of the client, whose every attempt was answered, but not as by Kubeflow
        raise ServiceError(f"Kubeflow Pipelines was not found at --host: {error}") from error
