"""Images per second: the exact analysis, and training input, against decoding alone; and what common recipes cost.

Photographs of 512 x 512 x 3 as JPEG, or icons of 32 x 32 x 3 as PNG, made here from a seed. All ways read the same
file, three times in turn, and the best run counts. An analysis and an input trace their graphs each time, about a
second in all: thousands of images are needed for a rate.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from components import analyze, normalized_dataset  # noqa: E402

_SCHEMA = """feature { name: "photo" type: BYTES shape {} presence { min_fraction: 1 } annotation { tag: "image" } }"""
_BATCH = 32
_DIFFERENT = 100  # images; the file repeats them
_TURNS = 3
_SPEC = {"photo": tf.io.FixedLenFeature([], tf.string)}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000, help="images")
    parser.add_argument("--kind", choices=("photo", "icon"), default="photo")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/images"
        _write(file, arguments.rows, arguments.kind)
        found = measured(file, arguments.rows, arguments.kind)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, rate in found["images_per_second"].items():
        print(f"{name:<28} {rate:>10,.0f} images/s {found['cpu_microseconds'][name]:>8,.0f} CPU us an image")
    for name, value in {**found["ratios"], **found["errors"]}.items():
        print(f"{name:<28} {value:>10.3g}")


def measured(file: str, rows: int, kind: str) -> dict[str, Any]:
    """Rates, ratios, and the errors of the recipes in units of the channel's sigma."""
    schema = text_format.Parse(_SCHEMA, schema_pb2.Schema())
    frozen = analyze(file, schema)
    constants = frozen.constants["photo"]
    results: dict[str, npt.NDArray[np.float64]] = {}
    ways: dict[str, Callable[[], None]] = {
        "decode alone": lambda: _exhaust(_decoded(file, kind).batch(_BATCH)),
        "our analysis": lambda: _ignore(analyze(file, schema)),
        "our input": lambda: _exhaust(normalized_dataset(file, frozen, batch_size=_BATCH)),
        "Keras adapt": lambda: results.update(adapt=_adapted(_decoded(file, kind).batch(_BATCH))),
        "mean of batch means": lambda: results.update(batches=_mean_of_means(_decoded(file, kind).batch(_BATCH))),
    }
    seconds, cpu = dict.fromkeys(ways, float("inf")), dict.fromkeys(ways, float("inf"))
    for _ in range(_TURNS):
        for name, way in ways.items():
            at, spent = time.perf_counter(), time.process_time()
            way()
            seconds[name] = min(seconds[name], time.perf_counter() - at)
            cpu[name] = min(cpu[name], time.process_time() - spent)
    exact = np.array([constants.mean, constants.variance])
    errors = {
        f"{name}: {what}": float(np.max(np.abs(found[at] - exact[at]) / constants.sigma ** (at + 1)))
        for name, found in results.items()
        for at, what in enumerate(("mean", "variance"))
    }
    rates = {name: rows / taken for name, taken in seconds.items()}
    return {
        "kind": kind,
        "rows": rows,
        "images_per_second": rates,
        "pixels_per_second": {name: rate * int(constants.count[0]) / rows for name, rate in rates.items()},
        "cpu_microseconds": {name: 1e6 * spent / rows for name, spent in cpu.items()},
        "ratios": {
            "analysis_ours_over_decode": rates["our analysis"] / rates["decode alone"],
            "input_ours_over_decode": rates["our input"] / rates["decode alone"],
            "ours_over_keras_adapt": rates["our analysis"] / rates["Keras adapt"],
        },
        "errors": errors,
    }


def _write(file: str, rows: int, kind: str) -> None:
    random = np.random.default_rng(8)
    side = 512 if kind == "photo" else 32
    y, x = np.mgrid[0:side, 0:side] / side
    texts = []
    for at in range(min(rows, _DIFFERENT)):
        waves = np.stack([np.sin(x * (5 + at)), np.cos(y * (9 + at)), x - y], axis=-1)
        noisy = 60 + at + 50 * waves + random.normal(0, 8, waves.shape)
        image = noisy.clip(0, 255).astype(np.uint8)
        encoded = tf.io.encode_jpeg(image, quality=90) if kind == "photo" else tf.io.encode_png(image)
        value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded.numpy()]))
        texts.append(tf.train.Example(features=tf.train.Features(feature={"photo": value})).SerializeToString())
    with tf.io.TFRecordWriter(file) as writer:
        for at in range(rows):
            writer.write(texts[at % len(texts)])


def _decoded(file: str, kind: str) -> tf.data.Dataset:
    def decode(record: tf.Tensor) -> tf.Tensor:
        text = tf.io.parse_single_example(record, _SPEC)["photo"]
        if kind == "icon":
            return tf.io.decode_png(text, channels=3)
        return tf.io.decode_jpeg(text, channels=3, dct_method="INTEGER_ACCURATE")

    return tf.data.TFRecordDataset(file).map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def _exhaust(dataset: tf.data.Dataset) -> None:
    for _ in dataset.prefetch(tf.data.AUTOTUNE):
        pass


def _ignore(_: object) -> None: ...


def _adapted(batches: tf.data.Dataset) -> npt.NDArray[np.float64]:
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(batches.map(lambda images: tf.cast(images, tf.float32)).prefetch(tf.data.AUTOTUNE))
    return np.array([np.ravel(layer.mean), np.ravel(layer.variance)], np.float64)


def _mean_of_means(batches: tf.data.Dataset) -> npt.NDArray[np.float64]:
    """The common recipe: mean and variance of each batch, each averaged over the batches."""

    def moments(images: tf.Tensor) -> tf.Tensor:
        return tf.stack(tf.nn.moments(tf.cast(images, tf.float32), [0, 1, 2]))

    return np.asarray(np.mean([each.numpy() for each in batches.map(moments, tf.data.AUTOTUNE)], axis=0, dtype=float))


if __name__ == "__main__":
    main()
