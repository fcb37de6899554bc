"""Tasks that run in no container: importers, and resolvers, which the backend answers from its records."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from pipeline.kubeflow.rehearsal.placeholders import PLACEHOLDER
from pipeline.kubeflow.rehearsal.records import Records
from pipeline.kubeflow.rehearsal.values import constant

Json = dict[str, Any]
_TITLE = re.compile(r'schema_title="([^"]+)"')
_NAME = re.compile(r'\bname="([^"]*)"')
_NUMBER = re.compile(r"metadata\.(\w+)\.number_value=([\d.]+)")


def new_artifact(artifact_type: Json, uri: str, metadata: Mapping[str, Any]) -> Json:
    """An artifact under a resource name of its own."""
    name = f"projects/0/locations/local/metadataStores/default/artifacts/{uuid.uuid4().int >> 65}"
    return {"name": name, "type": artifact_type, "uri": uri, "metadata": dict(metadata)}


def title_of(artifact: Mapping[str, Any]) -> str:
    """The title of an artifact's type, such as ``tfx.Examples``."""
    kind = artifact.get("type", {})
    found = re.search(r"(?m)^title: (\S+)$", kind.get("instanceSchema", ""))
    return found[1] if found else str(kind.get("schemaTitle", ""))


def imported(
    importer: Mapping[str, Any], component: Mapping[str, Any], values: Mapping[str, Any], records: Records
) -> Json:
    """The artifact that an importer names, new unless the backend knows the URI already."""
    place = importer["artifactUri"]
    uri = str(values[place["runtimeParameter"]] if "runtimeParameter" in place else constant(place))
    ((key, definition),) = component["outputDefinitions"]["artifacts"].items()
    kind = importer.get("typeSchema") or definition["artifactType"]
    known = [artifact for artifact in records.artifacts if artifact["uri"] == uri]
    if known and not importer.get("reimport"):
        return {key: [_bare(known[-1])]}
    outputs = {key: [new_artifact(kind, uri, importer.get("metadata", {}))]}
    records.add(outputs)
    return outputs


def resolved(resolver: Mapping[str, Any], artifacts: Mapping[str, list[Json]], records: Records) -> Json:
    """By output key the newest artifact that its query fits, in a list; an empty one where none does."""
    outputs: Json = {}
    for key, query in resolver["outputArtifactQueries"].items():
        asked = PLACEHOLDER.sub(lambda found: _metadata(artifacts, found[3], found[5]), query["filter"])
        fitting = [artifact for artifact in records.artifacts if _fits(artifact, asked)]
        outputs[key] = [_bare(max(fitting, key=lambda artifact: artifact["created"]))] if fitting else []
    return outputs


def _metadata(artifacts: Mapping[str, list[Json]], key: str, name: str) -> str:
    listed = artifacts.get(key) or [{}]
    return str(listed[0].get("metadata", {}).get(name, ""))


def _fits(artifact: Mapping[str, Any], asked: str) -> bool:
    title, name, number = _TITLE.search(asked), _NAME.search(asked), _NUMBER.search(asked)
    if title and title_of(artifact) != title[1]:
        return False
    if name and artifact["name"] != name[1]:
        return False
    return not number or artifact["metadata"].get(number[1]) == float(number[2])


def _bare(artifact: Mapping[str, Any]) -> Json:
    return {name: artifact[name] for name in ("name", "type", "uri", "metadata")}
