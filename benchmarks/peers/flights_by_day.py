"""The bundled flights by the day of their date, in folders named by it, and ArrowExampleGen on the newest of them."""

import collections
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.local_runner import LOCAL_RUNNER_ARG, NO_PACKAGE_ARG
from pipeline.datasets import prepare

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "flights.pbtxt"
WINDOW = 28


def days_of_flights(folder: Path, days: int, times: int = 1) -> dict[str, str]:
    """The CSV text of each of the first days by date, such as 2013-01-01; every row ``times`` times."""
    header, *rows = Path(prepare("flights", folder / "flights.csv").path).read_text().splitlines(keepends=True)
    by_day: dict[str, list[str]] = collections.defaultdict(list)
    for row in rows:
        by_day[row.partition(",")[0]].append(row)
    return {day: header + "".join(by_day[day] * times) for day in sorted(by_day)[:days]}


def add(folder: Path, days: Mapping[str, str]) -> None:
    """Writes these days below ``<folder>/in``."""
    for day, text in days.items():
        (folder / "in" / day).mkdir(parents=True)
        (folder / "in" / day / "flights.csv").write_text(text)


def convert(folder: Path, name: str, cache: str) -> Any:
    """The Examples artifact of the newest 28 days at ``<folder>/<name>``; ``cache`` is a folder beside it."""
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.example_gen.component import ArrowExampleGen
    from components.example_gen.executor import Executor

    node = ArrowExampleGen(
        f"{folder}/in/{{YYYY}}-{{MM}}-{{DD}}/*.csv",
        schema_uri=str(SCHEMA),
        window=WINDOW,
        cache_dir=str(folder / cache),
        code_digest="this code",
    )
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder / name)
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in node.spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[LOCAL_RUNNER_ARG, NO_PACKAGE_ARG], tmp_dir=str(folder)
    )
    Executor(context).Do({}, {"examples": [artifact]}, properties)
    return artifact


def listed(artifact: Any, name: str) -> list[Any]:
    """A custom property that holds a list as JSON."""
    found: list[Any] = json.loads(artifact.get_string_custom_property(name))
    return found
