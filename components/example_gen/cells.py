"""Cells of text to numbers, and what a column of text looks like.

The whole column is cast by Arrow at once. Only where that fails are blanks trimmed, a leading ``+`` dropped and
the missing-value marks looked for again; only where that fails too is the one offending cell searched for.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What stands for a missing value, in columns of text too, quoted or not. NaN is not among them: in a column of
# floats it is the float NaN.
DEFAULT_NULL_VALUES = ("", "NA", "N/A", "null", "NULL", "None", "<NA>", "#N/A")

_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_INTEGER = r"^-?[0-9]+$"
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class CellError(ValueError):
    """One cell that does not fit its column's type.

    Attributes:
      row: its index in the array that was converted.
      value: the cell.
      reason: what is wrong with it, the end of a sentence.
    """

    def __init__(self, row: int, value: object, reason: str) -> None:
        """Keeps the three."""
        super().__init__(f"row {row}: {value!r} {reason}")
        self.row, self.value, self.reason = row, value, reason


def to_int64(cells: pa.Array, null_values: Sequence[str], *, strict: bool = False) -> pa.Array:
    """int64 of text, exact over the whole range, null where missing.

    ``true``/``false`` count as 1/0 and ``3.0`` as 3, unless ``strict``.

    Raises:
      CellError: a cell that is no integer, or one beyond int64.
    """
    if not _has_x(cells):  # Arrow reads 0x1F as 31
        try:
            return pc.cast(cells, pa.int64())
        except pa.ArrowInvalid:
            pass
    text = _tidied(cells, null_values)
    if not strict:
        text = pc.replace_substring_regex(text, r"^(-?[0-9]+)\.0*$", r"\1")
        text = pc.if_else(pc.is_in(text, pa.array(_TRUE)), "1", text)
        text = pc.if_else(pc.is_in(text, pa.array(_FALSE)), "0", text)
    integral = pc.fill_null(pc.match_substring_regex(text, _INTEGER), True)
    if not pc.all(integral).as_py():
        _fail(cells, int(np.argmin(_numpy(integral))), "is not an integer")
    try:
        return pc.cast(text, pa.int64())
    except pa.ArrowInvalid:
        row = next(i for i, cell in enumerate(text.to_pylist()) if cell and not -(2**63) <= int(cell) < 2**63)
        return _fail(cells, row, "is beyond int64")


def to_float32(cells: pa.Array, null_values: Sequence[str]) -> pa.Array:
    """float32 of text, rounded once from float64, null where missing; ``nan`` and ``inf`` are what they say.

    Raises:
      CellError: a cell that is no number, or a finite one that float32 cannot hold.
    """
    try:
        wide = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        text = _tidied(cells, null_values)
        try:
            wide = pc.cast(text, pa.float64())
        except pa.ArrowInvalid:
            return _fail(cells, _first_not_a_number(text), "is not a number")
    return narrow(wide, cells)


def narrow(wide: pa.Array, cells: pa.Array | None = None) -> pa.Array:
    """float32 of float64, to nearest even; null stays null.

    Args:
      wide: float64 values.
      cells: the text they were read from, to tell ``inf`` from ``1e400``.

    Raises:
      CellError: a finite value beyond float32: it is refused, not made infinite.
    """
    values = _numpy(pc.fill_null(wide, 0.0))
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    infinite = np.flatnonzero(np.isinf(single))
    for row in infinite.tolist():
        written = None if cells is None else str(cells[row].as_py()).strip()
        if np.isfinite(values[row]) or (written is not None and not _INFINITY.fullmatch(written)):
            _fail(wide if cells is None else cells, row, f"is beyond float32 (largest {_FLOAT32_MAX:.4g})")
    return pa.array(single, mask=_numpy(pc.is_null(wide))) if wide.null_count else pa.array(single)


def classify(cells: pa.Array, null_values: Sequence[str]) -> str | None:
    """What the cells look like: None (all missing), bool, int64, wide (integers beyond int64), float32 or bytes."""
    if cells.null_count == len(cells):
        return None
    try:
        values = to_int64(cells, null_values, strict=True)
        return "int64" if values.null_count < len(values) else None
    except CellError:
        pass
    text = _tidied(cells, null_values).drop_null()
    if pc.all(pc.is_in(text, pa.array(_TRUE + _FALSE))).as_py():
        return "bool"
    if pc.all(pc.match_substring_regex(text, _INTEGER)).as_py():
        return "wide"
    try:
        to_float32(cells, null_values)
        return "float32"
    except CellError:
        return "bytes"


_ORDER = ("int64", "wide", "float32", "bytes")


def join(kinds: Iterable[str | None]) -> str | None:
    """The narrowest kind that holds all of ``kinds``; in any order and grouping the same."""
    seen = {kind for kind in kinds if kind is not None}
    if not seen:
        return None
    if "bool" in seen:
        return "bool" if seen == {"bool"} else "bytes"
    return max(seen, key=_ORDER.index)


def type_of_kind(kind: str | None) -> str:
    """int64, float32 or bytes. Nothing seen and integers beyond int64 are bytes: no digit is lost."""
    return {"bool": "int64", "int64": "int64", "float32": "float32"}.get(kind or "", "bytes")


def _tidied(cells: pa.Array, null_values: Sequence[str]) -> pa.Array:
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(cells), r"^\+([0-9.])", r"\1")
    return pc.if_else(pc.is_in(text, pa.array(list(null_values), pa.string())), pa.scalar(None, pa.string()), text)


def _has_x(cells: pa.Array) -> bool:
    data = cells.buffers()[2]
    if data is None:
        return False
    raw = data.to_pybytes()
    return b"x" in raw or b"X" in raw


def _first_not_a_number(text: pa.Array) -> int:
    for row, cell in enumerate(text):
        try:
            pc.cast(cell, pa.float64())
        except pa.ArrowInvalid:
            return row
    raise AssertionError("Arrow refused the column but none of its cells")


def _fail(cells: pa.Array, row: int, reason: str) -> pa.Array:
    raise CellError(row, cells[row].as_py(), reason)


def _numpy(array: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
    return np.asarray(array.to_numpy(zero_copy_only=False))
