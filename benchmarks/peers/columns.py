"""The columns of hard numbers, and the exact truth about them."""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 1_000
KEYS = 7
SPARSE_SHARE = 0.4

Array = npt.NDArray[Any]
Figures = tuple[float, float]  # mean and variance


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of the data; ``present`` marks the rows that have a value."""

    name: str
    values: Array
    weights: Array | None = None
    keys: Array | None = None
    present: Array | None = None

    @property
    def groups(self) -> list[tuple[Array, Array | None]]:
        """Values and weights of what is measured by itself: each key in byte order, or the whole column."""
        if self.present is not None:
            return [(self.values[self.present], None)]
        if self.keys is not None:
            return [(self.values[self.keys == key], None) for key in np.unique(self.keys)]
        return [(self.values, self.weights)]


def kinds_of_data(rows: int, seed: int) -> dict[str, Column]:
    """The kinds of data, by what the table calls them; float32 unless the name says otherwise."""
    rng = np.random.default_rng(seed)

    def normal(mean: float, dtype: Any = np.float32) -> Array:
        return rng.normal(mean, 1, rows).astype(dtype)

    def with_one(value: float) -> Array:
        values = normal(0)
        values[rows // 2] = value
        return values

    late = normal(0)
    late[rows - rows % BATCH :] += 100
    signs = np.where(np.arange(rows) % 2 == 0, 1, -1)
    mixed = (10 ** rng.uniform(-30, 30, rows) * rng.choice([-1, 1], rows)).astype(np.float32)
    columns = {
        "N(0, 1)": Column("n0", normal(0)),
        "N(1e4, 1)": Column("n4", normal(1e4)),
        "N(1e6, 1)": Column("n6", normal(1e6)),
        "N(1e8, 1)": Column("n8", normal(1e8)),
        "N(1e8, 1), float64": Column("n8_float64", normal(1e8, np.float64)),
        "±1e-30 … ±1e30": Column("mixed", mixed),
        "3e38, -3e38, 3e38, …": Column("alternating", (signs * 3e38).astype(np.float32)),
        "int64 near 2^53": Column("int53", 2**53 + rng.integers(-1_000, 1_000, rows)),
        "int64 near 2^62": Column("int62", 2**62 + rng.integers(-1_000_000, 1_000_000, rows)),
        "subnormal": Column("subnormal", rng.integers(1, 1 << 23, rows).astype(np.uint32).view(np.float32)),
        "N(0, 1), one NaN": Column("one_nan", with_one(np.nan)),
        "N(0, 1), one Inf": Column("one_inf", with_one(np.inf)),
        "constant 0.1": Column("constant", np.full(rows, 0.1, np.float32)),
        "N(0, 1), uneven last batch near 100": Column("late", late),
        "pixels 0 … 255, float16": Column("pixels", rng.uniform(0, 255, rows).astype(np.float16)),
        "N(1e4, 1), sparse, one NaN": Column("sparse", normal(1e4), present=rng.random(rows) < SPARSE_SHARE),
        f"N(1e4, 1) by {KEYS} keys": Column("keyed", normal(1e4), keys=np.arange(rows) % KEYS),
        "N(1e4, 1), weighted": Column("weighted", normal(1e4), weights=_weights(rng, rows)),
    }
    sparse = columns["N(1e4, 1), sparse, one NaN"]
    sparse.values[np.flatnonzero(sparse.present)[:1]] = np.nan
    return columns


def _weights(rng: np.random.Generator, rows: int) -> Array:
    return np.where(rng.random(rows) < 0.1, 0, rng.uniform(0, 3, rows)).astype(np.float32)


def truth(values: Array, weights: Array | None = None) -> Figures:
    """Mean and population variance of the finite values, exact, each rounded once."""
    used = np.isfinite(values)
    exact = [Fraction(x) for x in values[used].tolist()]
    shares = [Fraction(1)] * len(exact) if weights is None else [Fraction(w) for w in weights[used].tolist()]
    whole = sum(shares)
    mean = sum(w * x for w, x in zip(shares, exact, strict=True)) / whole
    # About a number near the mean: the same variance, exactly, with far fewer digits on the way.
    near = Fraction(float(mean))
    gaps = [x - near for x in exact]
    squares = sum(w * gap * gap for w, gap in zip(shares, gaps, strict=True)) / whole
    return float(mean), float(squares - (mean - near) ** 2)


def ulps(found: float, true: float) -> float:
    """How many spacings of float64 at ``true`` lie between the two; inf if one is not finite or ``true`` is 0."""
    if found == true:
        return 0.0
    if not math.isfinite(found) or true == 0:
        return math.inf
    return float(abs(Fraction(found) - Fraction(true)) / Fraction(math.ulp(true)))
