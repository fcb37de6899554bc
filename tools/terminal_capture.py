"""Runs a configuration and draws what a terminal shows of it as an SVG, for the README.

    .venv/bin/python tools/terminal_capture.py pipeline/flights.toml docs/run.svg --command "make run"

The picture is drawn by the functions that draw on a terminal; only the folder names are shortened, so that it does not
depend on where it was made.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

from pipeline import local
from pipeline.config import load_config
from pipeline.progress import Line, progress_table
from pipeline.summary import print_summary

WIDTH = 118  # columns; the longest line of the summary is folded, as a terminal does


class ShorteningConsole(Console):
    """A console that records, and shows ``folder`` as ``shown``."""

    def __init__(self, folder: Path, shown: str) -> None:
        """Records at a fixed width and prints nothing."""
        super().__init__(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        self._folder, self._shown = str(folder), shown

    def print(self, *objects: Any, **options: Any) -> None:
        """As ``Console.print``; texts are folded at the width."""
        options.pop("soft_wrap", None)
        texts = [item.replace(self._folder, self._shown) if isinstance(item, str) else item for item in objects]
        super().print(*texts, **options)


class LastDrawing:
    """A display that keeps the components' lines and draws the table once, at the end, as a terminal is left."""

    def __init__(self, console: Console) -> None:
        """See the class."""
        self._console = console
        self._lines: dict[str, Line] = {}

    def note(self, text: str) -> None:
        """Prints the line."""
        self._console.print(text, highlight=False, markup=False)

    def start(self, names: Sequence[str]) -> None:
        """Remembers the order."""
        self._lines = {name: Line(name) for name in names}

    def running(self, name: str) -> None:
        """Says nothing: only the last drawing counts."""

    def finished(self, name: str, state: str, seconds: float, rows: int | None) -> None:
        """Remembers how the component ended."""
        self._lines[name] = Line(name, state, seconds=seconds, rows=rows)

    def close(self) -> None:
        """Draws the table."""
        self._console.print(progress_table(list(self._lines.values()), time.monotonic()))


def capture(config: Path, command: str) -> str:
    """Runs the configuration in a temporary root; returns the SVG of what a person would have seen."""
    loaded = load_config(config)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        console = ShorteningConsole(root, f"~/tfx-norm/runs/{loaded.pipeline.name}")
        console.print(f"[bold green]$[/] {command}", highlight=False)
        result = local.run(loaded, root, display_of=lambda log: LastDrawing(console))
        print_summary(result, console)
        return console.export_svg(title=command, theme=MONOKAI)


def main() -> None:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--command", help="what the picture's first line says was typed")
    arguments = parser.parse_args()
    svg = capture(arguments.config, arguments.command or f"tfx-norm run {arguments.config}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
