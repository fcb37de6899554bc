"""Real Beam runs of the analysis of files: every way to run it gives the digest of the analysis in this process."""

import time
from pathlib import Path

import apache_beam as beam
import pytest
from beam_analysis import IN_MEMORY, write_shards
from exact_tables import PLAN, SCHEMA, table
from graph_tables import constants_of
from worker_pool import NotStartedError, portable_runner, worker_environment

from components.moments.finish import finish
from components.transform.beam_analysis import measure

pytestmark = pytest.mark.prove

ROWS = table(1_200)


@pytest.mark.parametrize("runner", ["in_memory", "multi_threading", "multi_processing", "worker_pool"])
def test_a_run_gives_the_digest_of_the_rows(runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in worker_environment().items():
        monkeypatch.setenv(name, value)
    files = write_shards(SCHEMA, ROWS, 3, tmp_path)
    start = time.monotonic()
    if runner == "worker_pool":
        try:
            with portable_runner(tmp_path) as args:
                found = measure(files, PLAN, lambda: beam.Pipeline(argv=args), unit_bytes=20_000)
        except NotStartedError as error:
            pytest.skip(str(error))
    else:
        args = [*IN_MEMORY, f"--direct_running_mode={runner}", "--direct_num_workers=2"]
        found = measure(files, PLAN, lambda: beam.Pipeline(argv=args), unit_bytes=20_000)
    print(f"\n{runner}: {time.monotonic() - start:.1f} s")
    assert finish(PLAN, found.statistics).digest == constants_of(PLAN, ROWS).digest
