"""Moments: the exact, mergeable accumulator of count, mean, variance, minimum and maximum."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from components.moments.codec import Reader, Writer
from components.moments.exact_sums import FRACTION_BITS, IntegerArray, ObjectArray, exact_sums, object_array
from components.moments.weighted_sums import WEIGHT_BITS, as_weights, exact_weighted_sums

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and spread over axis 0 of everything seen, exact until the properties round once.

    Laws: ``merge`` is associative and commutative, ``empty`` is neutral, and ``Moments.of(rows)`` equals the merge of
    ``Moments.of(block)`` over any cut of the rows into blocks, in any order: equal to the last bit, because the sums
    are integers. The state is a few hundred bytes an element, whatever the number of rows. A row without weights
    weighs 1.

    Attributes:
      count: int64 [*shape], finite values of a weight above 0.
      missing: int64 [*shape], values masked out.
      nan, pos_inf, neg_inf: int64 [*shape], non-finite values; they enter nothing else.
      weight: object [*shape], exact sum of the weights in units of 2**-149.
      total: object [*shape], exact sum of w*x in units of 2**-(149 + 1074).
      squares: object [*shape], exact sum of w*x*x in units of 2**-(149 + 2148).
      lowest, highest: object [*shape], exact extremes (int or float), None where nothing finite was seen.
    """

    count: IntegerArray
    missing: IntegerArray
    nan: IntegerArray
    pos_inf: IntegerArray
    neg_inf: IntegerArray
    weight: ObjectArray
    total: ObjectArray
    squares: ObjectArray
    lowest: ObjectArray
    highest: ObjectArray

    @classmethod
    def empty(cls, shape: tuple[int, ...] = ()) -> "Moments":
        """The neutral element: nothing seen, for values of this shape."""
        counts: dict[str, Any] = {name: np.zeros(shape, np.int64) for name in COUNTS}
        sums = {name: np.zeros(shape, object) for name in SUMS}
        extremes = {name: np.full(shape, None, object) for name in EXTREMES}
        return cls(**counts, **sums, **extremes)

    @classmethod
    def of(
        cls, values: npt.ArrayLike, weights: npt.ArrayLike | None = None, mask: npt.ArrayLike | None = None
    ) -> "Moments":
        """The moments of ``values`` over axis 0.

        Args:
          values: [rows, *shape], of any NumPy integer, bool or float type of at most 64 bits, or bfloat16; int64, and
            uint64 below 2**63, are taken exactly, never through float.
          weights: float32, or exactly so, [rows] or any shape that broadcasts to ``values`` from the left. A value of
            weight 0 is absent: it enters no count, ``missing`` included.
          mask: bool, of such a shape too; True = use.

        Raises:
          ValueError: a scalar, a type that is not a real number, a shape that does not fit, or a weight that is
            negative, not finite or not a float32.
        """
        table = readable(np.asanyarray(values))
        shape = table.shape[1:]
        columns = np.ascontiguousarray(table.reshape(len(table), int(np.prod(shape, dtype=np.int64))).T)
        present = None if mask is None else _spread(np.asarray(mask, np.bool_), table, "mask")
        heavy = None if weights is None else _spread(as_weights(np.asarray(weights)), table, "weights")
        return cls.of_columns(columns, heavy, present).reshape(shape)

    @classmethod
    def of_columns(
        cls,
        columns: npt.NDArray[Any],
        weights: npt.NDArray[np.float32] | None = None,
        present: npt.NDArray[np.bool_] | None = None,
    ) -> "Moments":
        """The moments, [width], of float32, float64 or int64 [width, rows]; weights and mask of the same shape."""
        weighty = None if weights is None else weights > 0
        none = np.zeros(len(columns), np.int64)
        missing = none if present is None else _count(_both(~present, weighty), columns)
        usable = _both(present, weighty)
        counts: dict[str, Any] = {"nan": np.isnan, "pos_inf": np.isposinf, "neg_inf": np.isneginf}
        if columns.dtype.kind == "f" and not (finite := np.isfinite(columns)).all():
            nonfinite = {name: _count(_both(test(columns), usable), columns) for name, test in counts.items()}
            usable = _both(usable, finite)
        else:
            nonfinite = dict.fromkeys(counts, none)
        if usable is not None:
            columns = np.where(usable, columns, columns.dtype.type(0))
        count = _count(usable, columns)
        if weights is None:
            unit = 1 << WEIGHT_BITS
            sums = tuple(each * unit for each in (count.astype(object), *exact_sums(columns)))
        else:
            sums = exact_weighted_sums(columns, _where_used(weights, usable))
        return cls(
            count=count,
            missing=missing,
            nan=nonfinite["nan"],
            pos_inf=nonfinite["pos_inf"],
            neg_inf=nonfinite["neg_inf"],
            weight=np.asarray(sums[0], object),
            total=np.asarray(sums[1], object),
            squares=np.asarray(sums[2], object),
            lowest=_extreme(columns, usable, np.min),
            highest=_extreme(columns, usable, np.max),
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
        sums = {name: _added(getattr(self, name), getattr(other, name)) for name in (*COUNTS, *SUMS)}
        return Moments(
            **sums,
            lowest=_merge_extremes(self.lowest, other.lowest, min),
            highest=_merge_extremes(self.highest, other.highest, max),
        )

    def reshape(self, shape: tuple[int, ...]) -> "Moments":
        """The same moments in another shape of as many elements."""
        return self._each(lambda array: array.reshape(shape))

    def __getitem__(self, at: slice | IntegerArray) -> "Moments":
        """Some of the elements along the first axis."""
        return self._each(lambda array: array[at])

    @staticmethod
    def concatenate(parts: Sequence["Moments"]) -> "Moments":
        """The elements of all parts, along the first axis."""
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
        return Moments(**arrays)

    def write(self, writer: Writer) -> None:
        """The byte form: shape, counts, sums and extremes of all elements."""
        writer.size(self.count.ndim)
        for length in self.count.shape:
            writer.size(length)
        for name in (*COUNTS, *SUMS):
            for value in getattr(self, name).flat:
                writer.integer(int(value))
        for name in EXTREMES:
            for value in getattr(self, name).flat:
                writer.number(value)

    @classmethod
    def read(cls, reader: Reader) -> "Moments":
        """What ``write`` wrote."""
        shape = tuple(reader.size() for _ in range(reader.size()))
        elements = range(math.prod(shape))
        arrays: dict[str, Any] = {}
        for name in COUNTS:
            arrays[name] = np.array([reader.integer() for _ in elements], np.int64).reshape(shape)
        for name in SUMS:
            arrays[name] = object_array([reader.integer() for _ in elements]).reshape(shape)
        for name in EXTREMES:
            arrays[name] = object_array([reader.number() for _ in elements]).reshape(shape)
        return cls(**arrays)

    def _each(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> "Moments":
        return Moments(**{name: change(getattr(self, name)) for name in FIELDS})

    @property
    def mean(self) -> FloatArray:
        """float64 [*shape], sum of w*x over sum of w, correctly rounded; NaN where nothing finite was seen."""
        return _round_each(lambda w, total, _: Fraction(total, w << FRACTION_BITS), self)

    @property
    def variance(self) -> FloatArray:
        """float64 [*shape], population variance, sum of w*(x - mean)**2 over sum of w, correctly rounded; NaN where
        nothing finite was seen, inf beyond float64."""
        return _round_each(
            lambda w, total, squares: Fraction(w * squares - total * total, (w * w) << (2 * FRACTION_BITS)), self
        )

    @property
    def min(self) -> FloatArray:
        """float64 [*shape], smallest finite value; NaN where there is none."""
        return _as_float(self.lowest)

    @property
    def max(self) -> FloatArray:
        """float64 [*shape], largest finite value; NaN where there is none."""
        return _as_float(self.highest)


COUNTS = ("count", "missing", "nan", "pos_inf", "neg_inf")
SUMS = ("weight", "total", "squares")
EXTREMES = ("lowest", "highest")
FIELDS = (*COUNTS, *SUMS, *EXTREMES)


def readable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers as float32, float64 or int64, exactly; float16 and bfloat16 are subsets of float32."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError("Moments.of reads plain arrays but got a masked one; give its data, and mask=~array.mask.")
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
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


def _spread(flags: npt.NDArray[Any], table: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """``flags`` of a shape that fits ``table`` from the left, as [width, rows]."""
    try:
        full = np.broadcast_to(flags.reshape(flags.shape + (1,) * (table.ndim - flags.ndim)), table.shape)
    except ValueError as error:
        raise ValueError(f"The {what} of shape {flags.shape} do not fit values of shape {table.shape}.") from error
    return np.ascontiguousarray(full.reshape(len(table), int(np.prod(table.shape[1:], dtype=np.int64))).T)


def _both(left: npt.NDArray[np.bool_] | None, right: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
    """Both conditions; None is no condition."""
    return right if left is None else left if right is None else left & right


def _count(flags: npt.NDArray[np.bool_] | None, columns: npt.NDArray[Any]) -> IntegerArray:
    """How many values of each column have the flag; None is all of them."""
    if flags is None:
        return np.full(len(columns), columns.shape[1], np.int64)
    return np.asarray(np.count_nonzero(flags, axis=1), np.int64)


def _where_used(weights: npt.NDArray[np.float32], usable: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float32]:
    return weights if usable is None else np.where(usable, weights, np.float32(0))


def _added(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(left + right, left.dtype)


def _extreme(columns: npt.NDArray[Any], usable: npt.NDArray[np.bool_] | None, pick: Any) -> ObjectArray:
    found = np.full(len(columns), None, dtype=object)
    if not columns.shape[1]:
        return found
    if usable is None:
        found[:] = _without_negative_zero(pick(columns, axis=1))
        return found
    info: Any = np.iinfo(np.int64) if columns.dtype == np.int64 else np.finfo(columns.dtype)
    fill = info.max if pick is np.min else info.min
    extremes = pick(np.where(usable, columns, columns.dtype.type(fill)), axis=1)
    seen = usable.any(axis=1)
    found[seen] = _without_negative_zero(extremes[seen])
    return found


def _without_negative_zero(extremes: npt.NDArray[Any]) -> list[int | float]:
    """-0.0 and 0.0 are one value, whichever came first: + 0 makes it 0.0."""
    return (extremes + extremes.dtype.type(0)).tolist()  # type: ignore[no-any-return]


def _one_extreme(a: Any, b: Any, pick: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    # Of an integer and an equal float, the float: which came first must not matter.
    return float(a) if a == b and isinstance(b, float) else pick(a, b)


def _merge_extremes(left: ObjectArray, right: ObjectArray, pick: Any) -> ObjectArray:
    merged = [_one_extreme(a, b, pick) for a, b in zip(left.flat, right.flat, strict=True)]
    return object_array(merged).reshape(left.shape)


def _as_float(extremes: ObjectArray) -> FloatArray:
    return np.array([np.nan if x is None else float(x) for x in extremes.flat], np.float64).reshape(extremes.shape)


def _round_each(exact: Any, moments: Moments) -> FloatArray:
    rounded = [
        _nearest_float(exact(weight, total, squares)) if weight else np.nan
        for weight, total, squares in zip(moments.weight.flat, moments.total.flat, moments.squares.flat, strict=True)
    ]
    return np.array(rounded, np.float64).reshape(moments.count.shape)


def _nearest_float(value: Fraction) -> float:
    """The float64 nearest to ``value``, ties to even; inf beyond the largest. Python's integer division is exact."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
