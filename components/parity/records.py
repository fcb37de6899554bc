"""The first records of files of tf.Examples, and what stands in one."""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from components.errors import DataError
from components.frozen.record_files import compression_of
from components.parity.reference import Row

_BATCH = 256


def first_records(files: Sequence[str], rows: int) -> list[bytes]:
    """The first records of TFRecord files; raises DataError where there is none."""
    texts: list[bytes] = []
    for file in files:
        if len(texts) < rows:
            records = tf.data.TFRecordDataset(file, compression_of(file)).take(rows - len(texts))
            for batch in records.batch(_BATCH):
                texts += batch.numpy().tolist()
    if not texts:
        raise DataError(f"{files[0]} and {len(files) - 1} more files hold no record: give the examples to check.")
    return texts


def row_of(text: bytes) -> Row:
    """A serialized tf.Example as values by the schema's own names."""
    features = tf.train.Example.FromString(text).features.feature
    return {name: list(_values(feature)) for name, feature in features.items()}


def _values(feature: Any) -> Iterator[Any]:
    kind = feature.WhichOneof("kind")
    return iter(getattr(feature, kind).value) if kind else iter(())
