"""What Beam's running mode, its workers and the fanout of the last merge cost NormalizingTransform on this machine.

Each run is a process of its own, the settings take turns, medians are shown. CPU seconds are user and system of all
threads and child processes, wall seconds those of the executor; both without the imports of the process itself, but
with those of workers that Beam starts. The digest must be the same in every run.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.children import CHILD, answer_of, timed  # noqa: E402
from peers.stored_rows import Rows, write  # noqa: E402

ROWS, FEATURES = 1_000_000, 20
MODES = (("in_memory", 1), ("multi_threading", 2), ("multi_processing", 1), ("multi_processing", 2))
FANOUTS = (0, 4, 16, 64)
# For the fanout: so many shards that it is used, so few rows that merging is what costs.
MANY_SHARDS, ROWS_OF_A_SHARD, WIDE = 512, 20, 200
PAGE = ROOT / "docs" / "beam_tuning.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [CHILD]:
        print(json.dumps(_write_rows(*words[2:]) if words[1] == "write" else _run(*words[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each setting; the medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(words)
    modes = {f"{mode} x {workers}": (mode, workers, 16) for mode, workers in MODES}
    fanouts = {f"fanout {fanout}": ("in_memory", 1, fanout) for fanout in FANOUTS}
    report: dict[str, Any] = {
        "rows": options.rows,
        "features": options.features,
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "modes": measured(modes, options.rows, options.features, 4, options.repeats),
        "fanouts": measured(fanouts, MANY_SHARDS * ROWS_OF_A_SHARD, WIDE, MANY_SHARDS, options.repeats),
    }
    report["ratios"] = {
        f"{name}_over_default": found["cpu_seconds"] / next(iter(report["modes"].values()))["cpu_seconds"]
        for name, found in report["modes"].items()
    }
    if options.write:
        PAGE.write_text(as_page(report), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report))
    return 0


def measured(
    settings: dict[str, tuple[str, int, int]], rows: int, features: int, shards: int, repeats: int
) -> dict[str, dict[str, float]]:
    """By setting the medians; exits where two runs find different digests."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in settings}
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data"))
        answer_of(__file__, ["write", data, str(features), str(rows), str(shards)])
        for repeat in range(repeats):
            for name in list(settings) if repeat % 2 == 0 else list(settings)[::-1]:
                words = [data, str(features), str(Path(folder, f"{len(runs[name])}-{name}".replace(" ", "")))]
                runs[name].append(answer_of(__file__, [*words, *map(str, settings[name])]))
                print(f"{name}: {runs[name][-1]['cpu_seconds']:.2f} CPU s", file=sys.stderr, flush=True)
    digests = {run.pop("digest") for found in runs.values() for run in found}
    if len(digests) != 1:
        raise SystemExit(f"One digest is required, but these were found: {sorted(digests)}.")
    return {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]} for name, found in runs.items()
    }


def as_page(report: dict[str, Any]) -> str:
    """Markdown."""
    asked = f"--rows {report['rows']} --features {report['features']} --repeats {report['repeats']}"
    return f"""# Beam's settings on one machine

Written by `benchmarks/beam_tuning.py`; do not edit. To reproduce, from the project's root:

```sh
python benchmarks/beam_tuning.py {asked} --write
```

{report["cores"]} cores, Python {report["python"]}.
The executor of `NormalizingTransform`; each run a process of its own, settings take turns, medians. CPU seconds are
those of all threads and of Beam's worker processes, whose imports are in them. Every run found the same digest.

## Running mode and workers: {report["rows"]:,} rows of {report["features"]} floats in 4 shards

{_table(report["modes"])}

The default is `running_mode = "in_memory"`, `workers = 1`: TensorFlow reads and parses on all cores of the process, and
a worker process has to import it again. More machines are another matter; there every worker is a process anyhow.

## Fanout of the last merge: {MANY_SHARDS} shards of {ROWS_OF_A_SHARD} rows, {WIDE} floats

{_table(report["fanouts"])}

The default is `fanout = 16`, used from 256 shards on: what it costs here is spread over workers on many machines, where
the last merge is the one step that a single worker does.
"""


def _table(found: dict[str, dict[str, float]]) -> str:
    lines = ["| setting | CPU s | wall s | peak MB |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {run['cpu_seconds']:.2f} | {run['wall_seconds']:.2f} | {run['peak_megabytes']:,.0f} |"
        for name, run in found.items()
    ]
    return "\n".join(lines)


def _write_rows(folder: str, features: str, count: str, shards: str) -> dict[str, Any]:
    write(Rows(Path(folder), int(features)), int(count), int(shards))
    return {}


def _run(folder: str, features: str, out: str, mode: str, workers: str, fanout: str) -> dict[str, Any]:
    """In a process of its own."""
    from peers.transform_executors import ours

    from components import NormalizationConstants

    args = (f"--direct_running_mode={mode}", f"--direct_num_workers={workers}")
    _, seconds = timed(ours(Rows(Path(folder), int(features)), Path(out), args, merge_fanout=int(fanout)))
    return seconds | {"digest": NormalizationConstants.load(f"{out}/constants").digest}


if __name__ == "__main__":
    raise SystemExit(main())
