"""Table files to shards of tf.Examples, whole batches at a time, safe under Beam's retries.

Beam's price is by element, so an element here is a file. A shard is written under a name of its own attempt's and
gets its final name in one last step, from what the attempts that counted have reported.
"""

import math
import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from absl import logging

from components.errors import DataError
from components.example_gen import examples, image_folder, parquet_reader, row_key, tables
from components.example_gen.csv_reader import BLOCK_BYTES
from components.example_gen.sources import size_of

NAMESPACE = "tfx.ExampleGen"
# Enough shards for the readers downstream to work in parallel, not so many that small files pile up.
ROWS_A_SHARD = 20_000
MOST_SHARDS_A_FILE = 32
ROWS_A_BATCH = 16_384
# Level 2 takes a third of the time of zlib's default 6 and the files are a quarter larger (flights: 0.29 against
# 0.92 s and 7.6 against 6.1 MB for 100,000 rows); they are read soon and rarely kept.
GZIP_LEVEL = 2


class Source(NamedTuple):
    """One file to read, all of whose rows go to ``split`` (None: by hash)."""

    number: int
    path: str
    split: str | None


class Shard(NamedTuple):
    """One written file under its temporary name."""

    split: str
    source: int
    number: int
    path: str
    rows: int


class Counts(NamedTuple):
    """What became of one file's rows."""

    source: int
    path: str
    read: int
    left_out: int


class Plan(NamedTuple):
    """How to read and split.

    Attributes:
      data_format: csv or parquet.
      types: column -> int64, float32 or bytes, in the order that counts for the split.
      null_values: cells of CSV that are missing.
      require: columns without which a row is left out.
      buckets: split -> number of hash buckets; empty where the sources name their split.
      partition_feature: the column whose value alone decides the split, or None.
      work: the folder of temporary names.
    """

    data_format: str
    types: Mapping[str, str]
    null_values: Sequence[str]
    require: Sequence[str]
    buckets: Mapping[str, int]
    partition_feature: str | None
    work: str


class WriteShards(beam.DoFn):  # type: ignore[misc]
    """Source -> its shards and its counts."""

    def __init__(self, plan: Plan) -> None:
        """Keeps the plan."""
        self._plan = plan

    def process(self, source: Source) -> Iterator[Shard | Counts]:
        """Reads, splits, encodes and writes one file."""
        plan, encode = self._plan, examples.encoder().encode
        read = left_out = 0
        writers: dict[str, _Dealer] = {}
        attempt = posixpath.join(plan.work, f"{source.number:05d}-{uuid.uuid4().hex}")
        try:
            for block in tables.read_file(source.path, plan.data_format, plan.types, plan.null_values):
                if not read:
                    writers = _dealers(plan, source, attempt, _row_estimate(source.path, plan.data_format, block))
                read += block.num_rows
                kept = _with_required(block, plan.require)
                left_out += block.num_rows - kept.num_rows
                for start in range(0, kept.num_rows, ROWS_A_BATCH):
                    batch = kept.slice(start, ROWS_A_BATCH)
                    records = np.array(encode(examples.as_lists(batch)), dtype=object)
                    for split, chosen in _rows_by_split(batch, plan, source):
                        writers[split].write(records[chosen])
        finally:
            for dealer in writers.values():
                dealer.close()
        _count("rows_read", read)
        _count("rows_left_out", left_out)
        yield Counts(source.number, source.path, read, left_out)
        for split, dealer in writers.items():
            _count("num_instances", dealer.rows)
            _count(f"rows_{split}", dealer.rows)
            for number, (path, rows) in enumerate(dealer.files()):
                yield Shard(split, source.number, number, path, rows)


