"""The same rows through tf.Transform's own pass on Beam, and through the parallel map that feeds the Trainer."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder
from tfx_bsl.public import tfxio

from components.feature_plan import FeaturePlan, model_names
from components.frozen import FrozenTransform
from components.trainer.input_data import normalized_dataset

Array = npt.NDArray[Any]
Tensors = dict[str, Array]
_BATCH = 256


def by_beam(
    graph: str, schema: schema_pb2.Schema, plan: FeaturePlan, texts: Sequence[bytes], args: Sequence[str]
) -> Tensors:
    """``TransformDataset`` of tf.Transform over the saved transform function, on Beam.

    All rows are one record batch, because Beam keeps no order between batches.

    Args:
      graph: URI of the TransformGraph artifact.
      schema: of the raw examples.
      plan: which of the columns the function takes.
      texts: serialized tf.Examples that hold what the schema's dense columns demand.
      args: Beam's.
    """
    names = {feature.name for feature in plan.read}
    read = schema_pb2.Schema(feature=[feature for feature in schema.feature if feature.name in names])
    batch = example_coder.ExamplesToRecordBatchDecoder(read.SerializeToString()).DecodeBatch(list(texts))
    config = tfxio.TFExampleBeamRecord(physical_format="inmem", schema=read).TensorAdapterConfig()
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(argv=list(args)) as pipeline, tft_beam.Context(temp_dir=folder):
            function = pipeline | tft_beam.ReadTransformFn(graph)
            rows = pipeline | "Rows" >> beam.Create([batch])
            (transformed, _) = ((rows, config), function) | tft_beam.TransformDataset(output_record_batches=True)
            _ = transformed | "Write" >> beam.Map(_write, str(Path(folder, "rows")))
        with pa.OSFile(str(Path(folder, "rows"))) as file, pa.ipc.open_file(file) as reader:
            table = reader.read_all()
    outputs = tft.TFTransformOutput(graph).transformed_feature_spec()
    wanted = [name for f in plan.inputs if f.role != "ignore" for name in model_names(f)]
    return {name: _array(table[name], outputs[name]) for name in wanted if _is_number(outputs[name])}


def by_map(frozen: FrozenTransform, file: str) -> Tensors:
    """The batches of ``normalized_dataset``, one after the other; a column of variable length in one line."""
    dataset = normalized_dataset(file, frozen, batch_size=_BATCH)
    batches = [next(iter(batch)) if isinstance(batch, tuple) else batch for batch in dataset]
    names = [name for f in frozen.plan.inputs if f.role != "ignore" for name in model_names(f)]
    dense = {name: [_dense(batch[name]) for batch in batches] for name in names}
    return {name: np.concatenate(parts) for name, parts in dense.items() if parts[0].dtype.kind in "fi"}


def rows_for_beam(plan: FeaturePlan, rows: Sequence[Mapping[str, Sequence[Any]]]) -> list[int]:
    """Which rows tf.Transform can take at all: a column that the schema gives a ``shape`` has to be there."""
    needed = [feature.name for feature in plan.read if feature.dense]
    return [at for at, row in enumerate(rows) if all(len(row.get(name, ())) for name in needed)]


def _write(result: tuple[pa.RecordBatch, Any], path: str) -> None:
    batch = result[0]
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _is_number(form: Any) -> bool:
    return bool(form.dtype in (tf.float32, tf.int64))


def _array(column: pa.ChunkedArray, form: Any) -> Array:
    rows = column.combine_chunks()
    while isinstance(rows, pa.ChunkedArray):
        rows = rows.chunk(0)
    count = len(rows)
    while pa.types.is_list(rows.type) or pa.types.is_large_list(rows.type):
        rows = rows.flatten()
    values = rows.to_numpy(zero_copy_only=False)
    shape = getattr(form, "shape", None)
    return values if shape is None else values.reshape([count, *shape])


def _dense(value: Any) -> Array:
    return np.asarray(value.values if isinstance(value, tf.SparseTensor) else value)
