"""The exact statistics of a whole table: one accumulator for all features, with a byte form. No runner in here."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments.accumulator import Moments
from components.moments.codec import Reader, Writer
from components.moments.columns import Block, Column, block_of, column_of
from components.moments.image_moments import ImageMoments
from components.moments.key_counts import KeyCounts
from components.moments.keyed import KeyedMoments
from components.moments.ordered_counts import OrderedCounts, RobustStatistics
from components.moments.weighted_sums import as_weights

_MAGIC = b"TNS2"  # the byte form's name and version
# Part of the analyzer's cache keys: raised whenever the same rows could give other statistics or other bytes.
ANALYSIS_VERSION = f"{_MAGIC.decode()}-1"
_KINDS = (Moments, KeyCounts, RobustStatistics, KeyedMoments, ImageMoments)

# Values of a call of the accumulator: all of 2,000 features at once take 0.3 GB for copies, and a third longer.
_CALL_VALUES = 1 << 20

FeatureStatistics = Moments | KeyCounts | RobustStatistics | KeyedMoments | ImageMoments


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
        return cls(0, {feature.name: _empty(feature) for feature in analyzed(plan)})

    @classmethod
    def of(cls, plan: FeaturePlan, batches: Sequence[Any]) -> "TableStatistics":
        """The statistics of one batch.

        Args:
          plan: decides what is counted, and how.
          batches: one array, SparseParts or, for images, ImageColumn for each of ``columns_read(plan)``, in that order.

        Raises:
          DataError: a value that the plan does not allow, by the feature's name.
        """
        read = columns_read(plan)
        given = dict(zip((f.name for f in read), batches, strict=True))
        images = {f.name: given[f.name] for f in plan.images}
        columns = {f.name: column_of(f, given[f.name]) for f in read if f.name not in images}
        rows = {column.rows for column in (*columns.values(), *images.values())}
        if len(rows) != 1:
            raise ValueError(f"The columns of one batch must have equally many rows but have {sorted(rows)}.")
        weights = _row_weights(plan, columns)
        blocks = {f.name: block_of(f, columns[f.name]) for f in analyzed(plan) if not (counts_keys(f) or f.image)}
        moments = _moments([f for f in analyzed(plan) if f.name in blocks], blocks, weights)
        found: dict[str, FeatureStatistics] = {}
        for feature in analyzed(plan):
            name = feature.name
            if counts_keys(feature):
                found[name] = _key_counts(feature, columns[name], weights)
            elif feature.image is not None:
                found[name] = ImageMoments.of(feature, images[name], weights)
            elif feature.role == "robust":
                found[name] = _robust(moments[name], blocks[name], weights)
            elif feature.role == "z_score_per_key":
                found[name] = _keyed(moments[name], blocks[name], columns[feature.key], weights)
            else:
                found[name] = moments[name]
        return cls(rows.pop(), found)

    def merge(self, other: "TableStatistics") -> "TableStatistics":
        """Both tables' statistics; exact.

        Raises:
          ValueError: they are not of the same features.
        """
        if list(self.features) != list(other.features):
            raise ValueError(f"Cannot merge statistics of {list(self.features)} with those of {list(other.features)}.")
        merged = {name: mine.merge(other.features[name]) for name, mine in self.features.items()}  # type: ignore[arg-type]
        return TableStatistics(self.rows + other.rows, merged)

    def to_bytes(self) -> bytes:
        """A compact, versioned byte form; ``from_bytes`` gives the same statistics back."""
        writer = Writer()
        writer.size(self.rows)
        writer.size(len(self.features))
        for name, statistics in self.features.items():
            writer.text(name.encode())
            writer.size(_KINDS.index(type(statistics)))
            statistics.write(writer)
        return _MAGIC + writer.bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "TableStatistics":
        """Reads what ``to_bytes`` wrote.

        Raises:
          ValueError: another version, or bytes that are damaged.
        """
        if data[: len(_MAGIC)] != _MAGIC:
            raise ValueError(
                f"Statistics that begin with {data[: len(_MAGIC)]!r} cannot be read; {_MAGIC!r} is required."
            )
        reader = Reader(data[len(_MAGIC) :])
        rows = reader.size()
        features: dict[str, FeatureStatistics] = {}
        try:
            for _ in range(reader.size()):
                name = reader.text().decode()
                features[name] = _KINDS[reader.size()].read(reader)
        except (IndexError, OverflowError) as error:
            raise ValueError(f"The statistics are damaged: {error}.") from error
        reader.finish()
        return cls(rows, features)


def analyzed(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The features that get statistics, in schema order."""
    return plan.with_role("z_score", "z_score_per_key", "min_max", "robust", "category", "image", "label", "weight")


