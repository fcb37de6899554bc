"""Serialized tf.Examples -> the columns that an analysis reads; nothing else is parsed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.feature_plan import FeaturePlan
from components.moments.columns import SparseParts
from components.moments.image_moments import ImageColumn
from components.moments.table_statistics import columns_read
from components.transform.example_parser import parser
from components.transform.image_columns import DecodingParser
from components.transform.record_reader import Parse
from components.transform.trace import raw_feature_spec


def analysis_parser(plan: FeaturePlan) -> Parse:
    """Parses the columns that statistics need, and only these, to tensors by name; of images, their sums."""
    names = {feature.name for feature in columns_read(plan)}
    parse = parser({name: form for name, form in raw_feature_spec(plan).items() if name in names})
    return DecodingParser(parse, plan) if plan.images else parse


def columns_of(plan: FeaturePlan, parsed: Mapping[str, Any]) -> list[Any]:
    """The columns of a parsed batch as ``TableStatistics.of`` takes them."""
    return [parsed[f.name] if f.image else _parts(parsed[f.name]) for f in columns_read(plan)]


def rows_of(columns: Sequence[Any]) -> int:
    """The rows of a batch."""
    first = columns[0]
    if isinstance(first, ImageColumn):
        return first.rows
    return int(first.dense_shape[0]) if isinstance(first, SparseParts) else len(first)


def bytes_of(columns: Sequence[Any]) -> int:
    """What the batch takes, without the texts themselves."""
    return sum(
        column.values.nbytes + column.indices.nbytes if isinstance(column, SparseParts) else column.nbytes
        for column in columns
        if not isinstance(column, ImageColumn)
    )


def joined(batches: Sequence[Sequence[Any]]) -> list[Any]:
    """Several batches as one; a single one is not copied."""
    if len(batches) == 1:
        return list(batches[0])
    return [_joined(parts) for parts in zip(*batches, strict=True)]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], ImageColumn):
        return ImageColumn.joined(parts)
    return _joined_sparse(parts) if isinstance(parts[0], SparseParts) else np.concatenate(parts)


def _joined_sparse(parts: Sequence[SparseParts]) -> SparseParts:
    shapes: npt.NDArray[np.int64] = np.stack([part.dense_shape for part in parts])
    ends = np.cumsum(shapes[:, 0])
    first_rows = [0, *ends[:-1].tolist()]
    return SparseParts(
        np.concatenate([part.indices + np.array([row, 0]) for part, row in zip(parts, first_rows, strict=True)]),
        np.concatenate([part.values for part in parts]),
        np.array([ends[-1], shapes[:, 1].max()], np.int64),
    )


def _parts(column: Any) -> Any:
    if isinstance(column, tf.SparseTensor):
        return SparseParts(column.indices.numpy(), column.values.numpy(), column.dense_shape.numpy())
    return column.numpy()
