"""Images per second: the exact analysis, and training input, against decoding alone; and what common recipes cost.

Images made here from a seed, of waves and noise, 2.5 bits a pixel as JPEG (quality 90), which a photograph has too. All
ways read the same file in turn; a rate is that of images beyond the first 64, so that tracing and starting, which are
given as seconds, do not enter it.

What is called decoding alone is the least that any of these does: the same file by TFRecordDataset, one record at a
time parsed and decoded in a parallel map, in batches of uint8. A trainer needs float32 as well: decoding and a cast of
the batch in a parallel map is the second floor.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from peers import images_page  # noqa: E402
from peers.stored_rows import Rows  # noqa: E402

from components import analyze, normalized_dataset  # noqa: E402
from components.constants import FeatureConstants  # noqa: E402

_SCHEMA = """feature { name: "photo" type: BYTES shape {} presence { min_fraction: 1 } annotation { tag: "image" } }"""
_BATCH = 32
_DIFFERENT = 100  # images; a file repeats them
_FIRST = 64  # images whose time is not that of images
_MOST = 20_000  # images of a file
_TURNS = 3
_SPEC = {"photo": tf.io.FixedLenFeature([], tf.string)}
_MEMORY_FILES = 10
PEAKS = ("analyze", "NormalizingTransform", "input")

DECODE, CAST, ANALYSIS, INPUT, ADAPT, BATCHES = images_page.WAYS


class _Photos(Rows):
    """Images in place of numbers."""

    @property
    def schema(self) -> schema_pb2.Schema:
        return text_format.Parse(_SCHEMA, schema_pb2.Schema())


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000, help="images of 512 x 512; of smaller ones more")
    parser.add_argument("--kinds", nargs="+", choices=("JPEG", "PNG"), default=["JPEG", "PNG"])
    parser.add_argument("--sides", nargs="+", type=int, default=[32, 224, 512], help="pixels")
    parser.add_argument("--memory", type=int, default=10_000, help="images of 512 x 512 for the peak memory; 0: none")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="docs/images_performance.md")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(json.dumps(_peak(*arguments.peak)))
        return
    with tempfile.TemporaryDirectory() as folder:
        cells = [_cell(folder, kind, side, arguments.rows) for kind in arguments.kinds for side in arguments.sides]
        peaks = _peaks(f"{folder}/memory", arguments.memory) if arguments.memory else {}
    report = {
        "arguments": [word for word in sys.argv[1:] if word not in ("--write", "--json")],
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, TensorFlow {tf.__version__}",
        "cells": cells,
        "peaks": peaks,
        "memory_images": arguments.memory,
        "ratios": {f"{cell['kind']}-{cell['side']}": cell["ratios"] for cell in cells},
    }
    page = images_page.as_page(report)
    if arguments.write:
        (ROOT / "docs" / "images_performance.md").write_text(page, encoding="utf-8")
    print(json.dumps(report) if arguments.json else page)


def _cell(folder: str, kind: str, side: int, rows: int) -> dict[str, Any]:
    many = min(_MOST, rows * 512**2 // side**2) // _BATCH * _BATCH + 1  # one image in the last batch
    texts = _texts(kind, side)
    files = {number: f"{folder}/{kind}-{side}-{number}" for number in (_FIRST, many)}
    for number, file in files.items():
        _write(file, texts, number)
    schema = _Photos(Path(folder), 0).schema
    frozen = analyze(files[many], schema)
    found: dict[str, npt.NDArray[np.float64]] = {}

    def batches(file: str) -> tf.data.Dataset:
        return _decoded(file, kind).batch(_BATCH)

    ways: dict[str, Callable[[str], None]] = {
        DECODE: lambda file: _exhaust(batches(file)),
        CAST: lambda file: _exhaust(batches(file).map(_float32, tf.data.AUTOTUNE)),
        ANALYSIS: lambda file: _ignore(analyze(file, schema)),
        INPUT: lambda file: _exhaust(normalized_dataset(file, frozen, batch_size=_BATCH)),
        ADAPT: lambda file: found.update({ADAPT: _adapted(batches(file))}),
        BATCHES: lambda file: found.update({BATCHES: _mean_of_means(batches(file))}),
    }
    least = {(name, number): np.array([np.inf, np.inf]) for name in ways for number in files}
    for _ in range(_TURNS):
        for name, way in ways.items():
            for number, file in files.items():
                least[name, number] = np.minimum(least[name, number], _timed(way, file))
    each = {name: (least[name, many] - least[name, _FIRST]) / (many - _FIRST) for name in ways}
    return {
        "kind": kind,
        "side": side,
        "images": many,
        "bytes_an_image": statistics.mean(map(len, texts)),
        "images_per_second": {name: float(1 / wall) for name, (wall, _) in each.items()},
        "cpu_microseconds": {name: float(1e6 * cpu) for name, (_, cpu) in each.items()},
        "seconds_of_the_first": {name: float(least[name, _FIRST][0]) for name in ways},
        "ratios": _ratios(each),
        "errors": _errors(found, frozen.constants["photo"]),
    }


def _timed(way: Callable[[str], None], file: str) -> npt.NDArray[np.float64]:
    at, spent = time.perf_counter(), time.process_time()
    way(file)
    return np.array([time.perf_counter() - at, time.process_time() - spent])


def _ratios(each: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    """Of rates, and of CPU seconds the other way round: more is better in all."""
    pairs = {
        "analysis_over_decode": (ANALYSIS, DECODE),
        "input_over_decode": (INPUT, DECODE),
        "input_over_decode_float32": (INPUT, CAST),
        "analysis_over_keras_adapt": (ANALYSIS, ADAPT),
    }
    return {
        f"{name}{suffix}": float(each[theirs][at] / each[ours][at])
        for name, (ours, theirs) in pairs.items()
        for at, suffix in enumerate(("", "_cpu"))
    }


def _errors(found: Mapping[str, npt.NDArray[np.float64]], constants: FeatureConstants) -> dict[str, list[float]]:
    """Of mean, in sigma, and of variance, as a share of it: the worst channel."""
    exact, unit = (constants.mean, constants.variance), (constants.sigma, constants.variance)
    return {
        name: [float(np.max(np.abs(values[at] - exact[at]) / unit[at])) for at in range(2)]
        for name, values in found.items()
    }


def _texts(kind: str, side: int) -> list[bytes]:
    """tf.Examples."""
    random = np.random.default_rng(8)
    y, x = np.mgrid[0:side, 0:side] / side
    texts = []
    for at in range(_DIFFERENT):
        waves = np.stack([np.sin(x * (5 + at)), np.cos(y * (9 + at)), x - y], axis=-1)
        noisy = 60 + at + 50 * waves + random.normal(0, 8, waves.shape)
        image = noisy.clip(0, 255).astype(np.uint8)
        encoded = tf.io.encode_jpeg(image, quality=90) if kind == "JPEG" else tf.io.encode_png(image)
        value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded.numpy()]))
        texts.append(tf.train.Example(features=tf.train.Features(feature={"photo": value})).SerializeToString())
    return texts


def _write(file: str, texts: list[bytes], rows: int) -> None:
    with tf.io.TFRecordWriter(file) as writer:
        for at in range(rows):
            writer.write(texts[at % len(texts)])


def _decoded(file: str, kind: str) -> tf.data.Dataset:
    def decode(record: tf.Tensor) -> tf.Tensor:
        text = tf.io.parse_single_example(record, _SPEC)["photo"]
        if kind == "PNG":
            return tf.io.decode_png(text, channels=3)
        return tf.io.decode_jpeg(text, channels=3, dct_method="INTEGER_ACCURATE")

    return tf.data.TFRecordDataset(file).map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def _float32(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32)


def _exhaust(dataset: tf.data.Dataset) -> None:
    for _ in dataset.prefetch(tf.data.AUTOTUNE):
        pass


def _ignore(_: object) -> None: ...


def _adapted(batches: tf.data.Dataset) -> npt.NDArray[np.float64]:
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(batches.map(_float32).prefetch(tf.data.AUTOTUNE))
    return np.array([np.ravel(layer.mean), np.ravel(layer.variance)], np.float64)


def _mean_of_means(batches: tf.data.Dataset) -> npt.NDArray[np.float64]:
    """The common recipe: mean and variance of each batch, each averaged over the batches."""

    def moments(images: tf.Tensor) -> tf.Tensor:
        return tf.stack(tf.nn.moments(tf.cast(images, tf.float32), [0, 1, 2]))

    return np.asarray(np.mean([each.numpy() for each in batches.map(moments, tf.data.AUTOTUNE)], axis=0, dtype=float))


def _peaks(folder: str, images: int) -> dict[str, Any]:
    """Each way in a process of its own, over files of the same images."""
    split = Path(folder, "Split-train")
    split.mkdir(parents=True)
    _write(str(split / "part-0.tfrecord"), _texts("JPEG", 512), images // _MEMORY_FILES)
    for at in range(1, _MEMORY_FILES):
        (split / f"part-{at}.tfrecord").hardlink_to(split / "part-0.tfrecord")
    found = {}
    for way in PEAKS:
        command = [sys.executable, __file__, "--peak", way, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak(way: str, folder: str) -> dict[str, float]:
    """Megabytes: the most that this process held, and what it held before it began."""
    files = sorted(str(file) for file in Path(folder, "Split-train").iterdir())
    schema = _Photos(Path(folder), 0).schema
    if way == "input":
        frozen = analyze(files[0], schema)
        work = lambda: _exhaust(normalized_dataset(files, frozen, batch_size=_BATCH))  # noqa: E731
    elif way == "analyze":
        work = lambda: _ignore(analyze(files, schema))  # noqa: E731
    else:
        from peers.transform_executors import ours

        work = ours(_Photos(Path(folder), 0), Path(tempfile.mkdtemp(dir=folder)))
    before = _resident()
    work()
    return {"peak_megabytes": _resident(), "before_megabytes": before}


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
