"""One feature's batch as values and a presence mask, from what tf.Transform hands to an analyzer."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.errors import DataError
from components.feature_plan import Feature


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
      values: [n, *shape]; n = rows for fixed shapes, the number of values for variable length.
      present: bool [n]; False where a row of a fixed-shape feature has no value.
      empty: rows of a variable-length feature without any value.
    """

    rows: int
    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]
    empty: int = 0


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
        return Column(rows, found, np.ones(len(found), np.bool_), empty=int(rows - present.sum()))
    if len(found) > present.sum():
        raise DataError(
            f"Feature {feature.name!r} must have at most one value a row but has {len(found)} in {int(present.sum())} "
            "rows. Mend the data, or declare a `shape`."
        )
    values = np.zeros(rows, dtype=found.dtype)
    values[where] = found
    return Column(rows, values, present)
