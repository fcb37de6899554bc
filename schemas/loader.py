"""Text proto -> tensorflow_metadata Schema, with errors a person can act on."""

import os
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from schemas.errors import SchemaError


def load_schema(path: str | os.PathLike[str]) -> schema_pb2.Schema:
    """The schema in a text-proto file: a local path, or a URI with a scheme (read through ``tf.io.gfile``).

    Raises:
      SchemaError: the file cannot be read, is no Schema, or names a feature twice.
    """
    text = _read(str(path))
    try:
        schema: schema_pb2.Schema = text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise SchemaError(f"{path}: not a tensorflow_metadata Schema in text format: {error}") from error
    names = [feature.name for feature in schema.feature]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(f"{path}: the feature {twice[0]!r} is declared more than once. Keep one of them.")
    if "" in names:
        raise SchemaError(f"{path}: feature number {names.index('') + 1} has no name. Give it the column's name.")
    if not names:
        raise SchemaError(f"{path}: declares no feature. Write one `feature {{ ... }}` block for each column.")
    return schema


def _read(path: str) -> str:
    try:
        if "://" in path:
            import tensorflow as tf

            try:
                with tf.io.gfile.GFile(path) as file:
                    return str(file.read())
            except tf.errors.OpError as error:
                raise OSError(error.message) from error
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SchemaError(f"No schema at {path}. Give the path of a .pbtxt file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"Cannot read the schema {path}: {error}") from error
