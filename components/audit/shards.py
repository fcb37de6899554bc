"""Rows and exact statistics read anew from the shards, by TensorFlow's own kernels in batches."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.audit.exact_recount import Recount
from components.feature_plan import Feature, FeaturePlan
from components.frozen.raw_columns import DTYPES
from components.frozen.record_files import compression_of

_BATCH = 2_048  # records; 200 MB of records of 100 KB


@dataclasses.dataclass(frozen=True)
class ShardCounts:
    """What the shards hold.

    Attributes:
      rows: by shard, in the order they were read.
      features: by name, for each statistic in the order of its flattened shape.
    """

    rows: Mapping[str, int]
    features: Mapping[str, tuple[Recount, ...]]


def recounted(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The features whose statistics are plain ones: no logarithm, no weight, no key, no quartiles."""
    if plan.weight is not None:
        return ()
    return tuple(feature for feature in plan.with_role("z_score", "min_max") if not feature.log1p)


def sampled(files: Sequence[str], sample_bytes: int, seed: int) -> tuple[str, ...]:
    """All files where they fit into ``sample_bytes``, else whole ones drawn by ``seed``; at least one, in order."""
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    chosen: list[int] = []
    size = 0
    for at in order:
        size += int(tf.io.gfile.stat(files[at]).length)
        if chosen and size > sample_bytes:
            break
        chosen.append(at)
    return tuple(files[at] for at in sorted(chosen))


def count_shards(files: Sequence[str], plan: FeaturePlan) -> ShardCounts:
    """Reads every record of the files once."""
    features = recounted(plan)
    counts = {
        feature.name: tuple(Recount(feature.dtype == "int64") for _ in range(int(np.prod(feature.statistic_shape))))
        for feature in features
    }
    spec = {
        feature.name: tf.io.FixedLenFeature(feature.shape, DTYPES[feature.dtype])
        if feature.dense
        else tf.io.VarLenFeature(DTYPES[feature.dtype])
        for feature in features
    }
    parse = tf.function(
        lambda serialized: tf.io.parse_example(serialized, spec),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    rows = {}
    for file in files:
        rows[file] = 0
        for batch in tf.data.TFRecordDataset(file, compression_of(file)).batch(_BATCH).prefetch(2):
            n = int(batch.shape[0])
            rows[file] += n
            parsed = parse(batch) if spec else {}
            for feature in features:
                _add(feature, parsed[feature.name], n, counts[feature.name])
    return ShardCounts(rows, counts)


def _add(feature: Feature, column: Any, rows: int, counts: tuple[Recount, ...]) -> None:
    if isinstance(column, tf.SparseTensor):
        # The indices rise: each row with values begins where the row number changes.
        owner = column.indices.numpy()[:, 0]
        occupied = int(np.count_nonzero(np.diff(owner))) + 1 if len(owner) else 0
        counts[0].add(column.values.numpy(), missing=rows - occupied)
        return
    kept = [axis + 1 for axis in feature.axis or ()]
    table = np.moveaxis(column.numpy(), kept, list(range(len(kept)))).reshape(len(counts), -1)
    for count, values in zip(counts, table, strict=True):
        count.add(values)
