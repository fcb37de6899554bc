"""Rows a second of normalized batches from TFRecords: ``normalized_dataset`` beside five other ways, in one run.

All ways read the same shards in one process and in turns, each peer between two turns of ours. A ratio is ours / peer
of such neighbours; what is shown is the median of the ratios. Before anything is timed, all ways must give the same
values. CPU time is user and system, of all threads.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from peers.input_ways import Task, as_table, schema_of, ways_of, write_transform  # noqa: E402
from peers.records import write_records  # noqa: E402
from peers.turns import Turns, Way  # noqa: E402

ROWS, FEATURES, BATCH = 400_000, 20, 1_024
IMAGES, IMAGE, IMAGE_BATCH = 4_000, (32, 32, 3), 128
SHARDS = 4
SEED = 20130101
LOCATIONS = (0.0, 10.0)  # float32 peers lose digits far from 0, and here the values are to be alike
MOST_DIFFERENCE = 1e-5  # relative, and absolute below 1: peers normalize in float32
COMPARED_BATCHES = 4
SETTLING_SHARE = 0.8
PAGE = ROOT / "docs" / "input_pipeline.md"
IMAGES_SAY = (
    "Float images cost more to normalize than to parse: parsing copies their numbers, and each of them then goes "
    "through float64, six passes over 3,072 numbers a row. Tables pay that for 20."
)
WAYS = {
    "ours": "`normalized_dataset` with the transform of `analyze`",
    "plain": "the same pipeline, parsed but not normalized",
    "tfx_layer": "as TFX's examples do: `tfxio` dataset, tf.Transform's `transform_features_layer()` in a map",
    "per_element": "as tutorials do: one row parsed and normalized at a time in a parallel map, then batched",
    "keras_in_model": "parsed as plain, then a preset Keras `Normalization` in a `tf.function` for each batch",
    "materialized": "values normalized beforehand and stored, parsed as plain",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--batch-size", type=int, default=BATCH)
    parser.add_argument("--images", type=int, default=IMAGES, help="rows of one image each")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each peer; the medians are shown")
    parser.add_argument("--seconds", type=float, default=0.7, help="length of a turn")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    names = tuple(f"f{i}" for i in range(options.features))
    cases = {
        "": (options.rows, names, (), min(options.batch_size, options.rows // SHARDS)),
        "_images": (options.images, ("image",), IMAGE, min(IMAGE_BATCH, options.images // SHARDS)),
    }
    import tensorflow as tf

    report: dict[str, Any] = {name: getattr(options, name) for name in ("rows", "features", "images", "rounds")}
    report |= {"seconds": options.seconds, "batch_size": cases[""][-1], "image_batch_size": cases["_images"][-1]}
    report |= {"cores": os.cpu_count(), "python": platform.python_version(), "tensorflow": tf.__version__}
    report |= {"graph": {}, "figures": {}, "ratios": {}, "cpu_ratios": {}}
    for suffix, (rows, features, shape, batch_size) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            task = prepared(Path(folder), rows, features, shape, batch_size)
            check_values(task)
            ways = ways_of(task, repeat=True)
            report["graph"][f"ours{suffix}"] = graph_facts(task, ways["ours"])
            turns = Turns(batch_size, options.rounds, options.seconds * SETTLING_SHARE, options.seconds)
            figures = turns.measure(ways, "ours")
            for name, found in figures.items():
                files = task.normalized_files if name == "materialized" else task.files
                row_bytes = sum(os.path.getsize(file) for file in files) / rows
                found["bytes_per_second"] = found["rows_per_second"] * row_bytes
                if name != "ours":
                    report["ratios"][f"ours_over_{name}{suffix}"] = found.pop("ratio")
                    report["cpu_ratios"][f"ours_over_{name}{suffix}"] = found.pop("cpu_ratio")
            report["figures"][f"rows{suffix}"] = figures
    if options.write:
        PAGE.write_text(as_page(report), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report))
    return 0


def prepared(folder: Path, rows: int, features: tuple[str, ...], shape: tuple[int, ...], batch_size: int) -> Task:
    """The files, raw and normalized, and both transforms, each of an analysis of the first file."""
    from components import analyze, normalized_dataset

    rng = np.random.default_rng(SEED)
    size = int(np.prod(shape))
    elements = dict.fromkeys(features, size)
    locations = np.resize(LOCATIONS, (len(features) * size))
    shares = [len(share) for share in np.array_split(np.arange(rows), SHARDS)]
    files = [str(folder / f"raw-{shard}.tfrecord") for shard in range(SHARDS)]
    normalized = [str(folder / f"normalized-{shard}.tfrecord") for shard in range(SHARDS)]
    for file, share in zip(files, shares, strict=True):
        write_records(file, rng.normal(locations, 1, (share, len(locations))), elements)
    schema = schema_of(features, shape)
    frozen, output = analyze(files[0], schema), str(folder / "transform_output")
    write_transform(files[0], schema, features, shape, output)
    task = Task(features, shape, files, normalized, batch_size, frozen, output)
    for raw, file in zip(files, normalized, strict=True):
        batches = normalized_dataset(raw, frozen, batch_size=batch_size)
        write_records(file, np.concatenate([as_table(task, batch) for batch in batches]), elements)
    return task


def check_values(task: Task) -> None:
    """Every way must give the same first batches of the first file, plain those of its raw values; exits otherwise."""
    found: dict[str, Any] = {}
    for name, way in ways_of(task.of_one_file(), repeat=False).items():
        step = way.step or (lambda batch: batch)
        found[name] = np.concatenate([as_table(task, step(batch)) for batch in way.dataset.take(COMPARED_BATCHES)])
    truth = found["ours"].astype(np.float64)
    for name, values in found.items():
        if name == "plain":
            continue
        worst = float(np.max(np.abs(values - truth) / np.maximum(1, np.abs(truth))))
        if values.shape != truth.shape or not worst <= MOST_DIFFERENCE:
            raise SystemExit(f"{name} gives other values than ours: they differ by {worst:.2g}, relative.")


def graph_facts(task: Task, way: Way) -> dict[str, int]:
    """Of ours: what its function captures, and how many parallel maps its dataset holds."""
    import tensorflow as tf

    text = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(way.dataset)).numpy()
    ops = [node.op for node in tf.compat.v1.GraphDef.FromString(text).node]
    return {
        "captured_inputs": len(task.frozen.captured_inputs),
        "parallel_maps": ops.count("ParallelMapDatasetV2"),
    }


def as_page(report: Mapping[str, Any]) -> str:
    """docs/input_pipeline.md."""
    names = ("rows", "features", "images", "rounds", "seconds")
    sizes = " ".join(f"--{name} {report[name]}" for name in names)
    shape = "x".join(map(str, IMAGE))
    heads = {
        "": f"{report['rows']:,} rows x {report['features']} float features, batches of {report['batch_size']:,}",
        "_images": f"{report['images']:,} float images {shape}, batches of {report['image_batch_size']:,}",
    }
    lines = [
        "# Input pipelines",
        "",
        "Written by `benchmarks/input_pipeline.py`; do not edit. To reproduce, from the project's root:",
        "",
        "```sh",
        f"python benchmarks/input_pipeline.py {sizes} --batch-size {report['batch_size']} --write",
        "```",
        "",
        f"{report['cores']} cores, Python {report['python']}, TensorFlow {report['tensorflow']}, {SHARDS} shards.",
        f"Nothing is shuffled. Every way gives the values of ours within {MOST_DIFFERENCE:g} (plain: the raw ones).",
        f"Medians of {report['rounds']} rounds; a ratio is the median of the ratios of neighbouring turns.",
        "CPU time is that of all threads; by CPU time, too, more than 1 means that ours does more rows with it.",
        "",
        "| way | what it does |",
        "| --- | --- |",
        *(f"| {name} | {words} |" for name, words in WAYS.items()),
    ]
    for suffix, head in heads.items():
        lines += ["", f"## {head}", "", "| way | rows/s | MB/s | CPU µs a row | ours / way, rows/s | by CPU time |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        for name, found in report["figures"][f"rows{suffix}"].items():
            key = f"ours_over_{name}{suffix}"
            ratios = [f"{part[key]:.2f}" if key in part else "" for part in (report["ratios"], report["cpu_ratios"])]
            rate, cpu = found["rows_per_second"], found["cpu_microseconds_per_row"]
            lines.append(
                f"| {name} | {rate:,.0f} | {found['bytes_per_second'] / 1e6:,.0f} | {cpu:.2f} | {' | '.join(ratios)} |"
            )
        if suffix == "_images":
            lines += ["", IMAGES_SAY]
        captured, maps = report["graph"][f"ours{suffix}"].values()
        lines += ["", f"Ours captures {captured} inputs; its dataset holds {maps} `ParallelMapDatasetV2`."]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    raise SystemExit(main())
