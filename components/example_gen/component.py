"""ArrowExampleGen: TFX's file-based ExampleGen, fed by Arrow's CSV and Parquet readers, or by folders of images."""

from collections.abc import Sequence
from typing import Literal

from tfx.components.example_gen import component, utils
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.cache.shelf import DEFAULT_MAX_BYTES
from components.errors import ConfigError
from components.example_gen.custom_options import custom_config
from components.example_gen.driver import Driver
from components.example_gen.executor import Executor
from components.example_gen.span_pattern import base_and_pattern, check_pattern, glob_of, window_of

# A table split without further word: 4 of 5 rows to train, by hash.
DEFAULT_BUCKETS = {"train": 4, "eval": 1}


class ArrowExampleGen(component.FileBasedExampleGen):  # type: ignore[misc]
    """Tables (CSV, Parquet) and folders of images to tf.Examples, split by a hash that is the same on every stack.

    Output ``examples``: a standard Examples artifact; its custom properties ``rows_read``, ``rows_left_out`` and
    ``rows_<split>`` say what became of the rows. With a window also ``spans``, its spans, and ``spans_converted``,
    those of them that were read in this run, both as JSON, and ``entries_evicted``, of the cache; the files then are
    ``span-<number>-data_tfrecord-*``.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

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
        window: int | None = None,
        spans: Sequence[str] = (),
        fingerprint: Literal["content", "stat"] = "content",
        cache_dir: str = "",
        cache_max_bytes: int = DEFAULT_MAX_BYTES,
        settings_file: str = "",
    ) -> None:
        """Describes the node.

        Args:
          input_base: the folder of the data; without ``input_config`` also a single file or a glob.
          input_config: as for FileBasedExampleGen: one input split, or several that become the output splits.
          output_config: hash buckets, and a partition feature if wanted; 4 : 1 train and eval by default.
          schema_uri: a schema file or a Schema artifact's folder; its types win, its columns must be there.
          data_format: ``csv``, ``parquet``, or ``images``: see ``components.example_gen.image_folder``.
          null_values: cells of CSV that are missing; ``tables.DEFAULT_NULL_VALUES`` where None.
          require: rows that lack one of these columns are left out, and counted.
          content_digest: of the data, if the caller has one: part of TFX's cache key.
          code_digest: of the code that reads them: part of TFX's cache key.
          window: takes the newest so many spans of a span pattern (``example_gen.span_pattern`` has the vocabulary)
            into one artifact, all for 0. Without ``window`` and ``spans``, TFX's own driver takes the newest span.
          spans: the first and the last span to take instead, both included, as numbers or as dates (2013-01-31).
          fingerprint: what tells that a span has changed: its bytes, or ``stat``, names, sizes and times.
          cache_dir: where converted spans are kept, so that only new and changed ones are read; a path or URI.
          cache_max_bytes: of all that lies below it; what was not used for longest leaves first.
          settings_file: ``components.step_settings``, read when the step runs: its cache counts, and is no part of
            TFX's cache key.

        Raises:
          ConfigError: a window without a span pattern, or a cache without ``code_digest``.
        """
        if input_config is None:
            input_base, pattern = base_and_pattern(input_base, data_format)
            input_config = utils.make_default_input_config(pattern)
        if output_config is None:
            several = isinstance(input_config, example_gen_pb2.Input) and len(input_config.splits) > 1
            output_config = example_gen_pb2.Output() if several else default_output_config()
        patterns: list[str] | None = None
        bounds = window_of(window or 0, spans)
        if window is not None or spans:
            input_config, patterns = _hidden(input_config)
        if (cache_dir or settings_file) and not code_digest:
            raise ConfigError(
                f"The cache of {cache_dir or settings_file} needs a code_digest, so that what older code converted is "
                "not used. Give a digest or a version of the code that is installed."
            )
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
                span_patterns=patterns,
                window=bounds.newest if patterns else None,
                first_span=bounds.first,
                last_span=bounds.last,
                fingerprint=fingerprint if patterns else None,
                cache_dir=(cache_dir or None) if patterns else None,
                cache_max_bytes=cache_max_bytes if patterns and cache_dir else None,
                settings_file=(settings_file or None) if patterns else None,
            ),
        )


def _hidden(config: example_gen_pb2.Input) -> tuple[example_gen_pb2.Input, list[str]]:
    """The input with globs for its span patterns, which TFX's driver would resolve to one span, and the patterns."""
    patterns = [split.pattern for split in config.splits]
    hidden = example_gen_pb2.Input()
    for split in config.splits:
        check_pattern(split.pattern)
        hidden.splits.add(name=split.name, pattern=glob_of(split.pattern))
    return hidden, patterns


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
