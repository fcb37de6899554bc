"""The part of a schema that reading the data depends on: names, types, and which values may be absent."""

from tensorflow_metadata.proto.v0 import schema_pb2

# What an ExampleGen asks of a schema's tags: an ignored column may be absent from the data.
_TAGS_THAT_MATTER = ("ignore",)


def columns_only(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """The schema without roles, options, domains and comments, so that an edited tag does not read the data again."""
    reduced = schema_pb2.Schema()
    for feature in schema.feature:
        column = reduced.feature.add(name=feature.name, type=feature.type, lifecycle_stage=feature.lifecycle_stage)
        for field in ("presence", "shape", "value_count"):
            if feature.HasField(field):
                getattr(column, field).CopyFrom(getattr(feature, field))
        column.annotation.tag.extend(tag for tag in feature.annotation.tag if tag in _TAGS_THAT_MATTER)
    return reduced
