"""What open-source Kubeflow Pipelines hands to a container otherwise than Vertex AI, and how TFX can take it.

Read in kubeflow/pipelines, backend/src/v2: input artifacts come without their type (metadata/client.go writes an empty
``instanceSchema``), URIs have the schemes ``minio`` and ``s3``, which TensorFlow cannot open and which the launcher
mirrors at ``/minio`` and ``/s3`` before and after the command, and a property without a value is refused.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

_MIRRORED = re.compile(r"^(minio|s3)://")
Json = dict[str, Any]


def localized(
    executor_input: Mapping[str, Any], inputs_spec: Mapping[str, Any], mount: str = "/"
) -> tuple[Json, dict[str, str]]:
    """The input with types and paths, and the URI that each of those paths stands for; on Vertex AI nothing changes.

    Args:
      executor_input: the ExecutorInput as JSON.
      inputs_spec: the component's inputs, which name the artifacts' types.
      mount: where the launcher's folders ``minio`` and ``s3`` are.
    """
    result: Json = copy.deepcopy(dict(executor_input))
    types = inputs_spec.get("artifacts", {})
    remote: dict[str, str] = {}
    for side in ("inputs", "outputs"):
        for key, artifact in _artifacts(result.get(side, {})):
            if side == "inputs" and key in types:
                artifact["type"] = types[key]["artifactType"]
            path = _MIRRORED.sub(lambda scheme: f"{mount.rstrip('/')}/{scheme[1]}/", artifact.get("uri", ""))
            if path != artifact.get("uri", ""):
                remote[path] = artifact["uri"]
                artifact["uri"] = path
    return result, remote


def restored(executor_output: Mapping[str, Any], remote: Mapping[str, str]) -> Json:
    """The ExecutorOutput with URIs for paths again, in properties as well, and without properties of no value."""
    result: Json = copy.deepcopy(dict(executor_output))
    for _, artifact in _artifacts(result):
        artifact["uri"] = _remote(artifact.get("uri", ""), remote)
        artifact["metadata"] = {
            name: _remote(value, remote) if isinstance(value, str) else value
            for name, value in artifact.get("metadata", {}).items()
            if value is not None
        }
    return result


def _remote(text: str, remote: Mapping[str, str]) -> str:
    for path, uri in remote.items():
        if text == path or text.startswith(f"{path}/"):
            return uri + text.removeprefix(path)
    return text


def _artifacts(side: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    for key, listed in side.get("artifacts", {}).items():
        for artifact in listed.get("artifacts", []):
            yield key, artifact
