"""Progress of a run: a live table on a terminal, plain lines elsewhere."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

_STYLES = {
    "waiting": "dim",
    "running": "bold cyan",
    "cached": "green",
    "done": "green",
    "failed": "bold red",
    "skipped": "dim",
    "stopped": "yellow",
    "not run": "dim",
}
# Wide enough for the longest plain line; without a terminal rich would assume 80 columns and wrap.
_PLAIN_WIDTH = 140


@dataclasses.dataclass(frozen=True)
class Line:
    """A component's line.

    Attributes:
      name: the component.
      state: waiting, running, cached, done, failed, skipped, stopped or not run.
      started: clock at its start, None before.
      seconds: wall time once it has ended.
      rows: rows that it read or wrote; None where unknown.
    """

    name: str
    state: str = "waiting"
    started: float | None = None
    seconds: float | None = None
    rows: int | None = None


class Display(Protocol):
    """What a run tells; in this order: notes, ``start``, then each component, then ``close``."""

    def note(self, text: str) -> None:
        """Says one line."""

    def start(self, names: Sequence[str]) -> None:
        """Announces the components, in the order they will run."""

    def running(self, name: str) -> None:
        """Says that a component has begun."""

    def finished(self, name: str, state: str, seconds: float, rows: int | None) -> None:
        """Says how a component ended."""

    def close(self) -> None:
        """Ends the display; what has not run is shown as not run."""


def plain_line(line: Line) -> str:
    """``Transform done 12.3 s, 269,400 rows``; parts that are not known are left out."""
    text = f"{line.name} {line.state}"
    if line.seconds is not None:
        text += f" {line.seconds:.1f} s"
    return text if line.rows is None else f"{text}, {line.rows:,} rows"


class PlainDisplay:
    """One line when a component ends, to any stream."""

    def __init__(self, stream: TextIO) -> None:
        """See the class."""
        self._stream = stream
        self._waiting: list[str] = []

    def note(self, text: str) -> None:
        """See ``Display``."""
        print(text, file=self._stream, flush=True)

    def start(self, names: Sequence[str]) -> None:
        """See ``Display``."""
        self._waiting = list(names)

    def running(self, name: str) -> None:
        """See ``Display``; says nothing, the line comes at the end."""

    def finished(self, name: str, state: str, seconds: float, rows: int | None) -> None:
        """See ``Display``."""
        self._waiting.remove(name)
        self.note(plain_line(Line(name, state, seconds=seconds, rows=rows)))

    def close(self) -> None:
        """See ``Display``."""
        for name in self._waiting:
            self.note(plain_line(Line(name, "not run")))
        self._waiting = []


class LiveDisplay:
    """A table that is redrawn in place; the last drawing stays on the screen.

    Args:
      console: the terminal.
      clock: seconds that only go up.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """See the class."""
        self._console = console
        self._clock = clock
        self._lines: dict[str, Line] = {}
        self._live: Live | None = None

    def note(self, text: str) -> None:
        """See ``Display``."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, names: Sequence[str]) -> None:
        """See ``Display``."""
        self._lines = {name: Line(name) for name in names}
        # Standard output and error are the log's at this time: rich must not take them over.
        self._live = Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def running(self, name: str) -> None:
        """See ``Display``."""
        self._lines[name] = Line(name, "running", started=self._clock())

    def finished(self, name: str, state: str, seconds: float, rows: int | None) -> None:
        """See ``Display``."""
        self._lines[name] = Line(name, state, seconds=seconds, rows=rows)

    def close(self) -> None:
        """See ``Display``."""
        for name, line in self._lines.items():
            if line.state == "waiting":
                self._lines[name] = Line(name, "not run")
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> RenderableType:
        return progress_table(list(self._lines.values()), self._clock())


def progress_table(lines: Sequence[Line], now: float) -> Table:
    """The lines as a table; a running component's time runs up to ``now``."""
    table = Table(box=None, pad_edge=False)
    table.add_column("component")
    table.add_column("state")
    table.add_column("time", justify="right")
    table.add_column("rows", justify="right")
    for line in lines:
        seconds = now - line.started if line.seconds is None and line.started is not None else line.seconds
        table.add_row(
            line.name,
            line.state,
            "" if seconds is None else f"{seconds:.1f} s",
            "" if line.rows is None else f"{line.rows:,}",
            style=_STYLES[line.state],
        )
    return table


def display_for(stream: TextIO) -> Display:
    """The live table where ``stream`` is a terminal that can move its cursor, plain lines elsewhere."""
    console = console_for(stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(console)
    return PlainDisplay(stream)


def console_for(stream: TextIO) -> Console:
    """A rich console on ``stream``; wide where there is no terminal to ask."""
    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else _PLAIN_WIDTH, force_terminal=terminal)
