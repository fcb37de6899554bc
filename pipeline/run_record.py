"""What ML Metadata knows of pipeline runs: which components ran, how they ended, and what they wrote."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.errors import DataError
from pipeline.node_result import OutputArtifact

_RESULT_PROPERTY = "__execution_result__"
# Any other state is a failure.
STATES = {mlmd.Execution.COMPLETE: "done", mlmd.Execution.CACHED: "cached", mlmd.Execution.RUNNING: "running"}


@dataclasses.dataclass(frozen=True)
class NodeRecord:
    """A component's execution in one run.

    Attributes:
      state: "done", "cached", "failed" or "running".
      outputs: artifacts by output key, in order.
      message: the error that TFX recorded, '' without one.
    """

    state: str
    outputs: Mapping[str, tuple[OutputArtifact, ...]]
    message: str = ""


class RunRecord:
    """Reads the executions of one run from an ML Metadata store.

    Args:
      connection: where the store is.
      pipeline: the pipeline's name.
      run_id: the run's name.
    """

    def __init__(self, connection: mlmd.ConnectionConfig, pipeline: str, run_id: str) -> None:
        """See the class."""
        self.connection = connection
        self.pipeline = pipeline
        self.run_id = run_id

    def of(self, node_id: str) -> NodeRecord | None:
        """The node's execution in this run; None where TFX made none."""
        store = metadata_store.MetadataStore(self.connection)
        execution = self._execution(store, node_id)
        if execution is None:
            return None
        state = STATES.get(execution.last_known_state, "failed")
        return NodeRecord(state, _outputs(store, execution.id), _message(execution))

    def cancel(self, node_id: str) -> None:
        """Marks a node that was interrupted as cancelled, so that the store tells no tale of a running one."""
        store = metadata_store.MetadataStore(self.connection)
        execution = self._execution(store, node_id)
        if execution is not None and execution.last_known_state == mlmd.Execution.RUNNING:
            execution.last_known_state = mlmd.Execution.CANCELED
            store.put_executions([execution])

    def _execution(self, store: metadata_store.MetadataStore, node_id: str) -> mlmd.Execution | None:
        run = store.get_context_by_type_and_name("pipeline_run", self.run_id)
        node = store.get_context_by_type_and_name("node", f"{self.pipeline}.{node_id}")
        if run is None or node is None:
            return None
        of_node = {execution.id for execution in store.get_executions_by_context(node.id)}
        of_both = [execution for execution in store.get_executions_by_context(run.id) if execution.id in of_node]
        return max(of_both, key=lambda execution: execution.id, default=None)


def newest_output(metadata: str, type_name: str) -> OutputArtifact | None:
    """The artifact of a type that the newest run with one made, or took from the cache; the file is only read.

    Args:
      metadata: path of an ML Metadata store in SQLite.
      type_name: such as ``TransformGraph``.

    Raises:
      DataError: no such store.
    """
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = metadata
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    try:
        store = metadata_store.MetadataStore(connection)
        runs = store.get_contexts_by_type("pipeline_run")
        for run in sorted(runs, key=lambda context: context.id, reverse=True):
            found = _newest_first(store, run)
            of_type = [artifact for artifact in found if artifact.type_name == type_name]
            if of_type:
                return of_type[0]
    except (RuntimeError, errors.StatusError) as error:
        raise DataError(f"{metadata} is no ML Metadata store that can be read: {str(error).splitlines()[0]}") from error
    return None


def _newest_first(store: metadata_store.MetadataStore, run: mlmd.Context) -> Iterator[OutputArtifact]:
    """What the finished executions of a run wrote or reused."""
    executions = sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id, reverse=True)
    for execution in executions:
        if execution.last_known_state in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED):
            for artifacts in _outputs(store, execution.id).values():
                yield from artifacts


def _outputs(store: metadata_store.MetadataStore, execution_id: int) -> dict[str, tuple[OutputArtifact, ...]]:
    written = (mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT)
    events = [event for event in store.get_events_by_execution_ids([execution_id]) if event.type in written]
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts_by_id([e.artifact_id for e in events])}
    types = types_of(store, artifacts.values())
    found: dict[str, tuple[OutputArtifact, ...]] = {}
    for event in events:
        artifact = artifacts[event.artifact_id]
        output = OutputArtifact(artifact.uri, types[artifact.type_id], _properties(artifact))
        key = event.path.steps[0].key
        found[key] = (*found.get(key, ()), output)
    return found


def types_of(store: metadata_store.MetadataStore, artifacts: Iterable[mlmd.Artifact]) -> dict[int, str]:
    """The names of the artifacts' types, by the type's id."""
    ids = {artifact.type_id for artifact in artifacts}
    return {kind.id: kind.name for kind in store.get_artifact_types_by_id(list(ids))} if ids else {}


def _properties(artifact: mlmd.Artifact) -> dict[str, Any]:
    both = {**artifact.properties, **artifact.custom_properties}
    return {
        name: getattr(value, value.WhichOneof("value")) for name, value in both.items() if value.WhichOneof("value")
    }


def _message(execution: mlmd.Execution) -> str:
    recorded = execution.custom_properties.get(_RESULT_PROPERTY)
    if recorded is None:
        return ""
    try:
        return str(json.loads(recorded.string_value).get("resultMessage", ""))
    except ValueError:
        return recorded.string_value
