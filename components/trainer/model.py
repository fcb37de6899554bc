"""The default tabular model: embeddings of categories beside normalized numbers, then a small MLP."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

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
    inputs: dict[str, keras.KerasTensor] = {}
    columns: list[keras.KerasTensor] = []
    for feature in spec.constants.plan.inputs:
        if feature.role == "category":
            name = model_name(feature.name)
            inputs[name] = keras.Input((), name=name, dtype="int64")
            keys = len(spec.constants[feature.name].vocabulary) + 1
            width = min(_WIDEST_EMBEDDING, (keys + 1) // 2)
            columns.append(keras.layers.Embedding(keys, width, name=f"{name}_embedding")(inputs[name]))
        elif feature.dtype != "bytes" and feature.shape is not None:
            for name in model_names(feature):
                shape = () if name.endswith("_missing") and len(model_names(feature)) > 1 else feature.model_shape or ()
                kind = "int64" if feature.role == "passthrough" and feature.dtype == "int64" else "float32"
                inputs[name] = keras.Input(shape, name=name, dtype=kind)
                columns.append(_flat(inputs[name], len(shape)))
    hidden = keras.layers.Concatenate()(columns) if len(columns) > 1 else columns[0]
    for units in spec.hidden_units:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        if spec.dropout:
            hidden = keras.layers.Dropout(spec.dropout)(hidden)
    model = keras.Model(inputs, _head(hidden, spec))
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate), loss=_loss(spec), metrics=_metrics(spec), jit_compile=False
    )
    return model


def _flat(column: keras.KerasTensor, rank: int) -> keras.KerasTensor:
    if rank == 0:
        column = keras.layers.Reshape((1,))(column)
    elif rank > 1:
        column = keras.layers.Flatten()(column)
    return column if column.dtype == "float32" else keras.layers.Lambda(_to_float)(column)


def _to_float(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.cast(x, "float32")


def _head(hidden: keras.KerasTensor, spec: ModelSpec) -> keras.KerasTensor:
    classes = spec.classes
    if spec.task == "multiclass":
        return keras.layers.Dense(classes, name="logits")(hidden)
    if spec.task == "binary":
        return keras.layers.Dense(1, name="logit")(hidden)
    # The label goes into the loss in its own unit, so the output starts from the label's mean and sigma.
    label = spec.constants[spec.label.name]
    z = keras.layers.Dense(1, name="z")(hidden)
    return keras.layers.Rescaling(float(label.sigma) or 1.0, float(label.mean), name="prediction")(z)


def _loss(spec: ModelSpec) -> keras.losses.Loss:
    if spec.task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    if spec.task == "multiclass":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.Huber(delta=float(spec.constants[spec.label.name].sigma) or 1.0)


def _metrics(spec: ModelSpec) -> Sequence[keras.metrics.Metric]:
    if spec.task == "binary":
        return [
            keras.metrics.AUC(from_logits=True, name="auc"),
            keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy"),
        ]
    if spec.task == "multiclass":
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    return [keras.metrics.MeanAbsoluteError(name="mae")]
