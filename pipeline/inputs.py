"""What a run reads, checked and fingerprinted before anything heavy is imported."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format

from components.cache.file_digest import file_digest
from components.constants import FILE_NAME, NormalizationConstants
from components.errors import ConfigError, DataError, InputError
from components.example_gen.span_pattern import has_span, window_of
from components.feature_plan import FeaturePlan
from components.step_settings import StepSettings
from components.transform.pinned import fitted
from pipeline.config import DataSection, PipelineConfig
from pipeline.where import constants_at
from schemas.columns import columns_only
from schemas.loader import load_schema


def checked_plan(config: PipelineConfig) -> FeaturePlan:
    """The schema's feature plan.

    Raises:
      SchemaError: the schema cannot be used.
      ConfigError: a column that the configuration names is not in the schema, or the schema has no label.
    """
    plan = FeaturePlan.from_schema(load_schema(config.data.schema))
    names = {feature.name for feature in plan.features}
    partition = (config.data.partition_feature,) if config.data.partition_feature else ()
    for key, columns in (("data.require", config.data.require), ("data.partition_feature", partition)):
        for column in columns:
            if column not in names:
                raise ConfigError(f"{key} names the column {column!r}, which is not in {config.data.schema}.")
    if plan.label is None:
        raise ConfigError(
            f"{config.data.schema} tags no feature as 'label', and a {config.pipeline.task} model needs one. "
            "Add annotation { tag: 'label' } to the column to predict."
        )
    return plan


def pinned_constants(config: PipelineConfig, plan: FeaturePlan) -> NormalizationConstants | None:
    """The existing constants that ``[transform] constants`` names, under the plan; None where the data are analysed.

    Raises:
      ConfigError: no usable constants there.
      SchemaError: they do not fit the plan; everything that does not is listed.
    """
    where = config.transform.constants
    if not where:
        return None
    try:
        constants = constants_at(where)
    except InputError as error:
        raise ConfigError(f"transform.constants: {error}") from error
    return fitted(constants, plan, where)


def stored_constants(config: PipelineConfig, plan: FeaturePlan, root: Path) -> tuple[str, str]:
    """A copy of the pinned constants at a path of their own digest, and that digest; two empty texts without any."""
    constants = pinned_constants(config, plan)
    if constants is None:
        return "", ""
    folder = root / "constants" / constants.digest
    folder.mkdir(parents=True, exist_ok=True)
    constants.save(folder / FILE_NAME)
    return str(folder), constants.digest


def stored_settings(config: PipelineConfig, root: Path) -> str:
    """Writes the settings of the steps to ``<root>/settings.json`` and returns that path.

    Raises:
      ConfigError: the cache's folder, where it is local and spans need it, cannot be made or written.
    """
    cache = config.cache.dir or str(root / "cache")
    if has_span(config.data.path) and "://" not in cache:
        try:
            Path(cache).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cache.dir {cache} cannot be a folder: {error.strerror}. Choose another one.") from error
        if not os.access(cache, os.W_OK):
            raise ConfigError(f"cache.dir {cache} cannot be written. Change its mode or owner, or choose another one.")
    target = root / "settings.json"
    target.write_text(StepSettings(cache, config.cache.max_bytes, config.beam.fanout).to_json(), encoding="utf-8")
    return str(target)


def check_data_exists(data: DataSection) -> None:
    """Returns where there are files to read, or a bundled data set that can be made.

    Raises:
      DataError: no such file.
    """
    if data.format != "bigquery" and not data.dataset:
        data_files(data)


def data_files(data: DataSection) -> list[str]:
    """The files that a run reads, sorted; of a path with spans those of its window.

    Raises:
      DataError: there are none.
    """
    from components.example_gen.spans import window_files
    from components.example_gen.tables import list_files

    if not has_span(data.path):
        return sorted(list_files(data.path))
    by_span = window_files([data.path], window_of(data.window, data.spans))
    return sorted(path for files in by_span.values() for _, path in files)


def check_format(data: DataSection) -> None:
    """Returns unless a file that should be a TFRecord is none; tables say so themselves while they are read.

    Raises:
      DataError: naming the file.
    """
    if data.format == "tfrecord":
        from components.example_gen.tfrecords import check_tfrecords

        check_tfrecords(data_files(data))


def data_digest(data: DataSection) -> str:
    """Hex SHA-256 that changes with the data: of every file's name and bytes, or of name, size and time.

    Names count relative to the files' common folder, so a copy elsewhere has the same digest; of spans those of the
    window alone count. Remote files
    and ``fingerprint = "stat"`` take size and modification time. BigQuery: of the query's text.

    Raises:
      DataError: no such file.
    """
    if data.format == "bigquery":
        return hashlib.sha256(data.query.encode()).hexdigest()
    by_content = data.fingerprint == "content" and "://" not in data.path
    return digest_of_files(data_files(data), by_content=by_content)


def digest_of_files(files: Sequence[str], *, by_content: bool) -> str:
    """See ``data_digest``; ``files`` are paths or URIs, at least one."""
    digest = hashlib.sha256(b"content" if by_content else b"stat")
    folder = os.path.dirname(files[0]) if len(files) == 1 else os.path.commonpath(files)
    for file in files:
        mark = _content_mark(file) if by_content else _stat_mark(file)
        digest.update(f"\0{os.path.relpath(file, folder)}\0{mark}".encode())
    return digest.hexdigest()


def stored_schema(schema: str, root: Path) -> str:
    """Copies the schema to ``<root>/schema/<first 12 of its digest>/schema.pbtxt`` and returns that path.

    ImportSchemaGen's cache key holds the path alone: an edited schema must have another one.
    """
    return _stored(read_bytes(schema), root / "schema")


def stored_columns(schema: str, root: Path) -> str:
    """The same for the part of the schema that ExampleGen needs: an edited tag leaves its path alone."""
    columns = text_format.MessageToString(columns_only(load_schema(schema)))
    return _stored(columns.encode(), root / "columns")


def _stored(content: bytes, folder: Path) -> str:
    target = folder / hashlib.sha256(content).hexdigest()[:12] / "schema.pbtxt"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"Cannot write {target}: {error.strerror}. Choose another --root.") from error
    return str(target)


def read_bytes(path: str) -> bytes:
    """All of a file, a local path or a URI."""
    if "://" not in path:
        return Path(path).read_bytes()
    import tensorflow as tf

    with tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())


def _content_mark(file: str) -> str:
    try:
        return file_digest(file, lambda: Path(file).open("rb"))
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}.") from error


def _stat_mark(file: str) -> str:
    if "://" not in file:
        found = Path(file).stat()
        return f"{found.st_size} {found.st_mtime_ns}"
    import tensorflow as tf

    remote = tf.io.gfile.stat(file)
    return f"{remote.length} {remote.mtime_nsec}"
