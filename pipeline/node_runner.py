"""TFX's LocalDagRunner, one component at a time, so that a person can watch and a machine can ask.

Caching, drivers, executors and ML Metadata stay TFX's: each component is launched by the stock runner with a copy of
the compiled pipeline that holds only its node; its inputs come from ML Metadata, by the id of the run they share.
"""

import datetime
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from tfx.dsl.compiler import constants
from tfx.orchestration.local import local_dag_runner, runner_utils
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.errors import ConfigError, input_error_in
from pipeline.failure import ComponentError, own_error
from pipeline.node_result import NodeResult, Outputs
from pipeline.progress import Display
from pipeline.run_record import RunRecord

RowCounter = Callable[[Mapping[str, NodeResult], Outputs], int | None]


def no_rows(finished: Mapping[str, NodeResult], outputs: Outputs) -> int | None:
    """A row counter that knows none."""
    return None


class NodeByNodeRunner(local_dag_runner.LocalDagRunner):
    """Runs a pipeline with ``run(pipeline)`` and keeps what happened.

    Attributes:
      results: of the finished components, in order.
      nodes: all components, in topological order.
      record: of the run in ML Metadata; None before it has begun.

    Args:
      display: told of every change.
      log: gets the whole traceback of a failure.
      use_cache: False runs every component again.
      from_component: this one and all below it run again, the others may come from the cache.
      count_rows: rows behind a component's outputs, given the results so far; None where unknown.
      stopped: true once a person has asked to stop; a library may have swallowed or wrapped the KeyboardInterrupt.

    Raises (``run``):
      ConfigError: no component has the name ``from_component``.
      ComponentError: a component failed or did not run.
    """

    def __init__(
        self,
        display: Display,
        log: TextIO,
        *,
        use_cache: bool = True,
        from_component: str | None = None,
        count_rows: RowCounter = no_rows,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """See the class."""
        super().__init__()
        self.results: dict[str, NodeResult] = {}
        self.nodes: tuple[str, ...] = ()
        self.record: RunRecord | None = None
        self._display = display
        self._log = log
        self._use_cache = use_cache
        self._from_component = from_component
        self._count_rows = count_rows
        self._stopped = stopped

    def run_with_ir(self, pipeline: Any, run_options: Any = None, **kwargs: Any) -> None:
        """Called by ``run`` with the compiled pipeline; its nodes are in topological order."""
        run_id = datetime.datetime.now().isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in pipeline.nodes}
        for name in nodes_to_rerun(nodes, self._use_cache, self._from_component):
            nodes[name].execution_options.caching_options.enable_cache = False
        self.nodes = tuple(nodes)
        self.record = record = RunRecord(_connection(pipeline), pipeline.pipeline_info.id, run_id)
        self._display.start(list(nodes))
        for name in nodes:
            self._display.running(name)
            started = time.monotonic()
            try:
                outputs, state = self._launch(pipeline, name, record)
            except BaseException as error:
                state = "failed" if isinstance(error, Exception) else "stopped"
                self._display.finished(name, state, time.monotonic() - started, None)
                if state == "stopped":
                    record.cancel(name)
                raise
            result = NodeResult(state, time.monotonic() - started, outputs)
            rows = self._count_rows(self.results, outputs)
            self.results[name] = result
            self._display.finished(name, state, result.seconds, rows)
            if self._stopped():
                raise KeyboardInterrupt

    def _launch(self, pipeline: pipeline_pb2.Pipeline, name: str, record: RunRecord) -> tuple[Outputs, str]:
        try:
            super().run_with_ir(only_node(pipeline, name))
        except Exception as error:
            self._log.write("".join(traceback.format_exception(error)))
            if self._stopped():
                raise KeyboardInterrupt from error
            bad_input = input_error_in(error)
            if bad_input is not None:
                raise ComponentError(name, bad_input, self._log.name, bad_input=True) from error
            raise ComponentError(name, f"{name} failed: {own_error(error)}", self._log.name) from error
        found = record.of(name)
        if found is None or found.state not in ("done", "cached"):
            # TFX logs that inputs could not be resolved and goes on as if nothing had happened.
            reason = own_error(RuntimeError(found.message)) if found and found.message else "its inputs were not found"
            raise ComponentError(name, f"{name} did not run: {reason}", self._log.name)
        # A resolver looks up, it never computes: ML Metadata calls each of its executions cached.
        return found.outputs, "done" if _is_resolver(pipeline, name) else found.state


def nodes_to_rerun(
    nodes: Mapping[str, Any], use_cache: bool = True, from_component: str | None = None
) -> Iterable[str]:
    """The nodes that must not come from the cache: all, none, or one and its descendants.

    Raises:
      ConfigError: ``from_component`` is not the name of a node.
    """
    named = {name.casefold(): name for name in nodes}
    if from_component is not None and from_component.casefold() not in named:
        raise ConfigError(f"--from {from_component}: no such component. This pipeline has: {', '.join(nodes)}.")
    if not use_cache:
        return set(nodes)
    if from_component is None:
        return set()
    found: set[str] = set()
    todo = [named[from_component.casefold()]]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(nodes[name].downstream_nodes)
    return found


def only_node(pipeline: pipeline_pb2.Pipeline, name: str) -> pipeline_pb2.Pipeline:
    """A copy of the compiled pipeline with this node alone; its upstream is found in ML Metadata."""
    copy = pipeline_pb2.Pipeline()
    copy.CopyFrom(pipeline)
    del copy.nodes[:]
    copy.nodes.extend(node for node in pipeline.nodes if node.pipeline_node.node_info.id == name)
    return copy


def _is_resolver(pipeline: pipeline_pb2.Pipeline, name: str) -> bool:
    node = next(node.pipeline_node for node in pipeline.nodes if node.pipeline_node.node_info.id == name)
    return str(node.node_info.type.name).endswith("Resolver")


def _connection(pipeline: pipeline_pb2.Pipeline) -> Any:
    config = runner_utils.extract_local_deployment_config(pipeline).metadata_connection_config
    return getattr(config, config.WhichOneof("connection_config"))
