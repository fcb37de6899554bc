"""A Keras model that carries its normalization: raw named tensors in, the trained model's outputs out."""

import base64
from typing import Any

import keras
import tensorflow as tf

from components.constants import NormalizationConstants
from components.frozen import FrozenTransform, graph_file, named_tensors


@keras.saving.register_keras_serializable("tfx_norm")
class RawModel(keras.Model):
    """The trained model behind the frozen graph, which is part of its configuration.

    A ``.keras`` file of it is whole: reading it takes an import of this module, and of the module of a model of your
    own, and nothing else. Its inputs are those of the signature ``serving_raw``; its outputs are the trained model's
    own (a logit for classes), so that it can be trained on.
    """

    def __init__(self, model: keras.Model, graph: str, constants: str, **options: Any) -> None:
        """The model, and the frozen graph (base64) and constants (JSON) of ``components.frozen.graph_file``."""
        super().__init__(**options)
        self.model = model
        self._config = {"graph": graph, "constants": constants}
        found = NormalizationConstants.from_json(constants, "a Keras model")
        self._frozen = FrozenTransform(graph_file.decode(base64.b64decode(graph), found, "a Keras model"))
        # A batch without rows makes the weights, so that there is something to load them into.
        self({name: _no_rows(spec) for name, spec in named_tensors.tensor_specs(self._frozen.plan).items()})

    @classmethod
    def of(cls, model: keras.Model, frozen: FrozenTransform) -> "RawModel":
        """The trained model with its transform."""
        graph, constants = graph_file.encode(frozen.graph)
        return cls(model, base64.b64encode(graph).decode(), constants.to_json())

    @property
    def constants(self) -> NormalizationConstants:
        """What the analysis found."""
        return self._frozen.constants

    def call(self, named: dict[str, tf.Tensor], training: bool = False) -> Any:
        """Named raw tensors, [batch, ...] each, to the trained model's outputs."""
        rows = tf.shape(next(iter(named.values())), tf.int64)[0]
        raw = named_tensors.raw_columns(self._frozen, named)
        return self.model(self._frozen(self._frozen.with_absent(raw, rows)), training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self._config, "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RawModel":
        """What ``get_config`` gave."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        return cls(**{**config, "model": model})


def _no_rows(spec: tf.TensorSpec) -> tf.Tensor:
    shape = [0, *(size or 1 for size in spec.shape[1:])]
    return tf.fill(shape, "") if spec.dtype == tf.string else tf.zeros(shape, spec.dtype)
