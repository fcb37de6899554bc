"""Rows of float features, stored as TFRecords of tf.Examples and, the same numbers, as Parquet."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peers.records import write_records

SHARDS = 4
SEED = 20130101
LOCATIONS = (0.0, 10.0)  # float32 peers lose digits far from 0, and here the figures are to be alike

Figures = list[list[float]]  # means, variances
Work = Callable[[], Callable[[], Figures | None]]  # see analysis_ways


@dataclasses.dataclass(frozen=True)
class Rows:
    """Stored rows of float features, as TFRecords of tf.Examples and as Parquet."""

    folder: Path
    features: int

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [f"f{i}" for i in range(self.features)]

    @property
    def files(self) -> list[str]:
        """The TFRecords."""
        return sorted(map(str, self.split.glob("*.tfrecord")))

    @property
    def tables(self) -> list[str]:
        """The Parquet files."""
        return sorted(map(str, self.folder.glob("*.parquet")))

    @property
    def split(self) -> Path:
        """Where TFX looks for the rows of an Examples artifact."""
        return self.folder / "Split-train"

    @property
    def spec(self) -> dict[str, Any]:
        """How TensorFlow parses the features."""
        import tensorflow as tf

        return {name: tf.io.FixedLenFeature((), tf.float32) for name in self.names}

    @property
    def schema(self) -> Any:
        """Every feature a ``z_score``, present in every row."""
        from peers.input_ways import schema_of

        return schema_of(self.names, ())


def write(rows: Rows, count: int, shards: int = SHARDS) -> None:
    """Writes ``count`` rows in both forms; the same numbers, in as many shards as files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(SEED)
    rows.split.mkdir(parents=True)
    for shard, share in enumerate(np.array_split(np.arange(count), shards)):
        values = rng.standard_normal((len(share), rows.features), dtype=np.float32)
        values += np.resize(LOCATIONS, rows.features).astype(np.float32)
        write_records(str(rows.split / f"data-{shard}.tfrecord"), values, dict.fromkeys(rows.names, 1))
        pq.write_table(pa.table(dict(zip(rows.names, values.T.copy(), strict=True))), rows.folder / f"{shard}.parquet")


def of_constants(constants: Any, rows: Rows) -> Figures:
    """The figures among our own constants."""
    found = [constants[name] for name in rows.names]
    return [[float(each.mean.item()) for each in found], [float(each.variance.item()) for each in found]]
