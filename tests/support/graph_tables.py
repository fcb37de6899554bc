"""Small tables, their constants and the graph that holds them, without a runner."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.constants import NormalizationConstants
from components.feature_plan import Feature, FeaturePlan
from components.frozen import FrozenTransform
from components.moments.columns import SparseParts
from components.moments.fingerprint import fingerprints
from components.moments.finish import finish
from components.moments.table_statistics import TableStatistics, columns_read
from components.moments.wire import encode
from components.transform.preprocessing import apply_plan

Row = Mapping[str, Any]
_DTYPES = {"float32": np.float32, "int64": np.int64, "bytes": object}


def feature(name: str, kind: str, *tags: str, shape: str | None = None) -> str:
    """A feature of a schema in text form.

    ``shape`` is such as "2,3", "" for a scalar, None where a row may lack it, "variable" for any number of values.
    """
    form = "" if shape == "variable" else "value_count { min: 1 max: 1 }"
    if shape not in (None, "variable"):
        sizes = " ".join(f"dim {{ size: {size} }}" for size in shape.split(",") if size)
        form = f"shape {{ {sizes} }} presence {{ min_fraction: 1 }}"
    listed = " ".join(f'tag: "{tag}"' for tag in tags)
    return f'feature {{ name: "{name}" type: {kind} {form} annotation {{ {listed} }} }}\n'


def plan_of(*features: str) -> FeaturePlan:
    """The plan of a schema made of these features."""
    return FeaturePlan.from_schema(text_format.Parse("".join(features), schema_pb2.Schema()))


def sparse_parts(values: Sequence[Any], dtype: Any) -> SparseParts:
    """A column in which None is a row without a value, and a list holds the values of its row."""
    lists = [[] if value is None else value if isinstance(value, list) else [value] for value in values]
    indices = np.array([[row, at] for row, held in enumerate(lists) for at in range(len(held))], np.int64)
    found = np.array([value for held in lists for value in held], dtype)
    return SparseParts(indices.reshape(-1, 2), found, np.array([len(lists), max([1, *map(len, lists)])], np.int64))


def numpy_columns(features: Iterable[Feature], rows: Sequence[Row]) -> list[Any]:
    """What tf.Transform would hand to the analyzer for these rows."""
    columns: list[Any] = []
    for item in features:
        values = [row.get(item.name) for row in rows]
        dtype = _DTYPES[item.dtype]
        columns.append(np.array(values, dtype) if item.dense else sparse_parts(values, dtype))
    return columns


def tensors(plan: FeaturePlan, rows: Sequence[Row], *, label: bool = True) -> dict[str, Any]:
    """The raw tensors of these rows, as a parser gives them."""
    features = [item for item in plan.read if label or item.role not in ("label", "weight")]
    return {
        item.name: tf.SparseTensor(*column) if isinstance(column, SparseParts) else tf.constant(column)
        for item, column in zip(features, numpy_columns(features, rows), strict=True)
    }


def constants_of(plan: FeaturePlan, rows: Sequence[Row]) -> NormalizationConstants:
    """The constants of these rows."""
    return finish(plan, TableStatistics.of(plan, numpy_columns(columns_read(plan), rows)))


def measured_constants(plan: FeaturePlan, rows: Sequence[Row]) -> tf.Tensor:
    """What the analyzer gives for these rows."""
    return tf.constant(encode(constants_of(plan, rows), fingerprints))


def transformed(plan: FeaturePlan, train: Sequence[Row], rows: Sequence[Row] | None = None) -> dict[str, Any]:
    """What ``apply_plan`` makes of ``rows`` by the constants of ``train``, as NumPy arrays; 0 where one is sparse."""
    measured = measured_constants(plan, train)
    outputs = apply_plan(tensors(plan, train if rows is None else rows), plan, lambda *_: measured)
    return {name: tf.sparse.to_dense(x).numpy() if is_sparse(x) else x.numpy() for name, x in outputs.items()}


def is_sparse(column: Any) -> bool:
    """Whether it is a SparseTensor."""
    return isinstance(column, tf.SparseTensor)


def write_transform_graph(plan: FeaturePlan, train: Sequence[Row], folder: Path) -> FrozenTransform:
    """A folder like a TransformGraph artifact, whose graph holds the constants of ``train``; loaded."""
    measured = measured_constants(plan, train)
    raw = {name: tf.type_spec_from_value(column) for name, column in tensors(plan, train).items()}
    spec = {
        name: tf.SparseTensorSpec([None, None], column.dtype)
        if isinstance(column, tf.SparseTensorSpec)
        else tf.TensorSpec([None, *column.shape[1:]], column.dtype)
        for name, column in raw.items()
    }
    module = tf.Module()
    module.transform_fn = tf.function(lambda inputs: apply_plan(inputs, plan, lambda *_: measured), [spec])
    tf.saved_model.save(module, str(folder / "transform_fn"))
    return FrozenTransform.load(folder)


def serialized(plan: FeaturePlan, row: Row) -> bytes:
    """The row as a tf.Example; None and what is not there is absent."""
    example = tf.train.Example()
    for item in plan.features:
        value = row.get(item.name)
        if value is None:
            continue
        values = np.ravel(np.array(value, _DTYPES[item.dtype])).tolist()
        into = example.features.feature[item.name]
        if item.dtype == "bytes":
            into.bytes_list.value.extend(values)
        elif item.dtype == "int64":
            into.int64_list.value.extend(values)
        else:
            into.float_list.value.extend(values)
    return example.SerializeToString()


def write_records(plan: FeaturePlan, rows: Sequence[Row], file: Path) -> Path:
    """A TFRecord file of the rows, gzip if its name says so."""
    with tf.io.TFRecordWriter(str(file), "GZIP" if file.suffix == ".gz" else "") as writer:
        for row in rows:
            writer.write(serialized(plan, row))
    return file
