"""The float64 accumulator that the cost of exactness is measured against."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np

from components.moments import accumulator
from components.moments.codec import Reader, Writer
from peers.columns import Array


@dataclasses.dataclass(frozen=True, eq=False)
class ChanMoments(accumulator.Moments):
    """Float64 count, mean and sum of squared gaps in the fields of the exact sums; what the analysis asks, no more.

    Source: Chan, Golub, LeVeque (1979), pairwise updating of sample variances.
    """

    @classmethod
    def empty(cls, shape: tuple[int, ...] = ()) -> "ChanMoments":
        """Nothing seen."""
        none, counts = np.zeros(shape), np.zeros(shape, np.int64)
        return cls(*[counts] * 5, none, none, none, np.full(shape, np.inf), np.full(shape, -np.inf))

    @classmethod
    def of_columns(cls, columns: Array, weights: Array | None = None, present: Array | None = None) -> "ChanMoments":
        """Of finite values [width, rows], all present and without weights; anything else is a ValueError."""
        if weights is not None or present is not None or not np.isfinite(columns).all():
            raise ValueError("This accumulator reads finite values, all present and without weights.")
        width, rows = columns.shape
        x = columns.astype(np.float64)
        mean = x.mean(axis=1)
        x -= mean[:, np.newaxis]
        none, count = np.zeros(width, np.int64), np.full(width, rows, np.int64)
        squares = np.einsum("ij,ij->i", x, x)
        return cls(
            *(count, none, none, none, none, count.astype(np.float64), mean, squares),
            columns.min(axis=1).astype(np.float64),
            columns.max(axis=1).astype(np.float64),
        )

    def merge(self, other: accumulator.Moments) -> "ChanMoments":
        """Both, rounded."""
        whole = self.weight + other.weight
        share = np.divide(other.weight, whole, out=np.zeros_like(whole), where=whole > 0)
        gap = other.total - self.total
        return ChanMoments(
            *(getattr(self, name) + getattr(other, name) for name in accumulator.COUNTS),
            whole,
            self.total + share * gap,
            self.squares + other.squares + self.weight * share * gap**2,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    def _each(self, change: Callable[[Array], Array]) -> "ChanMoments":
        return ChanMoments(*(change(getattr(self, name)) for name in accumulator.FIELDS))

    def write(self, writer: Writer) -> None:
        """The byte form."""
        writer.text(json.dumps(self.count.shape).encode())
        for name in accumulator.FIELDS:
            writer.text(getattr(self, name).tobytes())

    @classmethod
    def read(cls, reader: Reader) -> "ChanMoments":
        """What ``write`` wrote."""
        shape = tuple(json.loads(reader.text()))
        kinds = [np.int64 if name in accumulator.COUNTS else np.float64 for name in accumulator.FIELDS]
        return cls(*(np.frombuffer(reader.text(), kind).reshape(shape) for kind in kinds))

    @property
    def mean(self) -> Array:
        """float64 [*shape]."""
        return self.total

    @property
    def variance(self) -> Array:
        """float64 [*shape], population variance."""
        return self.squares / self.weight
