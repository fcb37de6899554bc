"""Options of ArrowExampleGen as TFX carries them: a Struct in ``custom_config``, which is part of TFX's cache key."""

from typing import Any

from google.protobuf import json_format, struct_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.errors import DataError


def custom_config(**options: str | int | list[str] | None) -> example_gen_pb2.CustomConfig:
    """Options as an ExampleGen's ``custom_config``, which is part of TFX's cache key; None leaves one out."""
    struct = struct_pb2.Struct()
    struct.update({name: value for name, value in options.items() if value is not None})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(struct, deterministic=True)
    return config


def options_of(exec_properties: dict[str, Any]) -> dict[str, Any]:
    """The options again; whole numbers have become floats.

    Raises:
      DataError: the properties hold something else.
    """
    custom = example_gen_pb2.CustomConfig()
    if exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY):
        proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], custom)
    struct = struct_pb2.Struct()
    if custom.HasField("custom_config") and not custom.custom_config.Unpack(struct):
        raise DataError("custom_config of ArrowExampleGen must be a google.protobuf.Struct; use the constructor.")
    options: dict[str, Any] = json_format.MessageToDict(struct)
    return options
