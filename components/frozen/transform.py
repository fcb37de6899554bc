"""FrozenTransform: raw tensors to model tensors by a graph whose statistics are constants."""

import math
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.constants import NormalizationConstants
from components.feature_plan import Feature, FeaturePlan, model_names
from components.frozen.freeze import FrozenGraph, freeze

TensorMap = Mapping[str, Any]
DTYPES = {"float32": tf.float32, "int64": tf.int64, "bytes": tf.string}
_TRAINING_ONLY = ("label", "weight")
_DEFAULTS = {"float32": float("nan"), "bytes": ""}


class FrozenTransform:
    """A pure function from a dict of raw tensors to a dict of model tensors.

    It holds no variable, table, resource or Python state, and captures nothing, so that it may be called eagerly, in
    a ``tf.function``, in any number of ``Dataset.map``s and in a serving signature, with the same bits in each.
    """

    def __init__(self, graph: FrozenGraph) -> None:
        """Wraps a frozen graph; ``load`` is the usual way here."""
        self._graph = graph
        self._graph_by_outputs: dict[tuple[str, ...], tf.compat.v1.GraphDef] = {}
        self._eagerly = tf.function(self._apply, reduce_retracing=True, autograph=False)

    @classmethod
    def load(cls, where: str | os.PathLike[str]) -> "FrozenTransform":
        """Loads a TransformGraph artifact by its folder or URI.

        Raises:
          DataError: no transform graph there, or one without normalization constants.
        """
        return cls(freeze(f"{str(where).rstrip('/')}/transform_fn"))

    @property
    def constants(self) -> NormalizationConstants:
        """What the analysis found."""
        return self._graph.constants

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the data determined."""
        return self.constants.digest

    @property
    def plan(self) -> FeaturePlan:
        """The plan that the analysis followed."""
        return self.constants.plan

    @property
    def captured_inputs(self) -> tuple[Any, ...]:
        """What a ``tf.function`` around this function captures; nothing."""
        return tuple(self.concrete_function().captured_inputs)

    def concrete_function(self) -> Any:
        """This function as TensorFlow traces it for a batch of any size, label and weight left out."""
        spec = {feature.name: _tensor_spec(feature, self._graph.inputs[feature.name]) for feature in self.plan.inputs}
        return tf.function(self.__call__, autograph=False).get_concrete_function(spec)

    def __call__(self, raw: TensorMap) -> dict[str, tf.Tensor]:
        """Model tensors by ``model_name``: see ``components.transform.preprocessing.apply_plan``.

        Args:
          raw: by the schema's own names: dense tensors [batch, *shape], SparseTensors (or ragged ones) where a row
            may have no value. Label and weight may be left out, and are then left out of the result. Others are
            ignored.

        Raises:
          ValueError: a feature is missing from ``raw``.
        """
        features = [f for f in self.plan.read if f.role not in _TRAINING_ONLY or f.name in raw]
        absent = [feature.name for feature in features if feature.name not in raw]
        if absent:
            raise ValueError(f"The transform needs the features {absent}, which are not among {sorted(raw)}.")
        used = {feature.name: raw[feature.name] for feature in features}
        result: dict[str, tf.Tensor] = self._eagerly(used) if tf.executing_eagerly() else self._apply(used)
        return result

    def _apply(self, raw: TensorMap) -> dict[str, tf.Tensor]:
        names = tuple(name for f in self.plan.used if f.name in raw for name in model_names(f))
        fed = {
            f"{placeholder}:0": part
            for name, column in raw.items()
            for placeholder, part in zip(*self._fed(name, column), strict=True)
        }
        needed = self._sub_graph(names)
        present = {node.name for node in needed.node}
        tensors = tf.graph_util.import_graph_def(
            needed,
            input_map={name: tensor for name, tensor in fed.items() if name.split(":")[0] in present},
            return_elements=[tensor for name in names for tensor in self._graph.outputs[name]],
            name="frozen_transform",
        )
        remaining = iter(tensors)
        return {name: _assembled([next(remaining) for _ in self._graph.outputs[name]]) for name in names}

    def _fed(self, name: str, column: Any) -> tuple[tuple[str, ...], tuple[tf.Tensor, ...]]:
        placeholders = self._graph.inputs[name]
        return placeholders, _parts(column, sparse=len(placeholders) > 1)

    def parse(self, serialized: tf.Tensor, *, label: bool = True) -> dict[str, Any]:
        """Serialized tf.Examples, tf.string [batch], to raw tensors; label and weight unless ``label`` is False."""
        features = [feature for feature in self.plan.read if label or feature.role not in _TRAINING_ONLY]
        spec = {feature.name: _parse_spec(feature, len(self._graph.inputs[feature.name]) > 1) for feature in features}
        parsed: dict[str, Any] = tf.io.parse_example(serialized, spec)
        return parsed

    def _sub_graph(self, names: tuple[str, ...]) -> tf.compat.v1.GraphDef:
        if names not in self._graph_by_outputs:
            ends = [tensor.split(":")[0] for name in names for tensor in self._graph.outputs[name]]
            sub_graph = tf.compat.v1.graph_util.extract_sub_graph(self._graph.graph_def, ends)
            self._graph_by_outputs[names] = sub_graph
        return self._graph_by_outputs[names]


def _parts(column: Any, sparse: bool) -> tuple[tf.Tensor, ...]:
    if isinstance(column, tf.RaggedTensor):
        column = column.to_sparse()
    if sparse and not isinstance(column, tf.SparseTensor):
        column = _all_present(tf.convert_to_tensor(column))
    parts = (column.indices, column.values, column.dense_shape) if sparse else (column,)
    # The identity brings eager tensors that a function closes over into its graph: an imported graph takes no others.
    return tuple(tf.identity(part) for part in parts)


def _all_present(column: tf.Tensor) -> tf.SparseTensor:
    """A dense column, [batch] or [batch, n], as the sparse one that says that every row has its values."""
    table = column if column.shape.rank == 2 else tf.reshape(column, [-1, 1])
    return tf.SparseTensor(tf.where(tf.ones_like(table, tf.bool)), tf.reshape(table, [-1]), tf.shape(table, tf.int64))


def _assembled(parts: list[tf.Tensor]) -> Any:
    return parts[0] if len(parts) == 1 else tf.SparseTensor(*parts)


def _parse_spec(feature: Feature, sparse: bool) -> tf.io.FixedLenFeature | tf.io.VarLenFeature:
    dtype = DTYPES[feature.dtype]
    if sparse:
        return tf.io.VarLenFeature(dtype)
    # An absent float is NaN, which is filled like a missing value; an absent text is unknown. Without a default (a
    # label, missing=error, an integer, which has no value to spare) TensorFlow's own error names the feature.
    fill = None if feature.missing == "error" else _DEFAULTS.get(feature.dtype)
    size = math.prod(feature.shape or ())
    return tf.io.FixedLenFeature(feature.shape, dtype, None if fill is None else [fill] * size)


def _tensor_spec(feature: Feature, parts: tuple[str, ...]) -> Any:
    dtype = DTYPES[feature.dtype]
    if len(parts) > 1:
        return tf.SparseTensorSpec([None, None], dtype)
    return tf.TensorSpec([None, *(feature.shape or ())], dtype)
