"""FrozenTransform: raw tensors to model tensors by a graph whose statistics are constants."""

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.constants import NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan, model_name, model_names
from components.frozen import graph_file, inverse, raw_columns
from components.frozen.freeze import FrozenGraph, freeze

TensorMap = Mapping[str, Any]
_TRAINING_ONLY = ("label", "weight")


class FrozenTransform:
    """A pure function from a dict of raw tensors to a dict of model tensors.

    It holds no variable, table, resource or Python state, and captures nothing, so that it may be called eagerly, in
    a ``tf.function``, in any number of ``Dataset.map``s and in a serving signature, with the same bits in each.
    """

    def __init__(self, graph: FrozenGraph) -> None:
        """Wraps a frozen graph; ``load`` is the usual way here."""
        self.graph = graph
        types = {node.name: node.attr["dtype"].type for node in graph.graph_def.node if node.op == "Placeholder"}
        # A graph that the stock Transform wrote takes encoded images.
        self._decoded = {
            feature.name
            for feature in self.plan.images
            if types.get(graph.inputs[feature.name][0]) != tf.string.as_datatype_enum
        }
        self._graph_by_outputs: dict[tuple[str, ...], tf.compat.v1.GraphDef] = {}
        self._compiled_by_output: dict[str, Any] = {}
        self._eagerly = tf.function(self._apply, reduce_retracing=True, autograph=False)

    @classmethod
    def load(cls, where: str | os.PathLike[str]) -> "FrozenTransform":
        """Loads what ``save`` wrote, an exported model, or the folder (URI) of a TransformGraph artifact.

        A graph that the stock Transform wrote is frozen on the way; that alone needs eager mode.

        Raises:
          DataError: nothing of the kind there, or a transform graph without normalization constants.
          DigestError: the constants disagree with each other or with their digest, or the graph is not the one that
            was written with them.
          NotFrozenError: a transform graph with tables, variables or other state, each of them by name.
        """
        folder = str(where).rstrip("/")
        for place in (folder, f"{folder}/assets"):
            if graph_file.is_there(place):
                return cls(graph_file.read(place))
        if not tf.io.gfile.exists(f"{folder}/transform_fn"):
            raise DataError(
                f"No transform graph at {folder}: there is neither a {graph_file.GRAPH_NAME}, nor one among a model's "
                "assets, nor a transform_fn. Give the folder of a TransformGraph artifact or of an exported model."
            )
        return cls(freeze(f"{folder}/transform_fn"))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the frozen graph and ``constants.json`` into a folder, from which ``load`` needs no eager mode."""
        graph_file.write(self.graph, str(folder))

    @property
    def constants(self) -> NormalizationConstants:
        """What the analysis found."""
        return self.graph.constants

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
        spec = {f.name: raw_columns.tensor_spec(f, self.takes_sparse(f)) for f in self.plan.inputs}
        return tf.function(self.__call__, autograph=False).get_concrete_function(spec)

    def __call__(self, raw: TensorMap, *, compiled: bool = False) -> dict[str, tf.Tensor]:
        """Model tensors by ``model_name``: see ``components.transform.preprocessing.apply_plan``.

        Args:
          raw: by the schema's own names: dense tensors [batch, *shape], SparseTensors (or ragged ones) where a row
            may have no value; images encoded, tf.string [batch]. Label and weight may be left out, and are then left
            out of the result. Others are ignored.
          compiled: XLA makes one pass over the samples out of the arithmetic of images: the same operations on float64,
            so the same bits, several times as fast. It compiles for each new shape of a batch, in tenths of a second.
            Not for a function that is exported.

        Raises:
          ValueError: a feature is missing from ``raw``.
          InvalidArgumentError (when it runs): a policy ``error``; a row that lacks what the graph cannot do without; an
            image that cannot be decoded, whatever its policy; or images of unequal sizes without ``size``.
        """
        features = [f for f in self.plan.read if f.role not in _TRAINING_ONLY or f.name in raw]
        lacking = [feature.name for feature in features if feature.name not in raw]
        if lacking:
            raise ValueError(f"The transform needs the features {lacking}, which are not among {sorted(raw)}.")
        used = {feature.name: raw[feature.name] for feature in features}
        images = [feature for feature in self.plan.images if compiled and feature.name in self._decoded]
        by_name = {model_name(f.name): self._compiled(f)(self._parts(f, used.pop(f.name))[0]) for f in images}
        if used:
            by_name |= self._eagerly(used) if tf.executing_eagerly() else self._apply(used)
        return by_name

    def inverse(self, model: TensorMap) -> dict[str, tf.Tensor]:
        """Raw values by the schema's own names from model tensors; see ``components.frozen.inverse``."""
        return inverse.inverse(self.constants, model)

    def parse(self, serialized: tf.Tensor, *, label: bool = True) -> dict[str, Any]:
        """Serialized tf.Examples, tf.string [batch], to raw tensors.

        Without ``label`` it reads what a serving request carries: label and weight are left out, and a feature that
        the schema keeps out of the environment SERVING is absent in every row.
        """
        features = [feature for feature in self.plan.read if label or feature in self.plan.served]
        spec = {feature.name: raw_columns.parse_spec(feature, self.takes_sparse(feature)) for feature in features}
        parsed: dict[str, Any] = tf.io.parse_example(serialized, spec)
        return parsed if label else self.with_absent(parsed, tf.size(serialized, tf.int64))

    def with_absent(self, raw: TensorMap, rows: tf.Tensor) -> dict[str, Any]:
        """``raw`` and, for each feature that serving does not carry, a column of ``rows`` rows without a value."""
        unserved = [feature for feature in self.plan.inputs if feature not in self.plan.served]
        return {**raw, **{f.name: raw_columns.absent(f, rows, self.takes_sparse(f)) for f in unserved}}

    def _apply(self, raw: TensorMap) -> dict[str, tf.Tensor]:
        names = tuple(name for f in self.plan.used if f.name in raw for name in model_names(f))
        needed = self._sub_graph(names)
        present = {node.name for node in needed.node}
        fed = {
            f"{placeholder}:0": part
            for feature in self.plan.read
            if feature.name in raw
            for placeholder, part in zip(
                self.graph.inputs[feature.name], self._parts(feature, raw[feature.name]), strict=True
            )
            if placeholder in present
        }
        tensors = tf.graph_util.import_graph_def(
            needed,
            input_map=fed,
            return_elements=[tensor for name in names for tensor in self.graph.outputs[name]],
            name="frozen_transform",
        )
        remaining = iter(tensors)
        return {name: _assembled([next(remaining) for _ in self.graph.outputs[name]]) for name in names}

    def _compiled(self, feature: Feature) -> Any:
        """A function of the samples of an image feature."""
        name = model_name(feature.name)
        if name not in self._compiled_by_output:
            (placeholder,) = self.graph.inputs[feature.name]
            needed = tf.compat.v1.GraphDef()
            # XLA refuses a placeholder even where it is unused.
            needed.node.extend(node for node in self._sub_graph((name,)).node if node.name != placeholder)

            def normalize(samples: tf.Tensor) -> tf.Tensor:
                (scores,) = tf.graph_util.import_graph_def(
                    needed, input_map={f"{placeholder}:0": samples}, return_elements=self.graph.outputs[name]
                )
                scores.set_shape([samples.shape[0], *(feature.model_shape or ())])
                return scores

            self._compiled_by_output[name] = tf.function(normalize, jit_compile=True, autograph=False)
        return self._compiled_by_output[name]

    def _parts(self, feature: Feature, column: Any) -> tuple[tf.Tensor, ...]:
        if feature.name in self._decoded:
            column = raw_columns.images(feature, column, self.constants[feature.name].bits)
        return raw_columns.parts(feature, column, self.takes_sparse(feature))

    def takes_sparse(self, feature: Feature) -> bool:
        """Whether the graph takes a feature as a SparseTensor."""
        return len(self.graph.inputs[feature.name]) > 1

    def _sub_graph(self, names: tuple[str, ...]) -> tf.compat.v1.GraphDef:
        if names not in self._graph_by_outputs:
            ends = [tensor.split(":")[0] for name in names for tensor in self.graph.outputs[name]]
            sub_graph = tf.compat.v1.graph_util.extract_sub_graph(self.graph.graph_def, ends)
            self._graph_by_outputs[names] = sub_graph
        return self._graph_by_outputs[names]


def _assembled(parts: list[tf.Tensor]) -> Any:
    return parts[0] if len(parts) == 1 else tf.SparseTensor(*parts)
