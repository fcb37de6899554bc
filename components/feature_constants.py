"""The statistics of one feature over the training split, and what of them enters the digest. NumPy only."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.feature import Feature

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

COUNT_FIELDS = ("count", "missing", "nan", "pos_inf", "neg_inf")
FLOAT_FIELDS = ("min", "max", "mean", "variance")


@dataclasses.dataclass(frozen=True, eq=False)
class KeyTable:
    """Statistics by key, each [len(keys)], keys in byte order (an int64 key as decimal text).

    Attributes:
      keys: with at least one finite value.
      count: int64, finite values seen.
      min, max: float64, of those values.
      mean, variance: float64, drawn towards the global ones where there were fewer than ``min_count`` values.
    """

    keys: tuple[bytes, ...]
    count: Counts
    min: Floats
    max: Floats
    mean: Floats
    variance: Floats

    @property
    def sigma(self) -> Floats:
        """float64 [len(keys)]."""
        return np.asarray(np.sqrt(self.variance))

    def only(self, keys: Sequence[bytes]) -> "KeyTable":
        """The statistics of these keys, each of which must be in the table, in the order given."""
        index = {key: at for at, key in enumerate(self.keys)}
        at = np.array([index[key] for key in keys], np.int64)
        arrays = {name: getattr(self, name)[at] for name in ("count", "min", "max", "mean", "variance")}
        return KeyTable(tuple(keys), **arrays)


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureConstants:
    """The statistics of one feature over the whole training split.

    Attributes:
      feature: the plan's entry: name, role, dtype, shape, axis, policies, unit.
      count, missing, nan, pos_inf, neg_inf: int64 [*statistic_shape].
      min, max, mean, variance: float64 [*statistic_shape], in the feature's unit (after log1p, where asked);
        NaN for vocabularies.
      vocabulary: keys and counts; a category's by falling count, then by bytes; a label's by bytes.
      quartiles, quartile_error: of a robust feature: float64 [3, *statistic_shape], and the bound on their error.
      by_key: of a per-key feature.
      bits: of images: 16 if one of them has samples of 16 bits, else 8; 0 for anything else. Their ``count`` is that of
        pixels, their ``missing`` that of rows without an image that can be decoded.
    """

    feature: Feature
    count: Counts
    missing: Counts
    nan: Counts
    pos_inf: Counts
    neg_inf: Counts
    min: Floats
    max: Floats
    mean: Floats
    variance: Floats
    vocabulary: tuple[tuple[bytes, int], ...] = ()
    quartiles: Floats | None = None
    quartile_error: Floats | None = None
    by_key: KeyTable | None = None
    bits: int = 0

    @property
    def name(self) -> str:
        """The schema's own name."""
        return self.feature.name

    @property
    def role(self) -> str:
        """The schema's role tag."""
        return self.feature.role

    @property
    def unit(self) -> str:
        """The schema's unit, or an empty text."""
        return self.feature.unit

    @property
    def sigma(self) -> Floats:
        """float64 [*statistic_shape]: square root of the population variance."""
        return np.asarray(np.sqrt(self.variance))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what the data determine of this one feature."""
        return sha256_of(canonical(self))


def sha256_of(value: Any) -> str:
    """Hex SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def canonical(constants: FeatureConstants) -> list[Any]:
    """All that the data determine of one feature, as lists of texts and whole numbers."""
    axis = None if constants.feature.axis is None else list(constants.feature.axis)
    counts = [getattr(constants, name).ravel().tolist() for name in COUNT_FIELDS]
    floats = [_hexes(getattr(constants, name)) for name in FLOAT_FIELDS]
    vocabulary = [[key.hex(), n] for key, n in constants.vocabulary]
    found: list[Any] = [constants.name, constants.role, axis, counts, floats, vocabulary]
    if constants.quartiles is not None and constants.quartile_error is not None:
        found.append([_hexes(constants.quartiles), _hexes(constants.quartile_error)])
    if constants.by_key is not None:
        table = constants.by_key
        found.append([[key.hex() for key in table.keys], table.count.tolist()])
        found.append([_hexes(getattr(table, name)) for name in FLOAT_FIELDS])
    if constants.bits:
        found.append(constants.bits)
    return found


def _hexes(values: Floats) -> list[str]:
    return [value.hex() for value in values.ravel().tolist()]
