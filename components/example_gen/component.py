"""ArrowExampleGen: TFX's file-based ExampleGen, fed by Arrow's CSV and Parquet readers."""

import posixpath
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import struct_pb2
from tfx.components.example_gen import component, utils
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.example_gen.executor import Executor

# A table split without further word: 4 of 5 rows to train, by hash.
DEFAULT_BUCKETS = {"train": 4, "eval": 1}


class ArrowExampleGen(component.FileBasedExampleGen):  # type: ignore[misc]
    """Tables (CSV, Parquet) to tf.Examples, split by a hash of the row that is the same on every stack.

    Output ``examples``: a standard Examples artifact; its custom properties ``rows_read``, ``rows_left_out`` and
    ``rows_<split>`` say what became of the rows.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str,
        input_config: example_gen_pb2.Input | None = None,
        output_config: example_gen_pb2.Output | None = None,
        schema_uri: str | None = None,
        data_format: str = "csv",
        null_values: Sequence[str] | None = None,
        require: Sequence[str] = (),
        content_digest: str = "",
        code_digest: str = "",
    ) -> None:
        """Describes the node.

        Args:
          input_base: the folder of the data; without ``input_config`` also a single file or a glob.
          input_config: as for FileBasedExampleGen: one input split, or several that become the output splits.
          output_config: hash buckets, and a partition feature if wanted; 4 : 1 train and eval by default.
          schema_uri: a schema file or a Schema artifact's folder; its types win, its columns must be there.
          data_format: ``csv`` or ``parquet``.
          null_values: cells of CSV that are missing; ``tables.DEFAULT_NULL_VALUES`` where None.
          require: rows that lack one of these columns are left out, and counted.
          content_digest: of the data, if the caller has one: part of TFX's cache key.
          code_digest: of the code that reads them: part of TFX's cache key.
        """
        if input_config is None:
            input_base, pattern = base_and_pattern(input_base)
            input_config = utils.make_default_input_config(pattern)
        if output_config is None:
            several = isinstance(input_config, example_gen_pb2.Input) and len(input_config.splits) > 1
            output_config = example_gen_pb2.Output() if several else default_output_config()
        super().__init__(
            input_base=input_base,
            input_config=input_config,
            output_config=output_config,
            custom_config=custom_config(
                schema_uri=schema_uri,
                data_format=data_format,
                null_values=None if null_values is None else list(null_values),
                require=list(require) or None,
                content_digest=content_digest or None,
                code_digest=code_digest or None,
            ),
        )


def default_output_config() -> example_gen_pb2.Output:
    """Train and eval, 4 : 1, by the hash of the row."""
    return example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[
                example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets)
                for name, buckets in DEFAULT_BUCKETS.items()
            ]
        )
    )


def custom_config(**options: str | list[str] | None) -> example_gen_pb2.CustomConfig:
    """Options as an ExampleGen's ``custom_config``, which is part of TFX's cache key; None leaves one out."""
    struct = struct_pb2.Struct()
    struct.update({name: value for name, value in options.items() if value is not None})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(struct, deterministic=True)
    return config


def base_and_pattern(path: str) -> tuple[str, str]:
    """A folder and the pattern below it: ``data/*.csv`` and ``data/x.csv`` are split, ``data`` is taken whole.

    A local path is looked at; of a remote one, a last part with a dot in it is taken for a file.
    """
    parts = path.rstrip("/").split("/")
    wild = next((index for index, part in enumerate(parts) if any(mark in part for mark in "*?[{")), None)
    if wild is None:
        is_file = "." in parts[-1] and not path.endswith("/") if "://" in path else Path(path).is_file()
        wild = len(parts) - 1 if is_file else None
    if wild is None:
        return path, "*"
    return "/".join(parts[:wild]) or ("/" if path.startswith("/") else "."), posixpath.join(*parts[wild:])
