"""What exactness costs: nanoseconds a value of the accumulator alone, CPU seconds of an analysis with and without it.

The analysis is the project's own, once as it is and once with a float64 accumulator of Chan, Golub and LeVeque in the
place of ``Moments``: same reader, same batches, same combine, same counters of what is missing, NaN or infinite. Each
run is a process of its own; CPU seconds are user and system. Ratios are of the medians.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.chan import ChanMoments  # noqa: E402
from peers.children import CHILD, answer_of, timed  # noqa: E402
from peers.columns import Array  # noqa: E402
from peers.records import write_records  # noqa: E402

from components.moments import Moments, table_statistics  # noqa: E402

ROWS, FEATURES, SHARDS = 1_000_000, 20, 4
SEED = 20130101
LOCATIONS = (0.0, 100.0)
ALONE_VALUES, ALONE_RUNS = 1_000_000, 15
BATCH = 1_000  # rows that Beam's reader hands over at once, as TFX has it
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
PAGE = ROOT / "docs" / "exactness.md"
MOST_NANOSECONDS, MOST_RATIO = 25, 1.15
TABLE_ROWS = 8_192  # rows that ``analyze`` accumulates at once
ENGINES = ("beam", "in_process")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [CHILD]:
        print(json.dumps(_analysis(*words[1:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each analysis; the medians are compared")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(words)
    report = {
        "rows": options.rows,
        "features": options.features,
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "nanoseconds_per_value": nanoseconds_per_value(),
        "cpu_seconds": cpu_seconds(options.rows, options.features, options.repeats),
    }
    report["ratios"] = _ratios(report)
    if options.write:
        PAGE.write_text(as_page(report), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report))
    return 0


def nanoseconds_per_value() -> dict[str, dict[str, float]]:
    """By data and accumulator, float32; medians, the accumulators taking turns."""
    rng = np.random.default_rng(SEED)
    columns = {f"N({at:g}, 1)": rng.normal(at, 1, ALONE_VALUES).astype(np.float32) for at in LOCATIONS}
    times: dict[str, dict[str, list[float]]] = {data: {way: [] for way in WAYS} for data in columns}
    for _ in range(ALONE_RUNS):
        for data, column in columns.items():
            for way, run in WAYS.items():
                start = time.process_time()
                run(column)
                times[data][way].append((time.process_time() - start) * 1e9 / ALONE_VALUES)
    return {data: {way: statistics.median(each) for way, each in ways.items()} for data, ways in times.items()}


def _by_batches(x: Array) -> None:
    table = x.reshape(-1, FEATURES)
    for start in range(0, len(table), TABLE_ROWS):
        Moments.of(table[start : start + TABLE_ROWS])


def _plain(x: Array) -> tuple[float, float]:
    wide = x.astype(np.float64)
    return wide.mean(), wide.var()


def _naive(x: Array) -> tuple[Array, Array]:
    """Significands summed by exponent: 24 bits at once, their squares in halves."""
    fraction, exponent = np.frexp(x)
    significand = np.ldexp(fraction.astype(np.float64), 24)
    key = exponent.astype(np.int64) + 148
    high = np.floor(significand / 4096)
    low = significand - high * 4096
    squares = [np.bincount(key, weights=product) for product in (high * high, high * low, low * low)]
    return np.bincount(key, weights=significand), np.stack(squares)


WAYS: dict[str, Callable[[Array], Any]] = {
    "Moments.of, one column": Moments.of,
    f"Moments.of, [{TABLE_ROWS}, {FEATURES}] at a time": _by_batches,
    "float64 mean and variance": _plain,
    "exact, naive": _naive,
}
ACCUMULATORS = {"ours": Moments, "chan": ChanMoments}


def cpu_seconds(rows: int, features: int, repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """By engine and accumulator: of the whole process, and without its imports; medians."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {(e, a): [] for e in ENGINES for a in ACCUMULATORS}
    with tempfile.TemporaryDirectory() as folder:
        _write_shards(Path(folder), rows, features)
        for _ in range(repeats):
            for (engine, name), found in runs.items():
                found.append(_child(engine, name, folder, str(features)))
    if len({run["digest"] for (_, name), found in runs.items() if name == "ours" for run in found}) != 1:
        raise SystemExit("The exact constants differ between two runs or engines.")
    figures = ("process", "analysis", "imports", "peak_megabytes")
    return {
        engine: {
            name: {figure: statistics.median(run[figure] for run in runs[engine, name]) for figure in figures}
            for name in ACCUMULATORS
        }
        for engine in ENGINES
    }


def _ratios(report: dict[str, Any]) -> dict[str, float]:
    ratios = {}
    for suffix, engine in (("", "beam"), ("_in_process", "in_process")):
        ours, chan = (report["cpu_seconds"][engine][name] for name in ACCUMULATORS)
        ratios[f"ours_over_chan{suffix}"] = ours["process"] / chan["process"]
        ratios[f"ours_over_chan{suffix}_without_imports"] = ours["analysis"] / chan["analysis"]
    return ratios


