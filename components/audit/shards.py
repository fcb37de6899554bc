"""Rows and exact statistics read anew from the shards, by TensorFlow's own kernels in batches."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.audit.counted import Counted, Values, counts_words, values_of
from components.audit.spread import FeatureSpread
from components.audit.whole_sums import Floats
from components.constants import NormalizationConstants
from components.feature_plan import Feature, FeaturePlan
from components.frozen.raw_columns import DTYPES
from components.frozen.record_files import compression_of

_FRAMING = 16  # bytes that a TFRecord adds to its text
_BATCH = 2_048  # records; 200 MB of records of 100 KB


@dataclasses.dataclass(frozen=True)
class ShardCounts:
    """What the shards hold.

    Attributes:
      rows: by shard, in the order they were read.
      bytes: by shard, of its records with 16 bytes of framing each, decompressed.
      features: by name.
      spreads: by feature, how its sums differ between the shards; only of a part of them, where that bounds the rest.
    """

    rows: Mapping[str, int]
    bytes: Mapping[str, int]
    features: Mapping[str, Counted]
    spreads: Mapping[str, FeatureSpread] = dataclasses.field(default_factory=dict)


def sampled(files: Sequence[str], sample_bytes: int, seed: int) -> tuple[str, ...]:
    """All files where they fit into ``sample_bytes``, else whole ones drawn by ``seed``, in order.

    At least one, but for ``sample_bytes`` 0: none.
    """
    if not sample_bytes:
        return ()
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    chosen: list[int] = []
    size = 0
    for at in order:
        size += int(tf.io.gfile.stat(files[at]).length)
        if chosen and size > sample_bytes:
            break
        chosen.append(at)
    return tuple(files[at] for at in sorted(chosen))


def count_shards(files: Sequence[str], constants: NormalizationConstants, by_shard: bool = False) -> ShardCounts:
    """Reads every record of the files once; ``by_shard`` also tells how the shards differ."""
    plan = constants.plan
    counted = _empty(constants)
    columns = {feature.name: feature for feature in plan.features}
    read = [columns[name] for name in dict.fromkeys((*counted, *(key.name for key in plan.keys)))]
    spec = {feature.name: _spec(feature) for feature in read}
    parse = tf.function(
        lambda serialized: tf.io.parse_example(serialized, spec),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    rows, size = dict.fromkeys(files, 0), dict.fromkeys(files, 0)
    numeric = [name for name, of in counted.items() if of.statistics and not counts_words(of.stated.feature)]
    spreads = {name: FeatureSpread.empty(counted[name]) for name in numeric} if by_shard else {}
    for file in files:
        of_file = _empty(constants) if by_shard else counted
        for batch in tf.data.TFRecordDataset(file, compression_of(file)).batch(_BATCH).prefetch(2):
            n = int(batch.shape[0])
            rows[file] += n
            size[file] += int(tf.reduce_sum(tf.strings.length(batch))) + _FRAMING * n
            parsed = parse(batch) if spec else {}
            weights = _weights(plan, parsed, n)
            keys = {key.name: _keys(key, parsed[key.name], n) for key in plan.keys}
            for name, into in of_file.items():
                into.add(parsed[name], n, weights, keys.get(columns[name].key))
        if by_shard:
            for name, into in counted.items():
                into.merge(of_file[name])
            for name, spread in spreads.items():
                spread.add(of_file[name])
    return ShardCounts(rows, size, counted, spreads)


def _empty(constants: NormalizationConstants) -> dict[str, Counted]:
    return {name: Counted.empty(stated) for name, stated in constants.items() if stated.feature.image is None}


def _spec(feature: Feature) -> tf.io.FixedLenFeature | tf.io.VarLenFeature:
    dtype = DTYPES[feature.dtype]
    return tf.io.FixedLenFeature(feature.shape, dtype) if feature.dense else tf.io.VarLenFeature(dtype)


def _keys(key: Feature, column: object, rows: int) -> Values:
    return values_of(dataclasses.replace(key, log1p=False), column, rows)


def _weights(plan: FeaturePlan, parsed: Mapping[str, object], rows: int) -> Floats | None:
    """[rows]; a row without a weight, which no analysis takes, weighs nothing."""
    if plan.weight is None:
        return None
    values = values_of(plan.weight, parsed[plan.weight.name], rows)
    weights = np.zeros(rows)
    weights[values.owner] = values.flat
    return weights
