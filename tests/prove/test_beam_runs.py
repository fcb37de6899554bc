"""Real Beam runs of the analyzer: every way to run it gives the digest of the analysis without a runner."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from beam_analysis import IN_MEMORY, Analysis, analysis, analysis_with_cache, in_process, write_shards
from exact_tables import SCHEMA, table
from worker_pool import NotStartedError, portable_runner, worker_environment

from components.constants import NormalizationConstants

pytestmark = pytest.mark.prove

ROWS = table(1_200)
SPANS = {"one": ROWS[:300], "two": ROWS[300:700], "three": ROWS[700:]}

RUNNERS = ("in_memory", "multi_threading", "multi_processing", "worker_pool")
CACHE = (False, True)
SHARDS = (1, 2, 7)
BATCH_SIZES = (1, 100, 20_000)


class Cell(NamedTuple):
    runner: str
    cached: bool
    shards: int  # of the table, or of each span
    batch_size: int


CELLS = [
    Cell(runner, CACHE[(r + s) % 2], shards, BATCH_SIZES[(r + s) % 3])
    for r, runner in enumerate(RUNNERS)
    for s, shards in enumerate(SHARDS)
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> NormalizationConstants:
    """What the analysis without a runner finds, from one file in one batch."""
    return in_process(SCHEMA, write_shards(SCHEMA, ROWS, 1, tmp_path_factory.mktemp("whole")))


@pytest.fixture(scope="module")
def worker_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    try:
        with portable_runner(tmp_path_factory.mktemp("services")) as beam_args:
            yield beam_args
    except NotStartedError as error:
        pytest.skip(str(error))


def arguments(runner: str, request: pytest.FixtureRequest) -> Sequence[str]:
    if runner == "worker_pool":
        return request.getfixturevalue("worker_pool")
    return (*IN_MEMORY, f"--direct_running_mode={runner}", "--direct_num_workers=2")


def test_the_cells_hold_every_pair_of_choices() -> None:
    for (i, left), (j, right) in itertools.combinations(enumerate((RUNNERS, CACHE, SHARDS, BATCH_SIZES)), 2):
        assert {(cell[i], cell[j]) for cell in CELLS} == set(itertools.product(left, right))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(map(str, cell)))
def test_a_run_gives_the_digest_of_the_analysis_without_a_runner(
    cell: Cell,
    expected: NormalizationConstants,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in worker_environment().items():
        monkeypatch.setenv(name, value)
    beam_args = arguments(cell.runner, request)
    if not cell.cached:
        files = write_shards(SCHEMA, ROWS, cell.shards, tmp_path)
        assert_equal(timed(cell, lambda: analysis(SCHEMA, files, beam_args, cell.batch_size)), expected, len(ROWS))
        return
    spans = {name: write_shards(SCHEMA, rows, cell.shards, tmp_path / name) for name, rows in SPANS.items()}
    older = {name: spans[name] for name in ("one", "two")}
    cache = tmp_path / "cache"
    first = timed(cell, lambda: analysis_with_cache(SCHEMA, older, beam_args, cell.batch_size, cache))
    assert first.counters["rows_seen"] == 700
    assert first.counters["cache_entries_encoded"] == 2
    assert first.constants.digest != expected.digest
    second = timed(cell, lambda: analysis_with_cache(SCHEMA, spans, beam_args, cell.batch_size, cache))
    assert second.counters["cache_entries_decoded"] == 2
    assert_equal(second, expected, rows_seen=500)


def assert_equal(found: Analysis, expected: NormalizationConstants, rows_seen: int) -> None:
    assert found.constants.digest == expected.digest
    assert found.constants.rows == expected.rows == len(ROWS)
    assert found.counters["rows_seen"] == rows_seen


def timed(cell: Cell, run: Callable[[], Analysis]) -> Analysis:
    start = time.monotonic()
    found = run()
    print(f"\n{cell}: {time.monotonic() - start:.1f} s, {found.constants.digest}")
    return found