def _child(engine: str, name: str, folder: str, features: str) -> dict[str, Any]:
    found = answer_of(__file__, [engine, name, folder, features])
    found["process"] = found.pop("process_cpu_seconds")
    return found


def _analysis(engine: str, name: str, folder: str, features: str) -> dict[str, Any]:
    """In a process of its own: one analysis, with one accumulator."""
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.public import tfxio

    from components import FeaturePlan, FrozenTransform, analyze
    from components.transform.preprocessing import preprocessing_fn

    table_statistics.Moments = ACCUMULATORS[name]  # type: ignore[misc]
    table_statistics._KINDS = (ACCUMULATORS[name], *table_statistics._KINDS[1:])
    form = "type: FLOAT presence { min_fraction: 1 } shape {} annotation { tag: 'z_score' }"
    lines = [f"feature {{ name: 'f{i}' {form} }}" for i in range(int(features))]
    schema = text_format.Parse("\n".join(lines), schema_pb2.Schema())
    files = sorted(str(file) for file in Path(folder).glob("*.tfrecord"))

    def by_beam() -> FrozenTransform:
        custom_config = {"feature_plan": FeaturePlan.from_schema(schema).to_json()}
        source = tfxio.TFExampleRecord(files, schema=schema, telemetry_descriptors=["exactness"])
        with tempfile.TemporaryDirectory() as out:
            with beam.Pipeline(argv=[RUNNER]) as pipeline, tft_beam.Context(temp_dir=out):
                batches = pipeline | source.BeamSource(batch_size=BATCH)
                transform = (batches, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
                    lambda inputs: preprocessing_fn(inputs, custom_config)
                )
                _ = transform | tft_beam.WriteTransformFn(out)
            return FrozenTransform.load(out)

    frozen, seconds = timed(by_beam if engine == "beam" else lambda: analyze(files, schema))
    imports, analysis = seconds["import_cpu_seconds"], seconds["cpu_seconds"]
    return {"imports": imports, "analysis": analysis, "digest": frozen.constants.digest}


def _write_shards(folder: Path, rows: int, features: int) -> None:
    """tf.Examples of float32 N(0, 1) and N(100, 1) in turn."""
    rng = np.random.default_rng(SEED)
    locations = np.resize(LOCATIONS, features)
    for shard, share in enumerate(np.array_split(np.arange(rows), SHARDS)):
        values = rng.normal(locations, 1, (len(share), features))
        write_records(str(folder / f"{shard}.tfrecord"), values, {f"f{i}": 1 for i in range(features)})


def as_page(report: dict[str, Any]) -> str:
    """docs/exactness.md."""
    sizes = " ".join(f"--{name} {report[name]}" for name in ("rows", "features", "repeats"))
    command = f"python benchmarks/exactness.py {sizes} --write"
    alone, ratios = report["nanoseconds_per_value"], report["ratios"]
    lines = [
        "# The cost of exactness",
        "",
        "Written by `benchmarks/exactness.py`; do not edit. To reproduce, from the project's root:",
        "",
        "```sh",
        command,
        "```",
        "",
        f"{report['cores']} cores, Python {report['python']}, NumPy {report['numpy']}. CPU time, medians.",
        "",
        f"## The accumulator alone: ns per float32 value, at most {MOST_NANOSECONDS} wanted",
        "",
        "| | " + " | ".join(alone) + " |",
        "| --- " * (len(alone) + 1) + "|",
    ]
    for name in next(iter(alone.values())):
        lines.append(f"| {name} | " + " | ".join(f"{each[name]:.1f}" for each in alone.values()) + " |")
    size = f"{report['rows']:,} rows x {report['features']} float features, medians of {report['repeats']}"
    lines += [
        "",
        f"## An analysis: CPU seconds, {size}",
        "",
        "The same analysis with this project's accumulator and with a float64 one (Chan, Golub, LeVeque) in its place:",
        f"the tf.Transform analyzer on Beam's FnApiRunner in batches of {BATCH:,} rows, and `analyze()` in process.",
        "",
        "| | ours | Chan | ours / Chan |",
        "| --- | --- | --- | --- |",
    ]
    for engine in ENGINES:
        ours, chan = (report["cpu_seconds"][engine][name] for name in ACCUMULATORS)
        for figure, words in (("process", "whole process"), ("analysis", "without imports")):
            ratio = ours[figure] / chan[figure]
            lines.append(f"| {engine}, {words} | {ours[figure]:.1f} | {chan[figure]:.1f} | {ratio:.3f} |")
    lines += ["", f"`ours_over_chan` is {ratios['ours_over_chan']:.3f}; at most {MOST_RATIO} wanted."]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    raise SystemExit(main())
