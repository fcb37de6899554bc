"""The service that the command line's options name."""

from collections.abc import Mapping
from typing import Any

from components.errors import ConfigError
from pipeline.kubeflow.defaults import given_values
from pipeline.kubeflow.submission.job import Service
from pipeline.kubeflow.submission.kfp_service import Kfp
from pipeline.kubeflow.submission.vertex import Vertex

_ONLY = {"vertex": ("project", "region", "network", "label", "endpoint"), "kfp": ("host", "namespace")}


def service_of(options: Mapping[str, Any]) -> Service:
    """Vertex AI or Kubeflow, as ``options["to"]`` says, with its own options.

    Raises:
      ConfigError: an option of the other one, or a label that is not KEY=VALUE.
    """
    target = options["to"]
    for other, names in _ONLY.items():
        foreign = [name for name in names if other != target and options[name]]
        if foreign:
            raise ConfigError(f"--{foreign[0]} is an option of --to {other} and means nothing to --to {target}.")
    if target == "kfp":
        return Kfp(options["host"], options["namespace"])
    labels = given_values(options["label"], "--label")
    return Vertex(options["project"], options["region"], options["network"], labels, options["endpoint"])
