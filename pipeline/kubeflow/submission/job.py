"""One run to be started, by whichever service: what is common to all of them."""

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from components.errors import ConfigError

# Minute, hour, day of the month, month, day of the week; before them, where the service knows it, a time zone.
_CRON = re.compile(r"(?P<zone>(?:CRON_)?TZ=\S+\s+)?(?P<fields>\S+(?:\s+\S+){4})")


@dataclasses.dataclass(frozen=True)
class Job:
    """A compiled pipeline with all that a service needs to start it.

    Attributes:
      spec: the PipelineSpec (version 2.1) as a dict, caching options included.
      name: of this run, or of the schedule.
      pipeline_root: URI below which the steps write; empty = the service's own.
      parameters: values by name, in the declared types; defaults are left out.
      service_account: that the steps run as; empty = the service's own.
      experiment: that the run belongs to; empty = the service's own.
      schedule: five fields of cron, with ``TZ=Area/City`` before them where the service allows it; empty = one run now.
    """

    spec: Mapping[str, Any]
    name: str
    pipeline_root: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    service_account: str = ""
    experiment: str = ""
    schedule: str = ""

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return str(self.spec["pipelineInfo"]["name"])


@dataclasses.dataclass(frozen=True)
class Sent:
    """What the service made of a job.

    Attributes:
      id: the service's name for the run, or for the schedule.
      url: where a browser shows it.
      state: as the service calls it.
      ok: None while it runs; then whether it came to a good end.
    """

    id: str
    url: str
    state: str
    ok: bool | None = None


class Service(Protocol):
    """Somebody who runs compiled jobs."""

    def check(self, job: Job) -> None:
        """ConfigError for what the service would refuse, or take and never find."""

    def request(self, job: Job) -> dict[str, Any]:
        """The call that ``send`` makes, as JSON, without credentials."""

    def send(self, job: Job) -> Sent:
        """Starts the job, or sets its schedule; ServiceError where the service refuses."""

    def wait(self, sent: Sent) -> Sent:
        """The same run at its end."""


class ServiceError(RuntimeError):
    """The service could not be reached or refused; the message is what it said."""


def with_caching(spec: Mapping[str, Any], enabled: bool, reading: str = "") -> dict[str, Any]:
    """A copy of ``spec`` in which every task, nested ones too, has this caching option.

    With ``reading``, only the tasks that read this parameter of the job.
    """
    changed = copy.deepcopy(dict(spec))
    for task in _tasks(changed):
        sources = task.get("inputs", {}).get("parameters", {}).values()
        if not reading or any(source.get("componentInputParameter") == reading for source in sources):
            task["cachingOptions"] = {"enableCache": enabled}
    return changed


def _tasks(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for component in (spec["root"], *spec.get("components", {}).values()):
        yield from component.get("dag", {}).get("tasks", {}).values()


def cron_fields(schedule: str) -> tuple[str, str]:
    """Time zone (``TZ=Area/City``, or empty) and the five fields of ``schedule``.

    Raises:
      ConfigError: it has not five fields.
    """
    match = _CRON.fullmatch(schedule.strip())
    if not match:
        raise ConfigError(
            f"--schedule must be the five fields of cron (minute, hour, day, month, weekday), as '0 3 * * *' for three "
            f"o'clock every night, but is {schedule!r}."
        )
    return (match["zone"] or "").strip(), " ".join(match["fields"].split())