def publish(_: None, results: list[Shard | Counts], split_uris: dict[str, str]) -> dict[str, int]:
    """Gives every shard its final name; may be run again. Returns rows read, left out, and by split.

    Raises:
      DataError: there were no rows, or none is left.
    """
    counts = [result for result in results if isinstance(result, Counts)]
    shards = sorted(result for result in results if isinstance(result, Shard))
    read, left_out = sum(count.read for count in counts), sum(count.left_out for count in counts)
    if not read:
        raise DataError(tables.no_rows(min(counts).path))
    if read == left_out:
        raise DataError(f"All {read} rows lack a value that is required: nothing is left to learn from.")
    totals = {"rows_read": read, "rows_left_out": left_out}
    for split, uri in split_uris.items():
        mine = [shard for shard in shards if shard.split == split and shard.rows]
        totals[f"rows_{split}"] = sum(shard.rows for shard in mine)
        tf.io.gfile.makedirs(uri)
        if not mine:
            logging.warning("The split %s has no rows.", split)
            record_writer(posixpath.join(uri, _final_name(0, 1))).close()
        for number, shard in enumerate(mine):
            final = posixpath.join(uri, _final_name(number, len(mine)))
            if tf.io.gfile.exists(shard.path) or not tf.io.gfile.exists(final):
                tf.io.gfile.rename(shard.path, final, overwrite=True)
    logging.info("Rows: %s", ", ".join(f"{name[5:]} {rows}" for name, rows in totals.items()))
    return totals


def record_writer(path: str) -> Any:
    """Writes serialized records, gzip."""
    return tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP", compression_level=GZIP_LEVEL))


class _Dealer:
    """Deals the rows of one split to its shards in turn."""

    def __init__(self, prefix: str, shards: int) -> None:
        self._paths = [f"{prefix}-{number:03d}" for number in range(shards)]
        self._writers = [record_writer(path) for path in self._paths]
        self.rows = 0

    def write(self, records: npt.NDArray[np.object_]) -> None:
        shards = len(self._writers)
        for number, writer in enumerate(self._writers):
            write = writer.write
            for record in records[(number - self.rows) % shards :: shards]:
                write(record)
        self.rows += len(records)

    def files(self) -> Iterator[tuple[str, int]]:
        shards = len(self._paths)
        for number, path in enumerate(self._paths):
            yield path, (self.rows - number + shards - 1) // shards

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def _dealers(plan: Plan, source: Source, attempt: str, rows: int) -> dict[str, _Dealer]:
    tf.io.gfile.makedirs(attempt)
    shares = (
        {source.split: 1.0}
        if source.split
        else {split: buckets / sum(plan.buckets.values()) for split, buckets in plan.buckets.items()}
    )
    return {
        split: _Dealer(
            posixpath.join(attempt, split), min(MOST_SHARDS_A_FILE, max(1, math.ceil(rows * share / ROWS_A_SHARD)))
        )
        for split, share in shares.items()
    }


def _row_estimate(path: str, data_format: str, first: pa.RecordBatch) -> int:
    """The file's rows, near enough to choose the number of shards."""
    if data_format == "parquet":
        return parquet_reader.row_count(path)
    if data_format == image_folder.FORMAT:
        return first.num_rows  # a list of images is as long as a shard
    packed = 4 if path.endswith(".gz") else 1  # what gzip makes of text
    return round(first.num_rows * max(1.0, size_of(path) * packed / BLOCK_BYTES))


def _with_required(batch: pa.RecordBatch, require: Sequence[str]) -> pa.RecordBatch:
    """The rows that have a value, and not NaN, in every required column."""
    keep = None
    for name in require:
        column = batch.column(batch.schema.get_field_index(name))
        has = column.is_valid()
        if pa.types.is_floating(column.type):
            has = pc.and_(has, pc.invert(pc.fill_null(pc.is_nan(column), True)))
        keep = has if keep is None else pc.and_(keep, has)
    return batch if keep is None or pc.all(keep).as_py() else batch.filter(keep)


def _rows_by_split(
    batch: pa.RecordBatch, plan: Plan, source: Source
) -> Iterator[tuple[str, npt.NDArray[np.int64] | slice]]:
    if source.split:
        yield source.split, slice(None)
        return
    chosen = row_key.splits(batch, list(plan.buckets.values()), plan.partition_feature)
    for index, split in enumerate(plan.buckets):
        yield split, np.flatnonzero(chosen == index)


def _final_name(number: int, shards: int) -> str:
    return f"data_tfrecord-{number:05d}-of-{shards:05d}.gz"


def _count(name: str, amount: int) -> None:
    beam.metrics.Metrics.counter(NAMESPACE, name).inc(amount)
