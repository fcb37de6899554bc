"""Who ran when in one run, and which artifact came from whom: ML Metadata's executions, artifacts and events."""

import dataclasses
from collections.abc import Mapping, Sequence

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.run_record import STATES, RunRecord, types_of

_READ = (mlmd.Event.INPUT, mlmd.Event.INTERNAL_INPUT)
_WRITTEN = (mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT)


@dataclasses.dataclass(frozen=True)
class Execution:
    """One component's part in a run.

    Attributes:
      id: of ML Metadata; TFX names output folders by it.
      node: the component.
      state: done, cached, failed or running.
      started, ended: seconds since 1970.
      inputs, outputs: ids of artifacts, with their keys.
    """

    id: int
    node: str
    state: str
    started: float
    ended: float
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True)
class Lineage:
    """A run's executions, in the order of their beginning, and the artifacts that they read or wrote, by id."""

    executions: tuple[Execution, ...]
    artifacts: Mapping[int, "Registered"]


@dataclasses.dataclass(frozen=True)
class Registered:
    """An artifact that ML Metadata knows."""

    uri: str
    type_name: str


def read_lineage(record: RunRecord) -> Lineage:
    """All of a run; empty for one that has not begun."""
    store = metadata_store.MetadataStore(record.connection)
    run = store.get_context_by_type_and_name("pipeline_run", record.run_id)
    if run is None:
        return Lineage((), {})
    found = sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id)
    events = store.get_events_by_execution_ids([execution.id for execution in found])
    executions = tuple(
        Execution(
            execution.id,
            _node(store, execution, record.pipeline),
            STATES.get(execution.last_known_state, "failed"),
            execution.create_time_since_epoch / 1000,
            execution.last_update_time_since_epoch / 1000,
            _artifacts(events, execution.id, _READ),
            _artifacts(events, execution.id, _WRITTEN),
        )
        for execution in found
    )
    artifacts = store.get_artifacts_by_id(list({event.artifact_id for event in events}))
    names = types_of(store, artifacts)
    return Lineage(executions, {a.id: Registered(a.uri, names[a.type_id]) for a in artifacts})


def _node(store: metadata_store.MetadataStore, execution: mlmd.Execution, pipeline: str) -> str:
    names = [context.name for context in store.get_contexts_by_execution(execution.id) if context.type == "node"]
    return names[0].removeprefix(f"{pipeline}.") if names else ""


def _artifacts(events: Sequence[mlmd.Event], execution: int, kinds: Sequence[int]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (event.path.steps[0].key if event.path.steps else "", event.artifact_id)
        for event in events
        if event.execution_id == execution and event.type in kinds
    )
