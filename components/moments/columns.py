"""One feature's batch as values and a presence mask, from what tf.Transform hands to an analyzer."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.errors import DataError
from components.feature import Feature
from components.moments.accumulator import readable
from components.moments.log1p import log1p


class SparseParts(NamedTuple):
    """What TensorFlow calls a SparseTensorValue; the first axis is the row."""

    indices: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    dense_shape: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Column:
    """A batch of one feature.

    Attributes:
      rows: rows of the batch, those without a value included.
      values: [n, *shape]; n = rows for fixed shapes; for variable length one value each, n of them, and one that is
        absent for each row without any.
      present: bool [n]; False where a value is absent.
      owner: int64 [n], the row that each value belongs to; None where it is 0, 1, 2 ...
    """

    rows: int
    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]
    owner: npt.NDArray[np.int64] | None = None


@dataclasses.dataclass(frozen=True)
class Block:
    """A batch as the accumulator takes it: elements that keep their own statistics, by what is summed up.

    Attributes:
      values: float32, float64 or int64 [width, n].
      present: bool [width, n], or None where nothing is absent.
      owner: int64 [n], the row behind each value.
    """

    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_] | None
    owner: npt.NDArray[np.int64]

    def flags(self) -> npt.NDArray[np.bool_]:
        """``present``, spelled out."""
        return np.ones(self.values.shape, np.bool_) if self.present is None else self.present

    def spread(self, by_row: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A quantity of each row, [rows], as one of each value, [width, n]."""
        return np.ascontiguousarray(np.broadcast_to(by_row[self.owner], self.values.shape))


def column_of(feature: Feature, batch: npt.NDArray[Any] | SparseParts) -> Column:
    """The column of a batch given as an array [rows, *shape] or as the parts of a sparse tensor.

    Raises:
      DataError: a row of a feature of fixed shape holds more than one value.
    """
    if not isinstance(batch, SparseParts):
        values = np.asarray(batch)
        return Column(len(values), values, np.ones(len(values), np.bool_))
    rows = int(batch.dense_shape[0])
    where = np.asarray(batch.indices)[:, 0]
    present = np.zeros(rows, np.bool_)
    present[where] = True
    found = np.asarray(batch.values)
    if feature.shape is None:
        empty = np.flatnonzero(~present)
        values = np.concatenate([found, np.zeros(len(empty), found.dtype)])
        flags = np.concatenate([np.ones(len(found), np.bool_), np.zeros(len(empty), np.bool_)])
        return Column(rows, values, flags, np.concatenate([where, empty]))
    if len(found) > present.sum():
        raise DataError(
            f"Feature {feature.name!r} must have at most one value a row but has {len(found)} in {int(present.sum())} "
            "rows. Mend the data, or declare a `shape`."
        )
    values = np.zeros(rows, dtype=found.dtype)
    values[where] = found
    return Column(rows, values, present)


def block_of(feature: Feature, column: Column) -> Block:
    """The column's numbers, their logarithms where the plan asks for them, with the kept axes in front.

    Raises:
      DataError: ``log1p`` of a value of -1 or less.
    """
    values = _logarithms(feature, column) if feature.log1p else column.values
    values = readable(values)
    owner = np.arange(len(values)) if column.owner is None else column.owner
    shape, kept = values.shape[1:], feature.axis if feature.role != "label" else None
    kept = tuple(range(len(shape))) if kept is None or feature.shape is None else kept
    reduced = tuple(axis for axis in range(len(shape)) if axis not in kept)
    order = (*(axis + 1 for axis in kept), 0, *(axis + 1 for axis in reduced))
    width, times = math.prod(shape[axis] for axis in kept), math.prod(shape[axis] for axis in reduced)
    table = np.ascontiguousarray(values.transpose(order)).reshape(width, len(values) * times)
    present = None
    if not column.present.all():
        present = np.ascontiguousarray(np.broadcast_to(np.repeat(column.present, times), table.shape))
    return Block(table, present, owner if times == 1 else np.repeat(owner, times))


def _logarithms(feature: Feature, column: Column) -> npt.NDArray[np.float64]:
    present = column.present.reshape(-1, *(1 for _ in column.values.shape[1:]))
    beyond = np.isfinite(column.values) & (column.values <= -1) & present
    if beyond.any():
        raise DataError(
            f"Feature {feature.name!r} holds {column.values[beyond].min()}, and its tag log1p needs values above -1. "
            "Drop the tag in the schema file, or mend the data."
        )
    return log1p(column.values)
