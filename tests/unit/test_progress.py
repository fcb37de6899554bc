import io
import re

import pytest
from rich.console import Console

from pipeline.progress import Display, Line, LiveDisplay, PlainDisplay, display_for, plain_line, progress_table


def run_two_of_three(display: Display) -> None:
    display.start(["ExampleGen", "Transform", "Trainer"])
    display.running("ExampleGen")
    display.finished("ExampleGen", "cached", 0.04, None)
    display.running("Transform")
    display.finished("Transform", "failed", 12.34, 269_400)
    display.close()


def test_plain_lines_come_one_a_component_as_each_ends() -> None:
    stream = io.StringIO()
    run_two_of_three(PlainDisplay(stream))
    assert stream.getvalue() == "ExampleGen cached 0.0 s\nTransform failed 12.3 s, 269,400 rows\nTrainer not run\n"


def test_a_plain_line_leaves_out_what_is_not_known() -> None:
    assert plain_line(Line("Trainer", "done", seconds=61.26)) == "Trainer done 61.3 s"
    assert plain_line(Line("Trainer", "not run")) == "Trainer not run"


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(display_for(io.StringIO()), PlainDisplay)


def test_a_terminal_gets_a_table_that_ends_with_every_component() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    run_two_of_three(LiveDisplay(console, clock=lambda: 0.0))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", stream.getvalue())
    last = [line.split() for line in shown.splitlines() if line.strip()][-3:]
    assert last[0] == ["ExampleGen", "cached", "0.0", "s"]
    assert last[1] == ["Transform", "failed", "12.3", "s", "269,400"]
    assert last[2][:3] == ["Trainer", "not", "run"]


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(display_for(Terminal()), LiveDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display_for(Terminal()), PlainDisplay)


def test_the_time_of_a_running_component_goes_on() -> None:
    stream = io.StringIO()
    table = progress_table([Line("Trainer", "running", started=10.0)], now=12.5)
    Console(file=stream, width=80).print(table)
    assert stream.getvalue().splitlines()[-1].split() == ["Trainer", "running", "2.5", "s"]
