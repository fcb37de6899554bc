"""Constants written by hand, number by number: no analysis, no data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.feature_plan import Feature, FeaturePlan

_NONE = np.zeros((), np.int64)
_UNKNOWN = np.full((), np.nan)


def number(
    name: str = "x",
    *,
    count: Any = 100,
    mean: Any = 0.0,
    variance: Any = 1.0,
    low: Any = -1.0,
    high: Any = 1.0,
    absent: Any = 0,
    nan: Any = 0,
    quartiles: Any = None,
    by_key: KeyTable | None = None,
    **feature: Any,
) -> FeatureConstants:
    """A numeric feature; a scalar z_score of float32 unless ``feature`` says otherwise."""
    settings: dict[str, Any] = {"role": "z_score", "dtype": "float32", "shape": (), "dense": False, "axis": ()}
    counts = [np.asarray(n, np.int64) for n in (count, absent, nan)]
    return FeatureConstants(
        Feature(name, **{**settings, **feature}),
        *(*counts, np.zeros_like(counts[0]), np.zeros_like(counts[0])),
        *(np.asarray(x, np.float64) for x in (low, high, mean, variance)),
        quartiles=None if quartiles is None else np.asarray(quartiles, np.float64),
        quartile_error=None if quartiles is None else np.zeros(np.shape(quartiles)[1:]),
        by_key=by_key,
    )


def table_by_key(rows: Mapping[bytes, tuple[int, float, float]]) -> KeyTable:
    """Count, mean and variance by key; min and max are one sigma away."""
    count, mean, variance = (np.array(column) for column in zip(*rows.values(), strict=True))
    sigma = np.sqrt(variance)
    return KeyTable(tuple(rows), count.astype(np.int64), mean - sigma, mean + sigma, mean * 1.0, variance * 1.0)


def words(name: str, vocabulary: Mapping[bytes, int], missing: int = 0, role: str = "category") -> FeatureConstants:
    """A feature with a vocabulary."""
    return FeatureConstants(
        Feature(name, role, "bytes", (), dense=False, missing="error" if role == "label" else "mean"),
        *(np.asarray(sum(vocabulary.values()), np.int64), np.asarray(missing, np.int64), _NONE, _NONE, _NONE),
        *(_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN),
        vocabulary=tuple(vocabulary.items()),
    )


def set_of(*features: FeatureConstants, rows: int = 100) -> NormalizationConstants:
    """The set of these features, whose plan has nothing else."""
    plan = FeaturePlan(tuple(constants.feature for constants in features))
    return NormalizationConstants(plan, rows, {constants.name: constants for constants in features})
