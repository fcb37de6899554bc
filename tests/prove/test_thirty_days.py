"""30 days of flights, a window of 28: one day more is converted and measured alone, with the digest of from scratch."""

import collections
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.prove, pytest.mark.beam]

pytest.importorskip("tfx.types")
from tfx.dsl.components.base import base_beam_executor  # noqa: E402
from tfx.types import standard_artifacts  # noqa: E402
from tfx.utils import proto_utils  # noqa: E402

from components.cache.shelf import CacheOptions  # noqa: E402
from components.example_gen.component import ArrowExampleGen  # noqa: E402
from components.example_gen.executor import Executor  # noqa: E402
from components.feature_plan import FeaturePlan  # noqa: E402
from components.moments.finish import finish  # noqa: E402
from components.span_files import files_by_span  # noqa: E402
from components.transform.analyze import read_statistics  # noqa: E402
from components.transform.measured import Measured  # noqa: E402
from components.transform.span_statistics import SpanStatistics, each_alone, statistics_of  # noqa: E402
from pipeline.datasets import prepare  # noqa: E402
from schemas.loader import load_schema  # noqa: E402

SCHEMA = Path(__file__).parents[2] / "schemas" / "flights.pbtxt"
PLAN = FeaturePlan.from_schema(load_schema(SCHEMA))
WINDOW = 28
FIRST = 15_706  # 2013-01-01 in days since 1970-01-01
RUNNER = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--sdk_container_image=unused"]


def split_by_day(folder: Path, days: int, times: int) -> dict[str, str]:
    """The text of each of the first days of flights by date; every row ``times`` times."""
    header, *rows = Path(prepare("flights", folder / "flights.csv").path).read_text().splitlines(keepends=True)
    by_day: dict[str, list[str]] = collections.defaultdict(list)
    for row in rows:
        by_day[row.partition(",")[0]].append(row)
    return {day: header + "".join(by_day[day] * times) for day in sorted(by_day)[:days]}


def add(folder: Path, days: Mapping[str, str]) -> None:
    for day, text in days.items():
        (folder / day).mkdir(parents=True)
        (folder / day / "flights.csv").write_text(text)


def convert(folder: Path, name: str, cache: str) -> tuple[standard_artifacts.Examples, float]:
    """The artifact of the window, and the CPU seconds that it took."""
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
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=RUNNER, tmp_dir=str(folder))
    _, seconds = timed(lambda: Executor(context).Do({}, {"examples": [artifact]}, properties))
    return artifact, seconds


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the CPU seconds of this process and its threads."""
    start = time.process_time()
    return work(), time.process_time() - start


@pytest.mark.parametrize("times", [1, 20], ids=["flights as they are", "every flight 20 times"])
def test_one_day_more_costs_one_day(tmp_path: Path, times: int) -> None:
    days = split_by_day(tmp_path, 30, times)
    *before, last = days
    read: list[str] = []

    def measure(files: Sequence[str]) -> Measured:
        read.extend(files)
        return read_statistics(files, PLAN)

    def analyse(artifact: standard_artifacts.Examples, cache: str) -> tuple[SpanStatistics, float]:
        files = [str(file) for file in Path(artifact.uri, "Split-train").iterdir()]
        options = CacheOptions(str(tmp_path / cache))
        return timed(lambda: statistics_of(files_by_span(files), PLAN, each_alone(measure), options, "this code"))

    add(tmp_path / "in", {day: days[day] for day in before})
    first, converted_all = convert(tmp_path, "first", "cache")
    everything, measured_all = analyse(first, "cache")
    assert json.loads(first.get_string_custom_property("spans_converted")) == [*range(FIRST + 1, FIRST + 29)]
    assert len(everything.measured) == WINDOW

    add(tmp_path / "in", {last: days[last]})
    read.clear()
    second, converted_one = convert(tmp_path, "second", "cache")
    window, measured_one = analyse(second, "cache")
    assert json.loads(second.get_string_custom_property("spans")) == [*range(FIRST + 2, FIRST + 30)]
    assert json.loads(second.get_string_custom_property("spans_converted")) == [FIRST + 29]
    assert window.measured == (str(FIRST + 29),)
    assert [Path(file).name[:10] for file in read] == [f"span-{FIRST + 29}"] * len(read) and read
    assert window.bytes_measured == sum(Path(file).stat().st_size for file in read)

    scratch, _ = convert(tmp_path, "scratch", "other-cache")
    files = sorted(str(file) for file in Path(scratch.uri, "Split-train").iterdir())
    at_once, measured_at_once = timed(lambda: read_statistics(files, PLAN))
    assert window.statistics.to_bytes() == at_once.statistics.to_bytes()
    assert finish(PLAN, window.statistics).digest == finish(PLAN, at_once.statistics).digest
    print(
        f"\n{at_once.statistics.rows:,} rows of {WINDOW} days, CPU seconds\n"
        f"conversion: all days {converted_all:.2f}, one day {converted_one:.2f} ({converted_one / converted_all:.0%})\n"
        f"analysis: all days, each alone {measured_all:.2f}, all at once {measured_at_once:.2f}; "
        f"one day {measured_one:.2f} ({measured_one / measured_all:.0%} and {measured_one / measured_at_once:.0%})\n"
        f"bytes: {window.bytes_measured:,} measured, {window.bytes_reused:,} from the cache"
    )
