"""What is counted of one feature, batch by batch: numbers, numbers by key, texts, and ranks of its quartiles."""

import dataclasses
import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.audit.exact_recount import Recount, recounts
from components.audit.whole_sums import Floats, Groups
from components.constants import FeatureConstants
from components.feature_plan import Feature

# Bound on the distance of NumPy's logarithm from the analyzer's, relative: 4 ulp (the worst of NumPy's vector kernels)
# and 1.
LOG_ERROR = 5 * float(np.finfo(np.float64).eps)
_QUARTERS = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class Values:
    """A batch of one feature.

    Attributes:
      flat: [n], the logarithms where they are asked for.
      group: [n], which of the feature's statistics a value belongs to.
      owner: [n], its row.
      empty: the rows without a value.
    """

    flat: npt.NDArray[Any]
    group: Groups
    owner: Groups
    empty: Groups


@dataclasses.dataclass
class Counted:
    """Counts of one feature.

    Attributes:
      stated: what the constants say of it; the stated quartiles are held against ranks, which need no sorted data.
      statistics: in the order of the flattened statistics; none where texts are counted.
      by_key: of a per-key feature.
      words: keys of a category or a text label, and how often they were seen.
      ranks: of a robust feature: by statistic and quartile, how many values lie below its range and up to its end.
    """

    stated: FeatureConstants
    statistics: list[Recount] = dataclasses.field(default_factory=list)
    by_key: dict[bytes, Recount] = dataclasses.field(default_factory=dict)
    words: Counter[bytes] = dataclasses.field(default_factory=Counter)
    ranks: list[list[tuple[int, int]]] = dataclasses.field(default_factory=list)

    @classmethod
    def empty(cls, stated: FeatureConstants) -> "Counted":
        """Nothing seen."""
        size = math.prod(stated.feature.statistic_shape)
        ranks = [[(0, 0) for _ in _QUARTERS] for _ in range(size)] if stated.quartiles is not None else []
        return cls(stated, [Recount() for _ in range(size)], ranks=ranks)

    def add(self, column: Any, rows: int, weights: Floats | None, keys: Values | None) -> None:
        """Adds a parsed column; ``weights`` [rows], ``keys`` of a per-key feature."""
        feature = self.stated.feature
        values = values_of(feature, column, rows)
        if feature.role == "weight" or (counts_words(feature) and feature.role == "label"):
            weights = None
        absent = len(values.empty) if weights is None else int((weights[values.empty] > 0).sum())
        if counts_words(feature):
            self.statistics[0].missing += absent
            kept = values.flat if weights is None else values.flat[weights[values.owner] > 0]
            self.words.update(map(_text, kept.tolist()))
            return
        heavy = None if weights is None else weights[values.owner]
        for into, more in zip(
            self.statistics, recounts(values.flat, heavy, values.group, len(self.statistics)), strict=True
        ):
            more.missing = absent
            into.add(more)
        if self.ranks:
            self._add_ranks(values if heavy is None else _only(values, heavy > 0))
        if keys is not None:
            self._add_by_key(values, heavy, keys, rows)

    def merge(self, other: "Counted") -> None:
        """Adds what was counted elsewhere of the same feature."""
        for into, more in zip(self.statistics, other.statistics, strict=True):
            into.add(more)
        for key, more in other.by_key.items():
            self.by_key.setdefault(key, Recount()).add(more)
        self.words.update(other.words)
        self.ranks = [
            [(b + below, u + upto) for (b, u), (below, upto) in zip(mine, theirs, strict=True)]
            for mine, theirs in zip(self.ranks, other.ranks, strict=True)
        ]

    def _add_by_key(self, values: Values, weights: Floats | None, keys: Values, rows: int) -> None:
        key_at = np.full(rows, -1, np.int64)
        names, place = np.unique(keys.flat, return_inverse=True)
        key_at[keys.owner] = place.reshape(-1)
        group = key_at[values.owner]
        known = (group >= 0) & np.isfinite(values.flat)
        heavy = None if weights is None else weights[known]
        for name, more in zip(
            names.tolist(), recounts(values.flat[known], heavy, group[known], len(names)), strict=True
        ):
            if more.count:
                self.by_key.setdefault(_text(name), Recount()).add(more)

    def _add_ranks(self, values: Values) -> None:
        finite = np.isfinite(values.flat)
        flat, group = values.flat[finite], values.group[finite]
        for at, (of_statistic, ranges) in enumerate(zip(self.ranks, quartile_ranges(self.stated), strict=True)):
            own = flat[group == at]
            for quarter, (low, high) in enumerate(ranges):
                below, upto = of_statistic[quarter]
                of_statistic[quarter] = below + int((own < low).sum()), upto + int((own <= high).sum())


def quartile_ranges(stated: FeatureConstants) -> list[list[tuple[Any, Any]]]:
    """By statistic, for each quartile the smallest and the largest number that it may be by its stated error."""
    assert stated.quartiles is not None
    assert stated.quartile_error is not None
    whole = stated.feature.dtype == "int64" and not stated.feature.log1p
    of_statistic = np.reshape(stated.quartiles, [len(_QUARTERS), -1]).T.tolist()
    return [
        [_range(quartile, error, whole, stated.feature.log1p) for quartile in quartiles]
        for quartiles, error in zip(of_statistic, np.ravel(stated.quartile_error).tolist(), strict=True)
    ]


def counts_words(feature: Feature) -> bool:
    """Whether it has a vocabulary instead of numbers."""
    return feature.role == "category" or (feature.role == "label" and feature.dtype == "bytes")


def values_of(feature: Feature, column: Any, rows: int) -> Values:
    """The batch of a feature from what was parsed."""
    if isinstance(column, tf.SparseTensor):
        owner = column.indices.numpy()[:, 0]
        empty = np.setdiff1d(np.arange(rows), owner)
        return Values(_numbers(feature, column.values.numpy()), np.zeros(len(owner), np.int64), owner, empty)
    table = column.numpy()
    kept = [axis + 1 for axis in feature.axis or ()]
    owner = np.broadcast_to(np.arange(rows).reshape([rows] + [1] * (table.ndim - 1)), table.shape)
    places = list(range(len(kept)))
    flat, owner = (np.moveaxis(each, kept, places).reshape(-1) for each in (table, owner))
    size = math.prod(feature.statistic_shape)
    group = np.repeat(np.arange(size), len(flat) // max(1, size))
    return Values(_numbers(feature, flat), group, owner, np.zeros(0, np.int64))


def _numbers(feature: Feature, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not feature.log1p:
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log1p(values.astype(np.float64))


def _only(values: Values, chosen: npt.NDArray[np.bool_]) -> Values:
    return dataclasses.replace(values, flat=values.flat[chosen], group=values.group[chosen], owner=values.owner[chosen])


def _text(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()


def _range(quartile: float, error: float, whole: bool, is_log: bool) -> tuple[Any, Any]:
    low, high = Fraction(quartile) - Fraction(error), Fraction(quartile) + Fraction(error)
    if whole:
        return max(math.ceil(low), -(2**63)), min(math.floor(high), 2**63 - 1)
    slack = LOG_ERROR * max(abs(float(low)), abs(float(high))) if is_log else 0.0
    # Rounded outwards; a number at the end itself is inside.
    return _outwards(low, -math.inf) - slack, _outwards(high, math.inf) + slack


def _outwards(bound: Fraction, towards: float) -> float:
    nearest = float(bound)
    inside = nearest <= bound if towards < 0 else nearest >= bound
    return nearest if inside else math.nextafter(nearest, towards)
