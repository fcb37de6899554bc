"""Every normalized value is within 1 float32 ulp of exact arithmetic on the stored mean and sigma."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from peers.columns import Column, kinds_of_data

from components import analyze, normalized_dataset

ROWS, SEED = 1_007, 20130101
# TensorFlow flushes subnormal float32 to zero on CPU before anything of ours sees it; a float64 cannot hold every
# int64 from 2**53 on; and a tf.Example holds neither float64 nor float16.
EXEMPT = {"subnormal", "int64 near 2^62", "N(1e8, 1), float64", "pixels 0 … 255, float16"}
KINDS = {name: column for name, column in kinds_of_data(ROWS, SEED).items() if name not in EXEMPT}
DTYPES = {np.dtype(np.float32): "FLOAT", np.dtype(np.int64): "INT"}


def schema_of(column: Column) -> schema_pb2.Schema:
    optional = "value_count { min: 1 max: 1 }"
    role = "z_score_per_key:key" if column.keys is not None else "z_score"
    kind = DTYPES[column.values.dtype]
    parts = [f'feature {{ name: "x" type: {kind} {optional} annotation {{ tag: "{role}" }} }}']
    if column.keys is not None:
        parts.append(f'feature {{ name: "key" type: INT {optional} annotation {{ tag: "ignore" }} }}')
    if column.weights is not None:
        whole = "shape {} presence { min_fraction: 1 }"
        parts.append(f'feature {{ name: "w" type: FLOAT {whole} annotation {{ tag: "weight" }} }}')
    return text_format.Parse("".join(parts), schema_pb2.Schema())


def write(column: Column, path: Path) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for at, value in enumerate(column.values.tolist()):
            features = tf.train.Example().features
            example = tf.train.Example(features=features)
            if column.present is None or column.present[at]:
                into = example.features.feature["x"]
                (into.int64_list if isinstance(value, int) else into.float_list).value.append(value)
            if column.keys is not None:
                example.features.feature["key"].int64_list.value.append(int(column.keys[at]))
            if column.weights is not None:
                example.features.feature["w"].float_list.value.append(float(column.weights[at]))
            writer.write(example.SerializeToString())
    return str(path)


def exact_z(value: float, mean: float, sigma: float) -> Fraction:
    return (Fraction(value) - Fraction(mean)) / Fraction(sigma) if sigma else Fraction(0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_outputs_are_within_one_ulp_of_exact_arithmetic(kind: str, tmp_path: Path) -> None:
    column = KINDS[kind]
    file = write(column, tmp_path / "rows")
    frozen = analyze(file, schema_of(column))
    batches = [b[0] if isinstance(b, tuple) else b for b in normalized_dataset(file, frozen, batch_size=256)]
    found = np.concatenate([batch["x"].numpy() for batch in batches])
    assert found.dtype == np.float32
    constants = frozen.constants["x"]
    by_key = constants.by_key
    worst = Fraction(0)
    for at, value in enumerate(column.values.tolist()):
        if (column.present is not None and not column.present[at]) or not np.isfinite(value):
            assert found[at] == 0
            continue
        if isinstance(value, int) and abs(value) >= 2**53:
            continue  # exempt, see above
        place = None if by_key is None or column.keys is None else by_key.keys.index(str(column.keys[at]).encode())
        mean = float(constants.mean) if place is None or by_key is None else float(by_key.mean[place])
        sigma = float(constants.sigma) if place is None or by_key is None else float(by_key.sigma[place])
        exact = exact_z(value, mean, sigma)
        if abs(exact) < Fraction(float(np.finfo(np.float32).tiny)):
            continue
        spacing = Fraction(float(np.spacing(np.abs(np.float32(float(exact))))))
        worst = max(worst, abs(Fraction(float(found[at])) - exact) / spacing)
    assert worst <= 1
    print(f"{kind}: at most {float(worst):.3f} ulp")
