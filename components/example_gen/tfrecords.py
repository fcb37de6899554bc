"""A first look into TFRecord files, so that a file of another kind is refused by name before a pipeline starts."""

import re
from collections.abc import Sequence

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.errors import DataError

# TensorFlow's names of its own graph, around what it says.
_GRAPH_NAMES = re.compile(r"^\{\{.*?\}\}\s*|\s*\[Op:.*")


def check_tfrecords(files: Sequence[str]) -> None:
    """Reads the first record of each file.

    Args:
      files: plain or, by the name's ending ``.gz``, gzip TFRecords of tf.Examples.

    Raises:
      DataError: a file that is no TFRecord, or whose first record is no tf.Example with a feature; or all are empty.
    """
    records = [record for file in files for record in _first_record(file)]
    if not records:
        raise DataError(f"{', '.join(files[:3])}: no record in any file. Give TFRecords of tf.Examples.")


def _first_record(file: str) -> list[bytes]:
    dataset = tf.data.TFRecordDataset(file, compression_type="GZIP" if file.endswith(".gz") else "")
    advice = "Write tf.Examples with tf.io.TFRecordWriter, or name another data.format."
    try:
        found = [bytes(record) for record in dataset.take(1).as_numpy_iterator()]
        examples = [tf.train.Example.FromString(record) for record in found]
    except tf.errors.OpError as error:
        raise DataError(f"{file} is not a TFRecord file: {_reason(error)}. {advice}") from error
    except DecodeError as error:
        raise DataError(f"{file} holds records that are not tf.Examples. {advice}") from error
    if any(not example.features.feature for example in examples):
        raise DataError(f"{file}: the first record holds no feature of a tf.Example. {advice}")
    return found


def _reason(error: tf.errors.OpError) -> str:
    return _GRAPH_NAMES.sub("", error.message.splitlines()[0]).rstrip(".")
