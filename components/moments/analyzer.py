"""The tf.Transform analyzer: one fused combine for all features, one flat string tensor as its result."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.constants import NormalizationConstants
from components.errors import SchemaError
from components.feature_plan import FeaturePlan
from components.moments.combine import CombineStatistics, ExtractConstants, MakeStatistics
from components.moments.fingerprint import fingerprints
from components.moments.table_statistics import columns_read
from components.moments.wire import encode

TensorMap = Mapping[str, Any]


class _BytesCacheCoder(tft.experimental.PTransformAnalyzerCacheCoder):
    """Statistics are bytes already, versioned by their own format."""

    def encode_cache(self, accumulator: bytes) -> bytes:
        return accumulator

    def decode_cache(self, encoded_accumulator: bytes) -> bytes:
        return encoded_accumulator

    def __repr__(self) -> str:
        return type(self).__name__


_MEASURED: contextvars.ContextVar[tuple[FeaturePlan, list[bytes]] | None] = contextvars.ContextVar(
    "measured", default=None
)


@contextlib.contextmanager
def measured(constants: NormalizationConstants) -> Iterator[None]:
    """Within the block, ``global_moments`` of this plan gives these constants, and nothing is left to analyze."""
    token = _MEASURED.set((constants.plan, encode(constants, fingerprints)))
    try:
        yield
    finally:
        _MEASURED.reset(token)


def global_moments(inputs: TensorMap, plan: FeaturePlan) -> tf.Tensor:
    """Measures all features of a plan in one pass over the whole data set, exactly; for a preprocessing_fn.

    Args:
      inputs: raw columns by name, in their raw dtype and form: dense [batch, *shape] or SparseTensor.
      plan: which columns, and how.

    Returns:
      tf.string [n], laid out as ``components.moments.wire`` says; ``components.transform.graph_constants`` reads it.

    Raises:
      SchemaError: there are images, outside ``NormalizingTransform``.

    Raises (when the analysis runs):
      DataError: see ``components.moments.finish``.
    """
    known = _MEASURED.get()
    if known is not None and known[0] == plan:
        return tf.constant(known[1])
    if plan.images:
        raise SchemaError(
            f"Feature {plan.images[0].name!r} is an image, which tf.Transform's own analysis does not decode. "
            "Use NormalizingTransform or analyze, or tag it 'ignore'."
        )
    columns = [as_sparse(inputs[feature.name]) for feature in columns_read(plan)]
    sparse = tuple(isinstance(column, tf.SparseTensor) for column in columns)
    analyzer = tft.experimental.CacheablePTransformAnalyzer(
        make_accumulators_ptransform=MakeStatistics(plan, sparse),
        merge_accumulators_ptransform=CombineStatistics(plan),
        extract_output_ptransform=ExtractConstants(plan),
        cache_coder=_BytesCacheCoder(),
    )
    (measured,) = tft.experimental.ptransform_analyzer(
        inputs=[part for column in columns for part in _parts(column)],
        ptransform=analyzer,
        output_dtypes=[tf.string],
        output_shapes=[[None]],
        name="global_moments",
    )
    return measured


def as_sparse(column: Any) -> Any:
    """A RaggedTensor as a SparseTensor, anything else as it is."""
    return column.to_sparse() if isinstance(column, tf.RaggedTensor) else column


def _parts(column: Any) -> tuple[tf.Tensor, ...]:
    """An analyzer takes dense tensors only: a SparseTensor travels as its three parts."""
    if isinstance(column, tf.SparseTensor):
        return column.indices, column.values, column.dense_shape
    return (column,)
