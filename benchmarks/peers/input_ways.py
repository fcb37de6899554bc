"""The ways from TFRecords to normalized batches that benchmarks/input_pipeline.py compares.

All read the same files and normalize with the constants of the first one, but "plain", which only parses, and
"materialized", which reads the values that were normalized before. Nothing is shuffled.
"""

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peers.columns import Array
from peers.turns import Way

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@dataclasses.dataclass(frozen=True)
class Task:
    """Features of one shape, and what the ways need to read and normalize them.

    Attributes:
      features: their names.
      shape: of each of them; an image keeps the statistics of its last axis.
      files: raw tf.Examples; the constants are those of the first file.
      normalized_files: the same rows, normalized.
      frozen: the transform that ``analyze`` made.
      transform_output: the folder of tf.Transform's.
    """

    features: tuple[str, ...]
    shape: tuple[int, ...]
    files: Sequence[str]
    normalized_files: Sequence[str]
    batch_size: int
    frozen: Any
    transform_output: str

    def of_one_file(self) -> "Task":
        """The first file alone."""
        return dataclasses.replace(self, files=self.files[:1], normalized_files=self.normalized_files[:1])

    @property
    def spec(self) -> dict[str, Any]:
        """How TensorFlow parses these features."""
        import tensorflow as tf

        return {name: tf.io.FixedLenFeature(self.shape, tf.float32) for name in self.features}


def schema_of(features: Sequence[str], shape: tuple[int, ...]) -> Any:
    """Every feature present in every row and a ``z_score``; an image by its last axis."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    sizes = "".join(f"dim {{ size: {size} }} " for size in shape)
    tags = f"tag: 'z_score' tag: 'axis={len(shape) - 1}'" if shape else "tag: 'z_score'"
    form = f"type: FLOAT presence {{ min_fraction: 1 }} shape {{ {sizes}}} annotation {{ {tags} }}"
    return text_format.Parse("\n".join(f"feature {{ name: '{n}' {form} }}" for n in features), schema_pb2.Schema())


def write_transform(file: str, schema: Any, features: Sequence[str], shape: tuple[int, ...], folder: str) -> None:
    """tf.Transform's graph with ``tft.scale_to_z_score`` of this file, in the layout of ``TFTransformOutput``."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tfx_bsl.public import tfxio

    def preprocessing_fn(inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not shape:
            return {name: tft.scale_to_z_score(inputs[name]) for name in features}
        tables = {name: tf.reshape(inputs[name], [-1, shape[-1]]) for name in features}
        scores = {name: tft.scale_to_z_score(table, elementwise=True) for name, table in tables.items()}
        return {name: tf.reshape(table, [-1, *shape]) for name, table in scores.items()}

    source = tfxio.TFExampleRecord([file], schema=schema, telemetry_descriptors=["input_pipeline"])
    with beam.Pipeline(argv=[RUNNER]) as pipeline, tft_beam.Context(temp_dir=folder + "-temp"):
        batches = pipeline | source.BeamSource()
        transform = (batches, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = transform | tft_beam.WriteTransformFn(folder)


def ways_of(task: Task, *, repeat: bool) -> dict[str, Way]:
    """By the name that the report gives it: each way as a dataset of batches."""
    from components import normalized_dataset

    def like_ours(files: Sequence[str], transform: Any) -> Any:
        return normalized_dataset(files, transform, batch_size=task.batch_size, repeat=repeat, drop_remainder=True)

    parse_only = _parse_only(task)
    return {
        "ours": Way(like_ours(task.files, task.frozen)),
        "plain": Way(like_ours(task.files, parse_only)),
        "tfx_layer": Way(_tfx_layer(task, repeat)),
        "per_element": Way(_per_element(task, repeat)),
        "keras_in_model": Way(like_ours(task.files, parse_only), _keras_step(task)),
        "materialized": Way(like_ours(task.normalized_files, parse_only)),
    }


def _parse_only(task: Task) -> Any:
    """In the place of a FrozenTransform, so that all the rest is the pipeline of ours: parses, and that is all."""
    import tensorflow as tf

    class ParseOnly:
        plan = types.SimpleNamespace(label=None, weight=None, images=())

        def parse(self, serialized: Any) -> Any:
            return tf.io.parse_example(serialized, task.spec)

        def __call__(self, raw: Any) -> Any:
            return raw

    return ParseOnly()


def _tfx_layer(task: Task, repeat: bool) -> Any:
    """As TFX's examples do: tfx_bsl's dataset of raw features, tf.Transform's layer in a map."""
    import tensorflow_transform as tft
    from tfx_bsl.public import tfxio

    source = tfxio.TFExampleRecord(
        list(task.files), schema=schema_of(task.features, task.shape), telemetry_descriptors=["input_pipeline"]
    )
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=task.batch_size, shuffle=False, num_epochs=None if repeat else 1, drop_final_batch=True
    )
    layer = tft.TFTransformOutput(task.transform_output).transform_features_layer()
    return source.TensorFlowDataset(options).map(lambda raw: layer(raw))


def _per_element(task: Task, repeat: bool) -> Any:
    """As tutorials do: one row is parsed and normalized at a time, in parallel, then batched."""
    import tensorflow as tf

    figures = constants(task)

    def normalized(record: Any) -> dict[str, Any]:
        row = tf.io.parse_single_example(record, task.spec)
        return {name: (row[name] - mean) / sigma for name, (mean, sigma) in figures.items()}

    dataset = tf.data.TFRecordDataset(list(task.files), num_parallel_reads=tf.data.AUTOTUNE)
    dataset = dataset.repeat() if repeat else dataset
    dataset = dataset.map(normalized, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(task.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _keras_step(task: Task) -> Any:
    """Stands for a layer in the model: a tf.function a batch, with a preset Normalization over the last axis."""
    import keras
    import tensorflow as tf

    mean, sigma = (np.stack(part) for part in zip(*constants(task).values(), strict=True))
    shape = (len(task.features), *mean.shape[1:]) if not task.shape else mean.shape[1:]
    layer = keras.layers.Normalization(axis=-1, mean=mean.reshape(shape), variance=(sigma**2).reshape(shape))

    @tf.function(autograph=False)
    def step(batch: Mapping[str, Any]) -> Any:
        columns = [batch[name] for name in task.features]
        return layer(columns[0] if task.shape else tf.stack(columns, axis=-1))

    return step


def constants(task: Task) -> dict[str, tuple[Array, Array]]:
    """By feature: float32 mean and sigma, scalars, or by the last axis."""
    found = {name: task.frozen.constants[name] for name in task.features}
    keep = task.shape[-1:]
    return {
        name: (
            np.reshape(each.mean, keep).astype(np.float32),
            np.sqrt(np.reshape(each.variance, keep)).astype(np.float32),
        )
        for name, each in found.items()
    }


def as_table(task: Task, batch: Any) -> Array:
    """A batch as float [rows, all elements], whatever its way makes of it."""
    columns = [np.asarray(batch[name]) for name in task.features] if isinstance(batch, Mapping) else [np.asarray(batch)]
    width = len(task.features) * math.prod(task.shape)
    return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1).reshape(-1, width)
