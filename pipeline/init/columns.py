"""Facts of each column of a table, gathered block by block: what a proposal of its role rests on."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Beyond this many different values a column is counted no further: the proposals only ask for "few" or "nearly all".
MOST_COUNTED = {"int64": 100_000, "bytes": 100_000, "float32": 1_000}


@dataclasses.dataclass(frozen=True)
class ColumnFacts:
    """What was seen of one column.

    Attributes:
      name: as the data spell it.
      dtype: ``int64``, ``float32`` or ``bytes``.
      rows: rows of the table.
      present: rows with a value.
      distinct: different values, NaN not among them, counted exactly over the first ``counted`` values.
      counted: values looked at until ``MOST_COUNTED`` different ones were found; all of them where there are fewer.
      counts: how often each value occurs; empty where counting stopped.
      nan: values present that are NaN.
      min, max: of the finite numbers; NaN where there are none and for text.
      skewness: of the finite numbers (population); 0 where they do not vary.
      steps_by_one: share of neighbouring rows that differ by exactly +1, for integers; 0 otherwise.
      min_length, max_length: values in a row that has any.
    """

    name: str
    dtype: str
    rows: int
    present: int
    distinct: int
    counted: int
    counts: Mapping[Any, int]
    nan: int
    min: float
    max: float
    skewness: float
    steps_by_one: float
    min_length: int
    max_length: int

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self.rows - self.present

    @property
    def scalar(self) -> bool:
        """Every row that has a value has exactly one."""
        return self.max_length <= 1


class ColumnCounter:
    """Gathers the facts of one column; `add` each block in the order of the rows, then ask for `facts`."""

    def __init__(self, name: str, dtype: str) -> None:
        """Of the column ``name``, read as ``dtype``; nothing seen yet."""
        self._name, self._dtype = name, dtype
        self._rows = self._present = self._counted = self._nan = 0
        self._counts: dict[Any, int] = {}
        self._full = False
        self._min, self._max = math.inf, -math.inf
        self._power_sums = np.zeros(4)
        self._shift: float | None = None
        self._last: int | None = None
        self._steps = self._steps_by_one = 0
        self._min_length, self._max_length = 0, 0

    def add(self, column: pa.Array) -> None:
        """Takes the next block: a flat array, or an array of lists where a row may hold several values."""
        self._rows += len(column)
        values = self._flat(column)
        if not len(values):
            return
        self._count(values if self._dtype != "float32" else values.filter(pc.invert(pc.is_nan(values))))
        if self._dtype != "bytes":
            self._measure(values.to_numpy(zero_copy_only=False))

    def facts(self) -> ColumnFacts:
        """What was seen so far."""
        seen = self._min <= self._max
        return ColumnFacts(
            name=self._name,
            dtype=self._dtype,
            rows=self._rows,
            present=self._present,
            distinct=len(self._counts),
            counted=self._counted,
            counts={} if self._full else dict(self._counts),
            nan=self._nan,
            min=self._min if seen else math.nan,
            max=self._max if seen else math.nan,
            skewness=self._skewness(),
            steps_by_one=self._steps_by_one / self._steps if self._steps else 0.0,
            min_length=self._min_length,
            max_length=self._max_length,
        )

    def _flat(self, column: pa.Array) -> pa.Array:
        if pa.types.is_null(column.type):
            return pa.array([], pa.null())
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
            if column.null_count < len(column):
                self._see_lengths(len(column) - column.null_count, 1, 1)
            return column.drop_null() if column.null_count else column
        lengths = pc.list_value_length(column).drop_null().to_numpy(zero_copy_only=False)
        lengths = lengths[lengths > 0]
        if len(lengths):
            self._see_lengths(len(lengths), int(lengths.min()), int(lengths.max()))
        return column.flatten()

    def _see_lengths(self, present: int, shortest: int, longest: int) -> None:
        self._min_length = min(self._min_length, shortest) if self._present else shortest
        self._max_length = max(self._max_length, longest)
        self._present += present

    def _count(self, values: pa.Array) -> None:
        if self._full:
            return
        for entry in pc.value_counts(values):
            value = entry["values"].as_py()
            self._counts[value] = self._counts.get(value, 0) + entry["counts"].as_py()
        self._counted += len(values)
        self._full = len(self._counts) > MOST_COUNTED[self._dtype]

    def _measure(self, values: np.ndarray[Any, Any]) -> None:
        if self._dtype == "int64":
            steps = np.diff(values) if self._last is None else np.diff(values, prepend=self._last)
            self._steps += len(steps)
            self._steps_by_one += int((steps == 1).sum())
            self._last = int(values[-1])
        numbers = values.astype(np.float64)
        self._nan += int(np.isnan(numbers).sum())
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers):
            self._min, self._max = min(self._min, float(numbers.min())), max(self._max, float(numbers.max()))
            # Shifted by the first value: good enough to tell a long tail, which is all it is for.
            self._shift = float(numbers[0]) if self._shift is None else self._shift
            shifted = numbers - self._shift
            self._power_sums += [len(shifted), shifted.sum(), (shifted**2).sum(), (shifted**3).sum()]

    def _skewness(self) -> float:
        count, first, second, third = (float(value) for value in self._power_sums)
        if not count or self._min >= self._max:
            return 0.0
        mean, square, cube = first / count, second / count, third / count
        variance = square - mean**2
        central = cube - 3 * mean * square + 2 * mean**3
        return central / variance**1.5 if variance > 0 else 0.0


def gather(batches: Iterable[pa.RecordBatch], types: Mapping[str, str]) -> tuple[ColumnFacts, ...]:
    """The facts of all columns of ``types``, in its order; a column that a block lacks is missing there."""
    counters = {name: ColumnCounter(name, dtype) for name, dtype in types.items()}
    for batch in batches:
        there = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, counter in counters.items():
            counter.add(there[name] if name in there else pa.nulls(batch.num_rows))
    return tuple(counter.facts() for counter in counters.values())
