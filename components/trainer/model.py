"""The default tabular model: embeddings of categories beside normalized numbers, then a small MLP."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras

from components.constants import NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, model_name, model_names

# Half the vocabulary's size up to this: wider tables of a few hundred keys do not pay.
_WIDEST_EMBEDDING = 16


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What a ``build_model`` function is given.

    Attributes:
      constants: statistics, vocabularies and, in ``constants.plan``, the features.
      task: binary, multiclass or regression.
      learning_rate, hidden_units, dropout: from the configuration; a model of your own may ignore them.
    """

    constants: NormalizationConstants
    task: Literal["binary", "multiclass", "regression"]
    learning_rate: float
    hidden_units: tuple[int, ...]
    dropout: float

    @property
    def label(self) -> Feature:
        """The label's entry in the plan."""
        label = self.constants.plan.label
        if label is None:
            raise DataError("The schema tags no feature as 'label': a Trainer needs one.")
        return label

    @property
    def classes(self) -> int:
        """Classes of a classification: the label's vocabulary, or its largest value plus one; 0 for a regression.

        Raises:
          DataError: a label that the task cannot use, such as one with a single value.
        """
        label = self.constants[self.label.name]
        is_text = label.feature.dtype == "bytes"
        if is_text:
            classes, lowest, seen = len(label.vocabulary), 0, len(label.vocabulary)
        else:
            classes, lowest, seen = int(label.max) + 1, int(label.min), 1 if label.variance == 0 else 2
        if seen < 2:
            raise DataError(
                f"The label {label.name!r} has one value only in the training split: nothing can be learned."
            )
        if self.task == "regression":
            if is_text:
                raise DataError(
                    f"The label {label.name!r} of a regression must be a number, but the schema declares it BYTES. "
                    "Declare it FLOAT or INT, or change the task."
                )
            return 0
        if lowest < 0 or label.feature.dtype == "float32" or (self.task == "binary" and classes != 2):
            required = "0 and 1" if self.task == "binary" else "0..k-1"
            raise DataError(
                f"The label {label.name!r} of a {self.task} task must be {required} or text, but goes from {label.min} "
                f"to {label.max} (type {label.feature.dtype}, {classes} classes). "
                "Declare it BYTES in the schema to get a vocabulary, or change the task."
            )
        return classes


def build_model(spec: ModelSpec) -> keras.Model:
    """A compiled Keras 3 model: a dict of model tensors in, one raw score a row (or a logit a class) out."""
    plan = spec.constants.plan
    categories = {model_name(f.name): len(spec.constants[f.name].vocabulary) + 1 for f in plan.with_role("category")}
    numbers = [
        name
        for feature in plan.inputs
        if feature.role not in ("category", "ignore") and feature.dtype != "bytes" and feature.shape is not None
        for name in model_names(feature)
    ]
    model = TabularModel(numbers, categories, spec.hidden_units, spec.dropout, *output_of(spec))
    compile_for(model, spec)
    return model


def output_of(spec: ModelSpec) -> tuple[int, float, float]:
    """What a head must give: how many outputs, and the scale and offset that bring them into the label's unit.

    Raises:
      DataError: a label that the task cannot use.
    """
    classes = spec.classes
    if spec.task != "regression":
        return classes if spec.task == "multiclass" else 1, 1.0, 0.0
    # The label goes into the loss in its own unit, so the output starts from the label's mean and sigma.
    label = spec.constants[spec.label.name]
    return 1, float(label.sigma) or 1.0, float(label.mean)


def compile_for(model: keras.Model, spec: ModelSpec) -> None:
    """Compiles a model whose outputs are as ``output_of`` says: Adam, and the task's loss and metrics."""
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate),
        loss=loss_of(spec),
        metrics=metrics_of(spec),
        jit_compile=False,
    )


@keras.saving.register_keras_serializable("tfx_norm")
class TabularModel(keras.Model):
    """Numbers side by side with embeddings of categories, through dense layers.

    One concatenation takes all numbers, so that thousands of columns are no thousands of layers.
    """

    def __init__(
        self,
        numbers: Sequence[str],
        categories: Mapping[str, int],
        hidden_units: Sequence[int],
        dropout: float,
        outputs: int,
        scale: float = 1.0,
        offset: float = 0.0,
        **options: Any,
    ) -> None:
        """Names of the model tensors to read, ids by category, and the form of the output: ``scale * y + offset``."""
        super().__init__(**options)
        self._config = {
            "numbers": list(numbers),
            "categories": dict(categories),
            "hidden_units": list(hidden_units),
            "dropout": dropout,
            "outputs": outputs,
            "scale": scale,
            "offset": offset,
        }
        self._numbers = tuple(numbers)
        self._scale, self._offset = scale, offset
        self.embeddings = {
            name: keras.layers.Embedding(ids, min(_WIDEST_EMBEDDING, (ids + 1) // 2), name=f"{name}_embedding")
            for name, ids in categories.items()
        }
        self.hidden = [keras.layers.Dense(units, activation="relu") for units in hidden_units]
        self.dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(outputs, name="head")

    def call(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """Model tensors by name, to float32 [batch, outputs]."""
        columns = [_as_columns(features[name]) for name in self._numbers]
        columns += [embedding(features[name]) for name, embedding in self.embeddings.items()]
        x = keras.ops.concatenate(columns, axis=1)
        for layer in self.hidden:
            x = self.dropout(layer(x), training=training)
        return self.head(x) * self._scale + self._offset

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self._config}


def _as_columns(tensor: Any) -> Any:
    """[batch, *shape] as float32 [batch, elements]."""
    shape = tensor.shape[1:]
    return keras.ops.cast(keras.ops.reshape(tensor, (-1, math.prod(shape))), "float32")


def loss_of(spec: ModelSpec) -> keras.losses.Loss:
    """The task's loss, of logits or of values in the label's unit."""
    if spec.task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    if spec.task == "multiclass":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.Huber(delta=float(spec.constants[spec.label.name].sigma) or 1.0)


def metrics_of(spec: ModelSpec) -> Sequence[keras.metrics.Metric]:
    """The task's metrics, by the names that an evaluation and its thresholds use."""
    if spec.task == "binary":
        return [
            keras.metrics.AUC(from_logits=True, name="auc"),
            keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy"),
        ]
    if spec.task == "multiclass":
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    return [keras.metrics.MeanAbsoluteError(name="mae")]
