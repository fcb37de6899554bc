"""Vertex AI Pipelines, by Google's client; credentials are the application's default ones and stay inside it."""

import contextlib
import dataclasses
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from pipeline.kubeflow.submission.google_errors import google_errors
from pipeline.kubeflow.submission.job import Job, Sent, cron_fields

_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_SERVICE = "Vertex AI"
_SUCCEEDED = "PIPELINE_STATE_SUCCEEDED"


@dataclasses.dataclass(frozen=True)
class Vertex:
    """Where on Vertex AI a job runs.

    Attributes:
      project: the id of a Google Cloud project.
      region: as ``europe-west4``.
      network: full name of a network to peer with, ``projects/NUMBER/global/networks/NAME``; empty = none.
      labels: of the job.
      endpoint: the API's host where it is not the region's public one (Private Service Connect).
    """

    project: str
    region: str
    network: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    endpoint: str = ""

    def check(self, job: Job) -> None:
        """ConfigError for what Vertex would refuse."""
        if not self.project or not self.region:
            raise ConfigError("Vertex needs --project and --region.")
        _check_region(self.region)
        if not re.fullmatch(r"gs://[^/]+(/.*)?", job.pipeline_root):
            raise ConfigError(f"Vertex needs --pipeline-root gs://BUCKET/FOLDER but got {job.pipeline_root!r}.")
        if not _JOB_ID.fullmatch(job.name):
            raise ConfigError(
                f"On Vertex a run's name must be lower-case letters, digits and dashes and start with a letter, "
                f"but is {job.name!r}. Give another one by --name."
            )
        if self.network and not _NETWORK.fullmatch(self.network):
            raise ConfigError(f"--network must look like projects/NUMBER/global/networks/NAME but is {self.network!r}.")
        if job.service_account and "@" not in job.service_account:
            raise ConfigError(
                f"--service-account must be the address of a service account but is {job.service_account!r}."
            )
        for key, value in self.labels.items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                raise ConfigError(
                    f"A label must be of lower-case letters, digits, dashes and underscores, its name starting with a "
                    f"letter, but is {key}={value}."
                )
        if job.schedule:
            cron_fields(job.schedule)
            if job.experiment:
                raise ConfigError(
                    "Vertex puts no scheduled run into an experiment. Leave --experiment or --schedule out."
                )

    def request(self, job: Job) -> dict[str, Any]:
        """The call as JSON: method, URL and body."""
        parent = f"https://{self.endpoint or f'{self.region}-aiplatform.googleapis.com'}/v1/{self._parent}"
        runtime = {"gcsOutputDirectory": job.pipeline_root, "parameterValues": dict(job.parameters)}
        body = {
            "displayName": job.pipeline,
            "pipelineSpec": job.spec,
            "runtimeConfig": {key: value for key, value in runtime.items() if value},
            "labels": dict(self.labels),
            "serviceAccount": job.service_account,
            "network": self.network,
        }
        body = {key: value for key, value in body.items() if value}
        if not job.schedule:
            call = {"method": "POST", "url": f"{parent}/pipelineJobs?pipelineJobId={job.name}", "body": body}
            return {**call, "experiment": job.experiment} if job.experiment else call
        # The client leaves the display name of the runs to the service.
        del body["displayName"]
        schedule = {
            "displayName": job.name,
            "cron": " ".join(filter(None, cron_fields(job.schedule))),
            "maxConcurrentRunCount": "1",
            "createPipelineJobRequest": {"parent": self._parent, "pipelineJob": body},
        }
        return {"method": "POST", "url": f"{parent}/schedules", "body": schedule}

    def send(self, job: Job) -> Sent:
        """Starts the job, or sets its schedule.

        Raises:
          ConfigError: there are no credentials.
          ServiceError: the service refused.
        """
        with google_errors(_SERVICE), tempfile.TemporaryDirectory() as folder:
            from google.cloud import aiplatform

            file = Path(folder, f"{job.pipeline}.json")
            file.write_text(json.dumps(job.spec), encoding="utf-8")
            self._init()
            created = aiplatform.PipelineJob(
                display_name=job.pipeline,
                template_path=str(file),
                job_id=job.name,
                pipeline_root=job.pipeline_root,
                parameter_values=dict(job.parameters),
                labels=dict(self.labels) or None,
            )
            account, network = job.service_account or None, self.network or None
            if job.schedule:
                schedule = created.create_schedule(
                    cron=" ".join(filter(None, cron_fields(job.schedule))),
                    display_name=job.name,
                    max_concurrent_run_count=1,
                    service_account=account,
                    network=network,
                )
                return Sent(schedule.resource_name, self._url("schedules", schedule.name), schedule.state.name)
            created.submit(service_account=account, network=network, experiment=job.experiment or None)
            return Sent(created.resource_name, self._url("runs", job.name), created.state.name)

    def wait(self, sent: Sent) -> Sent:
        """The run at its end."""
        with google_errors(_SERVICE):
            from google.cloud import aiplatform

            self._init()
            job = aiplatform.PipelineJob.get(sent.id)
            # The client raises for a run that failed, which is an answer and no error here.
            with contextlib.suppress(RuntimeError):
                job.wait()
            return dataclasses.replace(sent, state=job.state.name, ok=job.state.name == _SUCCEEDED)

    @property
    def _parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    def _init(self) -> None:
        from google.cloud import aiplatform

        # REST, because it goes through a company's proxy, which gRPC often does not.
        aiplatform.init(
            project=self.project, location=self.region, api_endpoint=self.endpoint or None, api_transport="rest"
        )

    def _url(self, kind: str, name: str) -> str:
        place = f"https://console.cloud.google.com/vertex-ai/locations/{self.region}/pipelines"
        return f"{place}/{kind}/{name}?project={self.project}"


def _check_region(region: str) -> None:
    """ConfigError for a region that Google's client refuses to address."""
    from google.cloud.aiplatform import utils

    try:
        utils.validate_region(region)
    except ValueError as error:
        raise ConfigError(
            f"--region {region!r} is none of Vertex AI's, such as europe-west4 or us-central1."
        ) from error
