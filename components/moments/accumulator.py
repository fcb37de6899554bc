"""Moments: the exact, mergeable accumulator of count, mean, variance, minimum and maximum."""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from components.moments.exact_sums import FRACTION_BITS, IntegerArray, ObjectArray, exact_sums

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and spread over axis 0 of everything seen, exact until the properties round once.

    Laws: ``merge`` is associative and commutative, ``empty`` is neutral, and ``Moments.of(rows)`` equals the merge of
    ``Moments.of(block)`` over any cut of the rows into blocks, in any order: equal to the last bit, because the sums
    are integers. The state is a few hundred bytes an element, whatever the number of rows.

    Attributes:
      count: int64 [*shape], finite values.
      missing: int64 [*shape], values masked out.
      nan, pos_inf, neg_inf: int64 [*shape], non-finite values; they enter nothing else.
      total: object [*shape], exact sum in units of 2**-1074.
      squares: object [*shape], exact sum of squares in units of 2**-2148.
      lowest, highest: object [*shape], exact extremes (int or float), None where nothing finite was seen.
    """

    count: IntegerArray
    missing: IntegerArray
    nan: IntegerArray
    pos_inf: IntegerArray
    neg_inf: IntegerArray
    total: ObjectArray
    squares: ObjectArray
    lowest: ObjectArray
    highest: ObjectArray

    @classmethod
    def empty(cls, shape: tuple[int, ...] = ()) -> "Moments":
        """The neutral element: nothing seen, for values of this shape."""
        return cls.of(np.zeros((0, *shape), dtype=np.float32))

    @classmethod
    def of(cls, values: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> "Moments":
        """The moments of ``values`` over axis 0.

        Args:
          values: [rows, *shape], of any NumPy integer, bool or float type of at most 64 bits; int64, and uint64 below
            2**63, are taken exactly, never through float.
          mask: bool [rows, *shape] (or a shape that broadcasts to it from the left, such as [rows]); True = use.

        Raises:
          ValueError: a scalar, or a type that is not a real number.
        """
        table = _readable(np.asarray(values))
        rows, shape = table.shape[0], table.shape[1:]
        flat = table.reshape(rows, int(np.prod(shape, dtype=np.int64)))  # reshape(0, -1) is an error
        present = np.ones(flat.shape, dtype=np.bool_) if mask is None else _spread(np.asarray(mask, np.bool_), table)
        is_float = flat.dtype.kind == "f"
        usable = present & np.isfinite(flat) if is_float else present
        total, squares = exact_sums(flat, usable)

        def count(where: npt.NDArray[np.bool_]) -> IntegerArray:
            return np.asarray(where.sum(axis=0, dtype=np.int64)).reshape(shape)

        none = np.zeros(shape, dtype=np.int64)
        return cls(
            count=count(usable),
            missing=count(~present),
            nan=count(present & np.isnan(flat)) if is_float else none,
            pos_inf=count(present & np.isposinf(flat)) if is_float else none,
            neg_inf=count(present & np.isneginf(flat)) if is_float else none,
            total=total.reshape(shape),
            squares=squares.reshape(shape),
            lowest=_extreme(flat, usable, np.min).reshape(shape),
            highest=_extreme(flat, usable, np.max).reshape(shape),
        )

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both; exact.

        Raises:
          ValueError: the shapes differ.
        """
        if self.count.shape != other.count.shape:
            raise ValueError(
                f"Cannot merge moments of shape {self.count.shape} with moments of shape {other.count.shape}; "
                "both must describe the same feature."
            )
        return Moments(
            count=self.count + other.count,
            missing=self.missing + other.missing,
            nan=self.nan + other.nan,
            pos_inf=self.pos_inf + other.pos_inf,
            neg_inf=self.neg_inf + other.neg_inf,
            total=np.asarray(self.total + other.total, dtype=object),
            squares=np.asarray(self.squares + other.squares, dtype=object),
            lowest=_merge_extremes(self.lowest, other.lowest, min),
            highest=_merge_extremes(self.highest, other.highest, max),
        )

    @property
    def mean(self) -> FloatArray:
        """float64 [*shape], correctly rounded; NaN where nothing finite was seen."""
        return _round_each(lambda n, total, _: Fraction(total, n << FRACTION_BITS), self)

    @property
    def variance(self) -> FloatArray:
        """float64 [*shape], population variance (divided by n), correctly rounded; NaN where nothing finite was seen,
        inf beyond float64."""
        return _round_each(
            lambda n, total, squares: Fraction(n * squares - total * total, (n * n) << (2 * FRACTION_BITS)), self
        )

    @property
    def min(self) -> FloatArray:
        """float64 [*shape], smallest finite value; NaN where there is none."""
        return _as_float(self.lowest)

    @property
    def max(self) -> FloatArray:
        """float64 [*shape], largest finite value; NaN where there is none."""
        return _as_float(self.highest)


def _readable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.ndim == 0:
        raise ValueError("Moments.of reads [rows, *shape] but got a scalar; wrap it in a list.")
    if values.dtype.kind == "b" or (values.dtype.kind in "iu" and values.dtype != np.uint64):
        return values.astype(np.int64, copy=False)
    if values.dtype == np.uint64 and not (values >> np.uint64(63)).any():
        return values.astype(np.int64)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype == np.float16 or values.dtype.name == "bfloat16":
        return values.astype(np.float32)  # exact: both are subsets of float32
    raise ValueError(f"Moments.of reads integers and floats of at most 64 bits but got {values.dtype}.")


def _spread(mask: npt.NDArray[np.bool_], table: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    padded = mask.reshape(mask.shape + (1,) * (table.ndim - mask.ndim))
    width = int(np.prod(table.shape[1:], dtype=np.int64))
    return np.broadcast_to(padded, table.shape).reshape(table.shape[0], width)


def _extreme(flat: npt.NDArray[Any], usable: npt.NDArray[np.bool_], pick: Any) -> ObjectArray:
    found = np.full(flat.shape[1], None, dtype=object)
    if not flat.shape[0]:
        return found
    info: Any = np.iinfo(np.int64) if flat.dtype == np.int64 else np.finfo(flat.dtype)
    fill = info.max if pick is np.min else info.min
    extremes = pick(np.where(usable, flat, flat.dtype.type(fill)), axis=0)
    seen = usable.any(axis=0)
    found[seen] = [value.item() + 0 for value in extremes[seen]]  # -0.0 and 0.0 are one value: + 0 makes it 0.0
    return found


def _merge_extremes(left: ObjectArray, right: ObjectArray, pick: Any) -> ObjectArray:
    merged = [b if a is None else a if b is None else pick(a, b) for a, b in zip(left.flat, right.flat, strict=True)]
    return _object_array(merged, left.shape)


def _object_array(items: list[Any], shape: tuple[int, ...]) -> ObjectArray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def _as_float(extremes: ObjectArray) -> FloatArray:
    return np.array([np.nan if x is None else float(x) for x in extremes.flat], np.float64).reshape(extremes.shape)


def _round_each(exact: Any, moments: Moments) -> FloatArray:
    rounded = [
        _nearest_float(exact(int(n), total, squares)) if n else np.nan
        for n, total, squares in zip(moments.count.flat, moments.total.flat, moments.squares.flat, strict=True)
    ]
    return np.array(rounded, np.float64).reshape(moments.count.shape)


def _nearest_float(value: Fraction) -> float:
    """The float64 nearest to ``value``, ties to even; inf beyond the largest. Python's integer division is exact."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
