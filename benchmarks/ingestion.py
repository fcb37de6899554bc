"""Rows per CPU second: ArrowExampleGen beside TFX's CsvExampleGen on the same CSV, in one run.

Each executor runs in a process of its own, on Beam's FnApiRunner in memory. Its CPU seconds are those of ``Do``
(user and system, children included); imports are measured too, shown beside it and not part of the ratio.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.children import CHILD, answer_of, timed  # noqa: E402

SEED = 20130101
FLIGHTS_ROWS, FLIGHTS_FEATURES = 336_776, 19
MISSING_SHARE = 0.025
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# With an image named, TFX does not spend seconds on building a package of itself; the same for both.
NO_PACKAGE = "--sdk_container_image=unused"
ENGINES = ("ours", "csv_example_gen")


def main(arguments: list[str] | None = None) -> int:
    """Makes the table, runs both executors, prints the figures."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == [CHILD]:
        print(json.dumps(_execute(*words[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=FLIGHTS_ROWS)
    parser.add_argument("--features", type=int, default=FLIGHTS_FEATURES)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        write_table(data / "table.csv", options.rows, options.features)
        size = (data / "table.csv").stat().st_size
        figures = {engine: _measure(engine, data, Path(folder, engine), options.rows) for engine in ENGINES}
    rates = {engine: figures[engine]["rows_per_cpu_second"] for engine in ENGINES}
    report = {
        "rows": options.rows,
        "features": options.features,
        "csv_bytes": size,
        "figures": figures,
        "ratios": {"ours_over_csv_example_gen": rates["ours"] / rates["csv_example_gen"]},
    }
    print(json.dumps(report, indent=2) if options.json else _as_text(report))
    return 0


def write_table(path: Path, rows: int, features: int) -> None:
    """A table like flights: of each 19 columns 14 of integers, 1 of floats, 4 of short texts; some values missing."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    rng = np.random.default_rng(SEED)
    columns: dict[str, Any] = {}
    for index in range(features):
        kind = index % FLIGHTS_FEATURES
        missing = rng.random(rows) < (MISSING_SHARE if index % 3 == 0 else 0.0)
        values: Any
        if kind < 14:
            values = rng.integers(0, 10 ** (1 + index % 4), rows)
        elif kind == 14:
            values = np.round(rng.normal(100.0, 15.0, rows), 2)
        elif kind < 18:
            values = np.array(["UA", "AA", "B6", "EWR", "JFK", "N14228", "N24211"])[rng.integers(0, 7, rows)]
        else:
            days, hours = rng.integers(1, 29, rows), rng.integers(0, 24, rows)
            values = np.array([f"2013-01-{d:02d}T{h:02d}:00:00Z" for d, h in zip(days, hours, strict=True)])
        columns[f"f{index}"] = pa.array(values, mask=missing)
    pacsv.write_csv(pa.table(columns), str(path))


def _measure(engine: str, data: Path, out: Path, rows: int) -> dict[str, float]:
    found = answer_of(__file__, [engine, str(data), str(out)])
    if found.pop("rows") != rows:
        raise SystemExit(f"{engine} wrote another number of rows than the {rows} of the table.")
    found["rows_per_cpu_second"] = rows / found["cpu_seconds"]
    return found


def _execute(engine: str, data: str, out: str) -> dict[str, float]:
    import tensorflow as tf
    from tfx.components.example_gen.csv_example_gen import component as csv_component
    from tfx.components.example_gen.csv_example_gen import executor as csv_executor
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.example_gen import component, executor

    config = component.default_output_config()
    nodes = {
        "ours": (component.ArrowExampleGen, executor.Executor),
        "csv_example_gen": (csv_component.CsvExampleGen, csv_executor.Executor),
    }
    node, runs = nodes[engine]
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node(input_base=data, output_config=config).spec.exec_properties.items()
    }
    artifact = standard_artifacts.Examples()
    artifact.uri = out
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[RUNNER, NO_PACKAGE], tmp_dir=out + "-temp"
    )
    _, seconds = timed(lambda: runs(context).Do({}, {"examples": [artifact]}, properties))
    files = [str(path) for path in Path(out).glob("Split-*/data_tfrecord-*")]
    rows = sum(1 for _ in tf.data.TFRecordDataset(files, compression_type="GZIP"))
    return seconds | {
        "written_megabytes": sum(os.stat(file).st_size for file in files) / 1e6,
        "shards": len(files),
        "rows": rows,
    }


def _as_text(report: dict[str, Any]) -> str:
    heads = ("rows_per_cpu_second", "cpu_seconds", "wall_seconds", "import_cpu_seconds", "peak_megabytes",
             "written_megabytes", "shards")  # fmt: skip
    lines = [f"{report['rows']:,} rows x {report['features']} features, {report['csv_bytes'] / 1e6:.1f} MB of CSV", ""]
    lines.append(f"{'':22}" + "".join(f"{engine:>18}" for engine in ENGINES))
    for head in heads:
        lines.append(f"{head:22}" + "".join(f"{report['figures'][engine][head]:>18,.1f}" for engine in ENGINES))
    ratio = report["ratios"]["ours_over_csv_example_gen"]
    return "\n".join(
        [*lines, "", f"ours_over_csv_example_gen: {ratio:.1f} (rows per CPU second of Do, imports excluded)"]
    )


if __name__ == "__main__":
    raise SystemExit(main())
