"""Ways from stored rows to every feature's mean and variance, and reading alone; each for a process of its own.

A way imports what it needs, then returns what is to be timed: a function that does the work and returns one that tells
``[means, variances]`` (None for reading alone), which is not timed.
"""

import os
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from peers.stored_rows import Figures, Rows, Work, of_constants
from peers.transform_executors import ours, stock

# The fastest for Keras among 1,024 to 65,536 rows, and no less precise.
ADAPT_ROWS, ADAPT_BYTES = 16_384, 32 << 20


def _keras_adapt(rows: Rows, _: Path) -> Work:
    import tensorflow as tf

    from components import normalized_dataset

    class Stacked:
        """In the place of a FrozenTransform, so that the pipeline is that of our trainer: parses and stacks."""

        plan = types.SimpleNamespace(label=None, weight=None, images=())
        constants = types.SimpleNamespace(rows=1)

        def parse(self, serialized: Any) -> Any:
            return tf.io.parse_example(serialized, rows.spec)

        def __call__(self, raw: Any, **_: Any) -> Any:
            return {"rows": tf.stack([raw[name] for name in rows.names], axis=1)}

    def dataset() -> Any:
        batches = normalized_dataset(rows.files, Stacked(), batch_size=_adapt_rows(rows), deterministic=False)
        return batches.map(lambda features: features["rows"])

    return _adapted(dataset)


def _keras_per_element(rows: Rows, _: Path) -> Work:
    import tensorflow as tf

    def parsed(record: Any) -> Any:
        row = tf.io.parse_single_example(record, rows.spec)
        return tf.stack([row[name] for name in rows.names])

    def dataset() -> Any:
        records = tf.data.TFRecordDataset(rows.files, num_parallel_reads=tf.data.AUTOTUNE)
        return records.map(parsed, num_parallel_calls=tf.data.AUTOTUNE).batch(_adapt_rows(rows)).prefetch(1)

    return _adapted(dataset)


def _adapt_rows(rows: Rows) -> int:
    return max(1, min(ADAPT_ROWS, ADAPT_BYTES // (4 * rows.features)))


def _adapted(dataset: Callable[[], Any]) -> Work:
    import keras

    def work() -> Callable[[], Figures]:
        layer = keras.layers.Normalization(axis=-1)
        layer.adapt(dataset())
        return lambda: [np.ravel(each).tolist() for each in (layer.mean, layer.variance)]

    return work


def _sklearn(rows: Rows, _: Path) -> Work:
    from sklearn.preprocessing import StandardScaler

    from components.transform.work_units import work_units

    reader = _reader(rows)

    def work() -> Callable[[], Figures]:
        read, scaler = reader(), StandardScaler()
        for unit in work_units(rows.files):
            for parsed in read(unit):
                scaler.partial_fit(np.stack([parsed[name].numpy() for name in rows.names], axis=1))
        return lambda: [scaler.mean_.tolist(), scaler.var_.tolist()]

    return work


def _polars(rows: Rows, _: Path) -> Work:
    import polars as pl

    def work() -> Callable[[], Figures]:
        columns = pl.all().cast(pl.Float64)
        wanted = [columns.mean().name.suffix(":mean"), columns.var(ddof=0).name.suffix(":variance")]
        found = pl.scan_parquet(rows.tables).select(*wanted).collect(engine="streaming").row(0, named=True)
        return lambda: [[found[f"{name}:{what}"] for name in rows.names] for what in ("mean", "variance")]

    return work


def _in_process(rows: Rows, _: Path) -> Work:
    from components import analyze

    schema = rows.schema

    def work() -> Callable[[], Figures]:
        frozen = analyze(rows.files, schema)
        return lambda: of_constants(frozen.constants, rows)

    return work


def _reader(rows: Rows) -> Callable[[], Callable[[Any], Iterator[Any]]]:
    """What ours reads and parses of a work unit, batch by batch, the next one ahead; made within the time measured."""
    from components import FeaturePlan
    from components.transform.example_columns import analysis_parser
    from components.transform.read_ahead import ahead
    from components.transform.record_reader import parsed_batches
    from components.transform.work_units import located

    plan = FeaturePlan.from_schema(rows.schema)

    def reader() -> Callable[[Any], Iterator[Any]]:
        parse = analysis_parser(plan)
        helpers = threading.local()  # one read-ahead thread for each reading one, as ours has it

        def read(unit: Any) -> Iterator[Any]:
            if not hasattr(helpers, "one"):
                helpers.one = ThreadPoolExecutor(1)
            return (batch.parsed for batch in ahead(parsed_batches(located(unit), parse), helpers.one))

        return read

    return reader


def _floor(rows: Rows, _: Path) -> Work:
    from components.transform.work_units import work_units

    reader = _reader(rows)

    def work() -> Callable[[], None]:
        read = reader()

        def through(unit: Any) -> None:
            for _ in read(unit):
                pass

        units = work_units(rows.files)
        with ThreadPoolExecutor(max(1, min(len(units), os.cpu_count() or 1))) as pool:
            list(pool.map(through, units))
        return lambda: None

    return work


WAYS: dict[str, Callable[[Rows, Path], Work]] = {
    "ours": ours,
    "in_process": _in_process,
    "stock": stock,
    "keras_adapt": _keras_adapt,
    "keras_per_element": _keras_per_element,
    "sklearn": _sklearn,
    "polars": _polars,
    "floor": _floor,
}
