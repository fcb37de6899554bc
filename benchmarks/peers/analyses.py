"""Peers that read files: this project's ``analyze``, and tf.Transform's z-scores, both from one file of tf.Examples."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from peers.columns import BATCH, KEYS, Array, Column, Figures

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
FIGURES = ("mean", "variance")
ENGINES = ("analyze()", "analyze(), Beam")

# By column: the figures of each of its groups, or None where the peer does not take such a column.
Answers = dict[str, Sequence[Figures] | None]


def _stored(values: Array) -> Array:
    """As a tf.Example can hold it: float64 as its bits in an int64, float16 as the same number in float32."""
    if values.dtype == np.float64:
        return values.view(np.int64)
    return values if values.dtype == np.int64 else values.astype(np.float32)


def write_records(file: str, columns: Sequence[Column]) -> None:
    """One tf.Example a row: all columns, a key, and a ``<name>_weight`` for each column that has weights."""
    import tensorflow as tf

    def feature(value: Any) -> Any:
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    with tf.io.TFRecordWriter(file) as writer:
        for row in range(len(columns[0].values)):
            features = {"key": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"k%d" % (row % KEYS)]))}
            for column in columns:
                if column.present is None or column.present[row]:
                    features[column.name] = feature(_stored(column.values[row : row + 1]).item())
                if column.weights is not None:
                    features[f"{column.name}_weight"] = feature(column.weights[row].item())
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def _schema(columns: Sequence[Column], weight: str = "") -> Any:
    """The columns with their roles, the key, and the weight if there is one."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    def entry(name: str, kind: str, role: str, form: str = "presence { min_fraction: 1 } shape {}") -> str:
        return f'feature {{ name: "{name}" type: {kind} {form} annotation {{ tag: "{role}" }} }}'

    entries = [entry("key", "BYTES", "ignore")]
    for column in columns:
        role = "z_score" if column.keys is None else "z_score_per_key:key"
        kind = "INT" if _stored(column.values[:1]).dtype == np.int64 else "FLOAT"
        sparse = "value_count { min: 1 max: 1 }"
        entries.append(entry(column.name, kind, role, *(() if column.present is None else (sparse,))))
    if weight:
        entries.append(entry(weight, "FLOAT", "weight"))
    return text_format.Parse("\n".join(entries), schema_pb2.Schema())


def by_analysis(file: str, columns: Sequence[Column]) -> dict[str, Answers]:
    """Both engines of ``analyze``; columns with weights are analysed one by one, with their weight."""
    from components import analyze

    held = [column for column in columns if column.values.dtype != np.float64]
    plain = [column for column in held if column.weights is None]
    answers: dict[str, Answers] = {name: {c.name: None for c in columns} for name in ENGINES}
    for members in (plain, *([column] for column in held if column.weights is not None)):
        schema = _schema(members, "" if members is plain else f"{members[0].name}_weight")
        found = {
            "analyze()": analyze(file, schema).constants,
            "analyze(), Beam": analyze(file, schema, engine="beam", beam_args=[RUNNER]).constants,
        }
        for peer, constants in found.items():
            for column in members:
                figures = constants[column.name] if column.keys is None else constants[column.name].by_key
                pairs = zip(figures.mean.ravel().tolist(), figures.variance.ravel().tolist(), strict=True)
                answers[peer][column.name] = list(pairs)
    return answers


def by_tft(file: str, columns: Sequence[Column]) -> dict[str, Answers]:
    """The statistics behind ``tft.scale_to_z_score`` and ``..._per_key``, of the functions that those two call."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform import analyzers
    from tensorflow_transform.tf_metadata import schema_utils
    from tfx_bsl.public import tfxio

    kinds = {"tft": False, "tft elementwise": True}
    measured = [column for column in columns if column.weights is None]

    def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
        rows, outputs = tf.shape(inputs["key"])[0], {}

        def keep(name: str, figures: Any) -> None:
            # An output is float32, int64 or text: float64 leaves as its bits, as it came.
            wide = figures.dtype == tf.float64
            held = tf.bitcast(figures, tf.int64) if wide else tf.cast(figures, tf.float32)
            outputs[name] = tf.tile(tf.reshape(held, [1, -1]), [rows, 1])

        for column in measured:
            x = inputs[column.name]
            if column.values.dtype == np.float64:
                x = tf.bitcast(x, tf.float64)
            elif column.values.dtype == np.float16:
                x = tf.cast(x, tf.float16)
            for kind, elementwise in kinds.items():
                name, whole = f"{kind}/{column.name}", not elementwise
                # tf.Transform labels its stages by the scope and refuses two of a name.
                with tf.compat.v1.name_scope(name.replace(" ", "_")):
                    if column.keys is None:
                        mean, variance = analyzers._mean_and_var(x, whole)
                    else:
                        keys, *figures = analyzers._mean_and_var_per_key(x, inputs["key"], whole)
                        order = tf.argsort(tf.strings.to_number(tf.strings.substr(keys, 1, 9)))
                        mean, variance = (tf.gather(each, order) for each in figures)
                keep(f"{name}/mean", mean)
                keep(f"{name}/variance", variance)
        return outputs

    schema = _schema(measured)
    source = tfxio.TFExampleRecord([file], schema=schema, telemetry_descriptors=["accuracy"])
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(argv=[RUNNER]) as pipeline, tft_beam.Context(temp_dir=folder):
            batches = pipeline | source.BeamSource(batch_size=BATCH)
            transform = (batches, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing_fn)
            _ = transform | tft_beam.WriteTransformFn(folder)
        row = next(iter(tf.data.TFRecordDataset(file).batch(1)))
        raw = tf.io.parse_example(row, schema_utils.schema_as_feature_spec(schema).feature_spec)
        found = tft.TFTransformOutput(folder).transform_raw_features(raw)
    answers: dict[str, Answers] = {kind: {c.name: None for c in columns} for kind in kinds}
    for kind in kinds:
        for column in measured:
            held = [found[f"{kind}/{column.name}/{what}"].numpy()[0] for what in FIGURES]
            figures = [each.view(np.float64) if each.dtype == np.int64 else each for each in held]
            answers[kind][column.name] = list(zip(*(each.tolist() for each in figures), strict=True))
    return answers
