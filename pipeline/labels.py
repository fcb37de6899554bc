"""The labels of a split, which the baseline of the evaluation needs."""

from pathlib import Path
from typing import Any

from components.feature_plan import Feature

_BATCH = 10_000  # rows parsed at once; parsing one column is then bound by reading


def read_labels(examples_uri: str, split: str, label: Feature) -> list[Any]:
    """The label of every row of a split that has one, in file order: bytes, int or float."""
    import tensorflow as tf

    from components.frozen.record_files import compression_of

    files = sorted(str(file) for file in (Path(examples_uri) / f"Split-{split}").glob("*"))
    dtype = {"float32": tf.float32, "int64": tf.int64, "bytes": tf.string}[label.dtype]
    spec = {label.name: tf.io.VarLenFeature(dtype)}
    compression = compression_of(files[0]) if files else ""
    rows = tf.data.TFRecordDataset(files, compression_type=compression).batch(_BATCH)
    parsed = rows.map(lambda batch: tf.io.parse_example(batch, spec)[label.name].values, num_parallel_calls=2)
    return [value for values in parsed.as_numpy_iterator() for value in values.tolist()]
