"""The exact statistics of a whole table: one accumulator for all features, with a byte form. No runner in here."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments.accumulator import Moments
from components.moments.columns import Column, column_of
from components.moments.log1p import log1p

_FORMAT = 1
_COUNTS = ("count", "missing", "nan", "pos_inf", "neg_inf")
_EXACT = ("total", "squares", "lowest", "highest")


@dataclasses.dataclass(frozen=True)
class KeyCounts:
    """How often each key of a category or of a text label was seen; keys are bytes (an int64 as decimal text)."""

    counts: Counter[bytes]
    missing: int = 0

    def merge(self, other: "KeyCounts") -> "KeyCounts":
        """Both, added; associative and commutative."""
        return KeyCounts(self.counts + other.counts, self.missing + other.missing)


FeatureStatistics = Moments | KeyCounts


@dataclasses.dataclass(frozen=True)
class TableStatistics:
    """Rows seen, and the statistics of each analysed feature by name.

    Laws: those of ``Moments``: any cut into batches, in any order, gives the same object.
    """

    rows: int
    features: Mapping[str, FeatureStatistics]

    @classmethod
    def empty(cls, plan: FeaturePlan) -> "TableStatistics":
        """The neutral element."""
        return cls(
            0,
            {
                feature.name: KeyCounts(Counter()) if counts_keys(feature) else Moments.empty(feature.statistic_shape)
                for feature in analyzed(plan)
            },
        )

    @classmethod
    def of(cls, plan: FeaturePlan, batches: Sequence[Any]) -> "TableStatistics":
        """The statistics of one batch.

        Args:
          plan: decides what is counted, and how.
          batches: one array or SparseParts for each of ``analyzed(plan)``, in that order.
        """
        features = analyzed(plan)
        columns = [column_of(feature, batch) for feature, batch in zip(features, batches, strict=True)]
        rows = {column.rows for column in columns}
        if len(rows) != 1:
            raise ValueError(f"The columns of one batch must have equally many rows but have {sorted(rows)}.")
        return cls(
            rows.pop(),
            {
                feature.name: _key_counts(column) if counts_keys(feature) else _moments(feature, column)
                for feature, column in zip(features, columns, strict=True)
            },
        )

    def merge(self, other: "TableStatistics") -> "TableStatistics":
        """Both tables' statistics; exact."""
        merged = {name: mine.merge(other.features[name]) for name, mine in self.features.items()}  # type: ignore[arg-type]
        return TableStatistics(self.rows + other.rows, merged)

    def to_bytes(self) -> bytes:
        """A versioned byte form; ``from_bytes`` gives the same statistics back."""
        table = {name: _to_table(statistics) for name, statistics in self.features.items()}
        return json.dumps({"format": _FORMAT, "rows": self.rows, "features": table}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "TableStatistics":
        """Reads what ``to_bytes`` wrote.

        Raises:
          ValueError: another format version.
        """
        table = json.loads(data)
        if table.get("format") != _FORMAT:
            raise ValueError(
                f"Statistics of format {table.get('format')!r} cannot be read; format {_FORMAT} is required."
            )
        return cls(table["rows"], {name: _from_table(item) for name, item in table["features"].items()})


def analyzed(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The features that an analysis reads, in schema order."""
    return plan.with_role("z_score", "min_max", "category", "label")


def counts_keys(feature: Feature) -> bool:
    """Whether the feature gets a vocabulary; otherwise it gets moments."""
    return feature.role == "category" or (feature.role == "label" and feature.dtype == "bytes")


def _moments(feature: Feature, column: Column) -> Moments:
    values, present = column.values, column.present
    if feature.log1p:
        values = _logarithms(feature, column)
    shape = feature.shape or ()
    kept = feature.axis or ()
    if len(kept) < len(shape):
        reduced = [axis for axis in range(len(shape)) if axis not in kept]
        present = np.broadcast_to(present.reshape(-1, *(1 for _ in shape)), values.shape)
        order = (0, *(axis + 1 for axis in reduced), *(axis + 1 for axis in kept))
        target = (-1, *feature.statistic_shape)
        values, present = (array.transpose(order).reshape(target) for array in (values, present))
    moments = Moments.of(values, mask=present)
    return dataclasses.replace(moments, missing=moments.missing + column.empty) if column.empty else moments


def _logarithms(feature: Feature, column: Column) -> npt.NDArray[np.float64]:
    present = column.present.reshape(-1, *(1 for _ in column.values.shape[1:]))
    beyond = np.isfinite(column.values) & (column.values <= -1) & present
    if beyond.any():
        raise DataError(
            f"Feature {feature.name!r} holds {column.values[beyond].min()}, and its tag log1p needs values above -1. "
            "Drop the tag in the schema file, or mend the data."
        )
    return log1p(column.values)


def _key_counts(column: Column) -> KeyCounts:
    values = column.values.reshape(len(column.present))[column.present]
    if values.dtype.kind in "iu":
        keys, counts = np.unique(values, return_counts=True)
        counter = Counter({str(int(key)).encode(): int(n) for key, n in zip(keys, counts, strict=True)})
    else:
        counter = Counter(values.tolist())
    return KeyCounts(counter, int((~column.present).sum()))


def _to_table(statistics: FeatureStatistics) -> dict[str, Any]:
    if isinstance(statistics, KeyCounts):
        keys = {key.decode("utf-8", "surrogateescape"): n for key, n in sorted(statistics.counts.items())}
        return {"keys": keys, "missing": statistics.missing}
    table: dict[str, Any] = {"shape": list(statistics.count.shape)}
    table.update({name: getattr(statistics, name).ravel().tolist() for name in _COUNTS})
    table.update({name: [_exact_to_text(x) for x in getattr(statistics, name).flat] for name in _EXACT})
    return table


def _from_table(table: Mapping[str, Any]) -> FeatureStatistics:
    if "keys" in table:
        counts = Counter({key.encode("utf-8", "surrogateescape"): n for key, n in table["keys"].items()})
        return KeyCounts(counts, table["missing"])
    shape = tuple(table["shape"])
    arrays: dict[str, Any] = {name: np.array(table[name], np.int64).reshape(shape) for name in _COUNTS}
    for name in _EXACT:
        array = np.empty(len(table[name]), dtype=object)
        array[:] = [_exact_from_text(text) for text in table[name]]
        arrays[name] = array.reshape(shape)
    return Moments(**arrays)


def _exact_to_text(value: int | float | None) -> str | None:
    return value if value is None else value.hex() if isinstance(value, float) else hex(value)


def _exact_from_text(text: str | None) -> int | float | None:
    return text if text is None else float.fromhex(text) if "p" in text else int(text, 16)