def columns_read(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The columns that an analysis reads, in schema order: the analysed ones, and those that rows are grouped by."""
    names = {feature.name for feature in (*analyzed(plan), *plan.keys)}
    return tuple(feature for feature in plan.features if feature.name in names)


def counts_keys(feature: Feature) -> bool:
    """Whether the feature gets a vocabulary; otherwise it gets moments."""
    return feature.role == "category" or (feature.role == "label" and feature.dtype == "bytes")


def _empty(feature: Feature) -> FeatureStatistics:
    if counts_keys(feature):
        return KeyCounts(Counter())
    if feature.role == "z_score_per_key":
        return KeyedMoments.empty()
    if feature.image is not None:
        return ImageMoments.empty(feature)
    moments = Moments.empty(feature.statistic_shape)
    if feature.role == "robust":
        return RobustStatistics(moments, (OrderedCounts.empty(),) * moments.count.size)
    return moments


def _row_weights(plan: FeaturePlan, columns: Mapping[str, Column]) -> npt.NDArray[np.float32] | None:
    weight = plan.weight
    if weight is None:
        return None
    column = columns[weight.name]
    problem = (
        f"The weight {weight.name!r} must be a number of at least 0 in every row, exact in float32. Mend the data."
    )
    if not column.present.all():
        raise DataError(problem)
    try:
        return as_weights(column.values.reshape(column.rows))
    except ValueError as error:
        raise DataError(problem) from error


def _moments(
    features: Sequence[Feature], blocks: Mapping[str, Block], weights: npt.NDArray[np.float32] | None
) -> dict[str, Moments]:
    """Blocks of one type and length in one call, whose cost is that of a thousand values; not so many that its float64
    copies of them take much memory."""
    groups: dict[tuple[np.dtype[Any], int], list[Feature]] = {}
    for feature in features:
        values = blocks[feature.name].values
        groups.setdefault((values.dtype, values.shape[1]), []).append(feature)
    found: dict[str, Moments] = {}
    for members in _calls(groups):
        together = [blocks[feature.name] for feature in members]
        present = heavy = None
        if any(block.present is not None for block in together):
            present = np.concatenate([block.flags() for block in together])
        if weights is not None:
            heavy = np.concatenate([blocks[f.name].spread(_weights_of(f, weights)) for f in members])
        moments, at = Moments.of_columns(np.concatenate([block.values for block in together]), heavy, present), 0
        for feature, block in zip(members, together, strict=True):
            width = len(block.values)
            found[feature.name] = moments[at : at + width].reshape(feature.statistic_shape)
            at += width
    return found


def _calls(groups: Mapping[tuple[np.dtype[Any], int], list[Feature]]) -> Iterator[list[Feature]]:
    for (_, length), features in groups.items():
        at_once = max(1, _CALL_VALUES // max(1, length))
        for start in range(0, len(features), at_once):
            yield features[start : start + at_once]


def _robust(moments: Moments, block: Block, weights: npt.NDArray[np.float32] | None) -> RobustStatistics:
    usable = _usable(block, weights)
    orders = (OrderedCounts.of(values[used]) for values, used in zip(block.values, usable, strict=True))
    return RobustStatistics(moments, tuple(orders))


def _keyed(moments: Moments, block: Block, keys: Column, weights: npt.NDArray[np.float32] | None) -> KeyedMoments:
    usable = _usable(block, weights)[0] & keys.present
    return KeyedMoments.of(moments, block.values[0], usable, keys.values.reshape(keys.rows), weights)


def _usable(block: Block, weights: npt.NDArray[np.float32] | None) -> npt.NDArray[np.bool_]:
    usable: npt.NDArray[np.bool_] = block.flags() & np.isfinite(block.values)
    return usable if weights is None else usable & (block.spread(weights) > 0)


def _weights_of(feature: Feature, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A weight weighs features and a numeric label, not itself."""
    return np.ones_like(weights) if feature.role == "weight" else weights


def _key_counts(feature: Feature, column: Column, weights: npt.NDArray[np.float32] | None) -> KeyCounts:
    """Rows of weight 0 are absent, but not from a label: they are read in training, and its text must be known."""
    counted = np.ones(column.rows, np.bool_) if weights is None or feature.role == "label" else weights > 0
    values = column.values.reshape(column.rows)[column.present & counted]
    if values.dtype.kind in "iu":
        keys, counts = np.unique(values, return_counts=True)
        counter = Counter({str(int(key)).encode(): int(n) for key, n in zip(keys, counts, strict=True)})
    else:
        counter = Counter(values.tolist())
    return KeyCounts(counter, int((~column.present & counted).sum()))
