"""The fault that explains so many rows too many, or too few, by their number alone."""

import itertools
from collections.abc import Mapping


def rows_fault(extra: int, rows_by_shard: Mapping[str, int], other_splits: Mapping[str, int]) -> tuple[str, str]:
    """Name and explanation of so many rows too many (below 0: too few)."""
    for size in range(1, len(other_splits) + 1):
        for names in itertools.combinations(sorted(other_splits), size):
            if extra > 0 and sum(other_splits[name] for name in names) == extra:
                return "statistics_of_other_splits", f"the rows of {' and '.join(names)} would explain it"
    shard = next((file for file, n in rows_by_shard.items() if n and n == abs(extra)), None)
    if shard is None:
        return "rows_differ", f"{abs(extra)} too {'many' if extra > 0 else 'few'}"
    if extra < 0:
        return "shard_left_out", f"{shard} or another shard of {-extra} rows was left out"
    return "shard_read_twice", f"{shard} or another shard of {extra} rows was read twice"
