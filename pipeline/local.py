"""Runs a configuration's pipeline on this machine, in one root folder, watched and logged."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.errors import InputError
from pipeline import beam_args as beam
from pipeline import inputs, lock, run_log
from pipeline.code_digest import model_digest
from pipeline.config import PipelineConfig
from pipeline.failure import ComponentError, own_error
from pipeline.interrupts import STOPPED_LINE, interruptible
from pipeline.progress import Display
from pipeline.run_log import RunLog
from pipeline.run_result import RunResult

DEFAULT_ROOT = Path("runs")


@dataclasses.dataclass(frozen=True)
class Session:
    """A root folder held by this process: its log, its display, and whether a person has asked to stop."""

    log: RunLog
    display: Display
    stopped: Callable[[], bool]


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What a person may ask of one run beyond the configuration.

    Attributes:
      use_cache: False runs every component again.
      from_component: this one and all below it run again.
      beam_args: added to the configuration's; the last ``--runner`` wins.
    """

    use_cache: bool = True
    from_component: str | None = None
    beam_args: Sequence[str] = ()


def run(
    config: PipelineConfig,
    root: Path | None = None,
    options: RunOptions | None = None,
    *,
    display_of: Callable[[RunLog], Display],
) -> RunResult:
    """Runs the pipeline; finished components come from the cache of earlier runs in the same root.

    Args:
      config: what to run.
      root: where everything is written; ``runs/<name>`` by default.
      options: of this run.
      display_of: makes the display, given the log and the terminal's streams.

    Raises:
      InputError: bad data, schema or configuration, or the root is in use.
      ComponentError: a component failed.
      KeyboardInterrupt: a person stopped the run; finished components stay finished.
    """
    started = time.monotonic()
    options = options or RunOptions()
    folder = (root or DEFAULT_ROOT / config.pipeline.name).absolute()
    plan = inputs.checked_plan(config)
    inputs.check_data_exists(config.data)
    if "://" not in config.transform.constants:
        inputs.pinned_constants(config, plan)
    model_digest(config.trainer.model)
    with session(folder, display_of) as held:
        held.display.note(f"Run folder {folder}\nLog {held.log.path}")
        args, notice = beam.local_beam_args(
            [*config.beam.args, *options.beam_args], config.beam.running_mode, config.beam.workers
        )
        if notice:
            held.display.note(notice)
        config = dataclasses.replace(config, beam=dataclasses.replace(config.beam, args=args))
        _prepare(config, held.display)
        inputs.check_format(config.data)
        digest = inputs.data_digest(config.data)
        schema = inputs.stored_schema(config.data.schema, folder)
        columns = inputs.stored_columns(config.data.schema, folder)
        held.display.note("Loading TFX ...")
        from pipeline import node_runner, run_report, run_result, run_rows
        from pipeline.definition import build_pipeline

        runner = node_runner.NodeByNodeRunner(
            held.display,
            held.log.file,
            use_cache=options.use_cache,
            from_component=options.from_component,
            count_rows=run_rows.count_rows,
            stopped=held.stopped,
        )
        try:
            runner.run(build_pipeline(config, folder, schema, columns, digest))
        except ComponentError as error:
            failure = error  # the name of an except clause ends with it
            error.report = _report(held, lambda: run_report.write_report(folder, config, runner, failure=failure)) or ""
            raise
        result = run_result.collect(runner.results, plan, config.pipeline.task, held.log.path)
        report = _report(held, lambda: run_report.write_report(folder, config, runner, result=result))
        return dataclasses.replace(result, report=report, elapsed=time.monotonic() - started)


@contextlib.contextmanager
def session(root: Path, display_of: Callable[[RunLog], Display]) -> Iterator[Session]:
    """Holds ``root`` and its log for the block; closes the display and ends worker processes however it ends.

    Raises:
      ConfigError: the root is in use or cannot be written.
    """
    with lock.hold(root), run_log.to_file(root) as log, interruptible() as stop:
        display = display_of(log)

        def last_words() -> None:
            display.close()
            print(STOPPED_LINE, file=log.err, flush=True)

        stop.last_words = last_words
        try:
            yield Session(log, display, lambda: stop.asked)
        except BaseException as error:
            if not isinstance(error, (InputError, ComponentError)):
                log.file.write("".join(traceback.format_exception(error)))
            raise
        finally:
            display.close()


def _report(held: Session, write: Callable[[], Path]) -> str | None:
    """The report's path; None, one line on standard error and the whole story in the log where there is none.

    The run is as good, or as bad, without its report.
    """
    held.display.close()
    try:
        return str(write())
    except Exception as error:
        held.log.file.write("".join(traceback.format_exception(error)))
        reason = " ".join(own_error(error).split())
        print(f"tfx-norm: no report could be made: {reason}; see the log", file=held.log.err, flush=True)
        return None


def _prepare(config: PipelineConfig, display: Display) -> None:
    if not config.data.dataset:
        return
    from pipeline.datasets import prepare

    if not Path(config.data.path).exists():
        display.note(f"Writing the bundled data set {config.data.dataset} to {config.data.path}")
    made = prepare(config.data.dataset, config.data.path)
    if made.made:
        left_out = f"; {made.left_out:,} rows of the source have no label and were left out" if made.left_out else ""
        display.note(f"{made.rows:,} rows{left_out}")
