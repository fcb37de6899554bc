"""The bare CombineFn: the constants have one digest for every order, cut and merge tree of the rows."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from exact_tables import PLAN, columns_of, table

from components.moments.combine import MergeStatistics, StatisticsCoder
from components.moments.finish import finish
from components.moments.table_statistics import TableStatistics, columns_read

pytestmark = pytest.mark.prove

ROWS = table(1_200)
PERMUTATIONS, SHARDS, BATCH_SIZES = 50, (1, 7, 64), (1, 1_000, 20_000)


def batch_statistics(rows: Sequence[int]) -> TableStatistics:
    """The statistics of one batch; those of a single row are computed once, being the same in every permutation."""
    if len(rows) == 1:
        return single_row(int(rows[0]))
    return TableStatistics.of(PLAN, columns_of(columns_read(PLAN), [ROWS[row] for row in rows]))


@functools.cache
def single_row(row: int) -> TableStatistics:
    return TableStatistics.of(PLAN, columns_of(columns_read(PLAN), [ROWS[row]]))


def bundle(rows: Sequence[int], batch_size: int) -> bytes:
    """What a bundle of these rows emits."""
    starts = range(0, len(rows), batch_size)
    batches = [batch_statistics(rows[start : start + batch_size]) for start in starts]
    return functools.reduce(TableStatistics.merge, batches, TableStatistics.empty(PLAN)).to_bytes()


def combined(elements: Sequence[bytes], random: np.random.Generator) -> bytes:
    """As a runner combines: elements on some workers, then a random tree of merges, always through bytes."""
    combine, coder = MergeStatistics(PLAN), StatisticsCoder()
    workers = [coder.encode(combine.create_accumulator()) for _ in range(int(random.integers(1, len(elements) + 1)))]
    for element in elements:
        at = int(random.integers(len(workers)))
        workers[at] = coder.encode(combine.compact(combine.add_input(coder.decode(workers[at]), element)))
    while len(workers) > 1:
        random.shuffle(workers)
        some = int(random.integers(2, min(len(workers), 5) + 1))
        merged = combine.merge_accumulators(coder.decode(worker) for worker in workers[:some])
        workers = [*workers[some:], coder.encode(merged)]
    return combine.extract_output(coder.decode(workers[0]))


def digest(statistics: bytes) -> str:
    return finish(PLAN, TableStatistics.from_bytes(statistics)).digest


def test_one_digest_over_permutations_shards_and_batch_sizes() -> None:
    whole = bundle(range(len(ROWS)), len(ROWS))
    found, runs = {digest(whole)}, 0
    for seed, shards, batch_size in itertools.product(range(PERMUTATIONS), SHARDS, BATCH_SIZES):
        random = np.random.default_rng(seed)
        order = random.permutation(len(ROWS))
        cuts = np.sort(random.integers(0, len(ROWS) + 1, shards - 1))  # uneven shards, empty ones among them
        elements = [bundle(rows, batch_size) for rows in np.split(order, cuts)]
        result = combined(elements, random)
        assert result == whole, f"seed {seed}, {shards} shards, batches of {batch_size}"
        found.add(digest(result))
        runs += 1
    print(f"\n{runs} runs over {len(ROWS)} rows, digests: {', '.join(sorted(found))}")
    assert runs == PERMUTATIONS * len(SHARDS) * len(BATCH_SIZES)
    assert len(found) == 1


def test_a_change_of_one_bit_in_one_row_changes_the_digest() -> None:
    columns = columns_of(columns_read(PLAN), ROWS)
    before = digest(TableStatistics.of(PLAN, columns).to_bytes())
    names = [feature.name for feature in columns_read(PLAN)]
    wide, weight = (columns[names.index(name)] for name in ("wide", "weight"))
    largest = np.argmax(np.where(weight > 0, wide, 0))
    wide[largest] = np.nextafter(wide[largest], np.float32(np.inf))
    assert digest(TableStatistics.of(PLAN, columns).to_bytes()) != before
