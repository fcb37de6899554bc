"""The bare statistics over more rows than any internal block: 150,000, so that every block and bucket limit is met."""

import functools
import itertools

import numpy as np
import pytest

from components.feature_plan import Feature, FeaturePlan
from components.moments.finish import finish
from components.moments.ordered_counts import MAX_BUCKETS
from components.moments.table_statistics import TableStatistics

pytestmark = pytest.mark.prove

ROWS = 150_000
PLAN = FeaturePlan(
    (
        Feature("around zero", "z_score", "float32", (), True, axis=()),
        Feature("far from zero", "z_score", "float32", (), True, axis=()),
        Feature("any magnitude", "z_score", "float32", (), True, axis=()),
        Feature("quartiles", "robust", "float32", (), True, axis=()),
        Feature("large", "z_score", "int64", (), True, axis=()),
        Feature("logarithm", "z_score", "float32", (), True, axis=(), log1p=True),
        Feature("keyed", "z_score_per_key", "float32", (), True, axis=(), key="key"),
        Feature("key", "category", "int64", (), True),
    )
)


def table() -> list[np.ndarray]:
    random = np.random.default_rng(11)
    normal = random.normal(size=(6, ROWS))
    return [
        np.float32(normal[0]),
        np.float32(1e4 + normal[1]),
        np.float32(normal[2] * 10.0 ** random.integers(-30, 30, ROWS)),
        np.float32(normal[3]),
        random.integers(-(2**62), 2**62, ROWS),
        np.float32(np.abs(normal[4]) * 1000),
        np.float32(normal[5]),
        np.where(random.random(ROWS) < 0.9, 0, random.integers(1, 40, ROWS)),
    ]


def test_one_digest_over_permutations_shards_and_batch_sizes() -> None:
    columns = table()
    whole = TableStatistics.of(PLAN, columns)
    (order,) = whole.features["quartiles"].orders  # type: ignore[union-attr]
    assert order.level > 0 and len(order.buckets) <= MAX_BUCKETS
    found = {finish(PLAN, whole).digest}
    for seed, shards, batch_size in itertools.product(range(3), (1, 7, 64), (1_000, 20_000)):
        random = np.random.default_rng(seed)
        rows = random.permutation(ROWS)
        parts = [
            TableStatistics.of(PLAN, [column[shard[start : start + batch_size]] for column in columns])
            for shard in np.array_split(rows, shards)
            for start in range(0, len(shard), batch_size)
        ]
        random.shuffle(parts)  # type: ignore[arg-type]
        merged = functools.reduce(TableStatistics.merge, parts)
        assert merged.to_bytes() == whole.to_bytes(), f"seed {seed}, {shards} shards, batches of {batch_size}"
        found.add(finish(PLAN, merged).digest)
    print(f"\n18 runs over {ROWS} rows, digests: {', '.join(sorted(found))}")
    assert len(found) == 1
