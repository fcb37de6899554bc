"""30 kills at random times of an analysis on a Spark cluster: the right digest or a clear failure, never another."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import spark_runs
from exact_tables import PLAN, SCHEMA, table
from graph_tables import write_records
from spark_runs import kill, processes, tree

from components import FrozenTransform, analyze
from components.errors import InputError

pytestmark = [pytest.mark.prove, pytest.mark.skipif(bool(spark_runs.missing()), reason=spark_runs.missing())]

KILLS, SHARDS, ROWS, COPIES = 30, 8, 4_000, 12
# A task that takes longer than most is started again elsewhere while it runs.
TWICE = {"spark.speculation": "true", "spark.speculation.multiplier": "1.1", "spark.speculation.quantile": "0.25"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, str]:
    """Files, schema, and the digest of an analysis in one process."""
    folder = tmp_path_factory.mktemp("data")
    rows = table(ROWS)
    step = ROWS // SHARDS
    files = []
    for number in range(SHARDS):
        once = write_records(PLAN, rows[number * step : (number + 1) * step], folder / f"part-{number}").read_bytes()
        for copy in range(COPIES):
            file = folder / f"part-{number}-{copy}"
            file.write_bytes(once)
            files.append(str(file))
    schema = folder / "schema.pbtxt"
    schema.write_text(SCHEMA)
    return files, schema, analyze(files, str(schema)).digest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with spark_runs.cluster(tmp_path_factory.mktemp("cluster")) as folder:
        yield folder


def victims_of(kind: str, folder: Path, number: int, driver: int) -> list[int]:
    """Process ids; ``worker`` is a worker's daemon with all that it has started."""
    daemon = int((folder / f"worker{number}.pid").read_text())
    if kind in ("pyworker", "executor"):
        return processes(folder, kind)[-1:]
    return {"worker": list(tree(daemon)), "daemon": [daemon], "driver": list(tree(driver))}[kind]


def test_thirty_kills_at_random_times(folder: Path, data: tuple[list[str], Path, str], tmp_path: Path) -> None:
    files, schema, digest = data
    chosen = random.Random(30)
    outcomes: dict[str, int] = {}
    for number in range(KILLS):
        kind = ["pyworker", "executor", "worker", "daemon", "driver"][number % 5]
        out = tmp_path / f"out-{number}"
        analysis = spark_runs.analysis(folder, files, schema, out, TWICE if number % 2 else {})
        while analysis.poll() is None and not processes(folder, "pyworker"):
            time.sleep(0.1)
        time.sleep(chosen.uniform(0, 12))
        in_time = analysis.poll() is None
        victims = victims_of(kind, folder, chosen.randint(1, 2), analysis.pid)
        kill(victims)
        printed, complaint = analysis.communicate(timeout=400)
        outcome = "failed" if analysis.returncode else "finished"
        name = f"{kind}, {'' if in_time and victims else 'not '}in time: {outcome}"
        outcomes[name] = outcomes.get(name, 0) + 1
        if analysis.returncode == 0:
            assert printed.split()[-1] == digest
            assert FrozenTransform.load(str(out)).digest == digest
        elif out.exists():  # killed while it saved: then all of it is there, or it is refused
            with pytest.raises(InputError):
                FrozenTransform.load(str(out))
        if kind != "driver" and analysis.returncode:
            assert "Error" in complaint or "error" in complaint, complaint[-2000:]
        if kind in ("worker", "daemon"):
            spark_runs.subprocess.run([spark_runs.sys.executable, spark_runs.TOOL, "stop", folder], check=True)
            spark_runs.start(folder)
    print(f"\n{KILLS} kills: {outcomes}")
