"""A table with every irregularity that an exact analysis must survive: for proofs that its digest is one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from graph_tables import Row, feature, plan_of, sparse_parts

from components.feature_plan import Feature
from components.moments.columns import SparseParts

VARIABLE_LENGTH = (
    'feature { name: "steps" type: FLOAT value_count { min: 0 } annotation { tag: "z_score" tag: "axis=all" } }\n'
)
SCHEMA = "".join(
    [
        feature("offset", "FLOAT", "z_score", "missing=indicator"),
        feature("wide", "FLOAT", "z_score", "log1p", shape=""),
        feature("large", "INT", "z_score", shape=""),
        feature("pair", "FLOAT", "min_max", shape="2"),
        VARIABLE_LENGTH,
        feature("delay", "FLOAT", "z_score_per_key:carrier", "min_count=20"),
        feature("price", "FLOAT", "robust"),
        feature("carrier", "BYTES", "category"),
        feature("month", "INT", "category"),
        feature("weight", "FLOAT", "weight", shape=""),
        feature("late", "INT", "label", shape=""),
    ]
)
PLAN = plan_of(SCHEMA)
HOT = b"UA"  # the key of 9 rows in 10
_CARRIERS = [HOT, b"AA", b"\xff\0", b"", None]


def table(rows: int, seed: int = 4) -> list[Row]:
    """Rows of ``PLAN``: missing, NaN, infinite, huge and tiny values, weights of 0, and a hot key.

    ``wide`` goes from 1e-30 to 1e15 before its logarithm; ``large`` has more digits than float64 can hold.
    """
    random = np.random.default_rng(seed)
    made: list[Row] = []
    for i in range(rows):
        irregular = [None, np.nan, np.inf, -np.inf][int(random.integers(4))]
        made.append(
            {
                "offset": irregular if i % 11 == 3 else _float32(random.normal(1e6, 1)),
                "wide": _float32(10.0 ** random.uniform(-30, 15)),
                "large": int(2**62 - random.integers(1 << 55)) * (-1) ** i,
                "pair": [_float32(x) for x in random.normal(0, 1, 2) * [1e30, 1e-30]],
                "steps": [_float32(x) for x in random.normal(1e4, 1, int(random.integers(4)))],
                "delay": None if i % 13 == 5 else _float32(random.gamma(2, 20)),
                "price": _float32(random.lognormal(3, 1)),
                "carrier": _CARRIERS[int(random.choice(5, p=[0.9, 0.04, 0.03, 0.02, 0.01]))],
                "month": int(random.integers(1, 13)),
                "weight": float(random.choice([0.0, 0.5, 1.0, 3.25])),
                "late": int(random.integers(2)),
            }
        )
    return made


def columns_of(features: Sequence[Feature], rows: Sequence[Row]) -> list[Any]:
    """What tf.Transform would hand to the analyzer for these rows, features of variable length included."""
    return [_column(item, [row[item.name] for row in rows]) for item in features]


def _column(item: Feature, values: Sequence[Any]) -> Any:
    dtype: Any = object if item.dtype == "bytes" else item.dtype
    if item.dense:
        return np.array(values, dtype)
    if item.shape is not None:
        return sparse_parts(values, dtype)
    places = [(row, at) for row, items in enumerate(values) for at in range(len(items))]
    flat = np.array([value for items in values for value in items], dtype)
    longest = max(map(len, values), default=0)
    return SparseParts(np.array(places, np.int64).reshape(-1, 2), flat, np.array([len(values), longest], np.int64))


def _float32(value: float) -> float:
    return float(np.float32(value))
