"""Model + frozen transform -> a SavedModel that TensorFlow alone can load and serve from raw values."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import tensorflow as tf

from components.constants import NormalizationConstants
from components.feature_plan import model_name
from components.frozen import FrozenTransform, graph_file, named_tensors
from components.trainer.keras_export import RawModel

_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
EVALUATION_LABEL = "tfx_norm_label"
KERAS_FILE = "assets.extra/model.keras"


class ServingModel(tf.Module):
    """What the SavedModel keeps: the weights, and as assets the constants and the graph that holds them."""

    def __init__(self, model: keras.Model, assets: tuple[str, ...]) -> None:
        """Tracks the model's weights and the files."""
        super().__init__()
        self.model = model
        self.assets = [tf.saved_model.Asset(path) for path in assets]


def signatures(model: keras.Model, frozen: FrozenTransform, task: str) -> dict[str, Any]:
    """The model's signatures, traced.

    ``serving_default``: serialized tf.Examples [batch] to what ``predictions`` says. ``serving_raw``: the same from
    one named tensor a feature (``components.frozen.named_tensors``). ``transform_features``: tf.Examples to the model's
    tensors. ``predict_transformed``: these, where all are of fixed shape, to what ``predictions`` says. ``inverse``:
    normalized numbers back to raw ones, where there are any. ``transform_label``: tf.Examples to the label as the model
    learns it. All but the last do without the label.
    """

    def answer(raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        return predictions(model(frozen(raw), training=False), task, frozen.constants)

    def serving_raw(**named: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(next(iter(named.values())), tf.int64)[0]
        return answer(frozen.with_absent(named_tensors.raw_columns(frozen, named), rows))

    def transform_label(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        label = frozen.plan.label
        assert label is not None
        return {EVALUATION_LABEL: frozen(frozen.parse(examples))[model_name(label.name)]}

    def predict_transformed(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        return predictions(model(features, training=False), task, frozen.constants)

    found = {
        "serving_default": _traced(lambda examples: answer(frozen.parse(examples, label=False)), examples=_EXAMPLES),
        "serving_raw": _traced(serving_raw, **named_tensors.tensor_specs(frozen.plan)),
        "transform_features": _traced(lambda examples: frozen(frozen.parse(examples, label=False)), examples=_EXAMPLES),
        "transform_label": _traced(transform_label, examples=_EXAMPLES),
    }
    if specs := inverse_specs(frozen):
        found["inverse"] = _traced(lambda **model: _by_model_name(frozen.inverse(model)), **specs)
    outputs = found["transform_features"].structured_outputs
    if all(isinstance(value, tf.Tensor) for value in outputs.values()):
        specs = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in outputs.items()}
        found["predict_transformed"] = _traced(predict_transformed, **specs)
    return found


def inverse_specs(frozen: FrozenTransform) -> dict[str, tf.TensorSpec]:
    """What the signature ``inverse`` takes: every normalized number of fixed shape, and the keys they depend on."""
    plan, specs = frozen.plan, {}
    for feature in plan.normalized:
        if feature.model_shape is not None:
            specs[model_name(feature.name)] = tf.TensorSpec([None, *feature.model_shape], tf.float32)
    for key in plan.keys:
        as_text = key.dtype == "bytes" and key.role != "category"
        specs.setdefault(model_name(key.name), tf.TensorSpec([None], tf.string if as_text else tf.int64))
    return specs


def _by_model_name(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {model_name(name): value for name, value in raw.items()}


def _traced(function: Callable[..., Any], **specs: tf.TensorSpec) -> Any:
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def predictions(outputs: tf.Tensor, task: str, constants: NormalizationConstants) -> dict[str, tf.Tensor]:
    """What serving returns.

    Returns:
      ``scores``: float32, [batch] the probability of class 1 (binary) or the value (regression), [batch, classes]
      probabilities (multiclass). ``classes`` (not for a regression) [batch]: the likeliest class, as the label's own
      text or int64.
    """
    if task == "regression":
        return {"scores": outputs[:, 0]}
    if task == "binary":
        scores = tf.sigmoid(outputs[:, 0])
        winners = tf.cast(scores > 0.5, tf.int64)
    else:
        scores = tf.nn.softmax(outputs)
        winners = tf.argmax(scores, axis=1)
    label = constants.plan.label
    assert label is not None
    vocabulary = [key for key, _ in constants[label.name].vocabulary]
    return {"scores": scores, "classes": tf.gather(tf.constant(vocabulary), winners) if vocabulary else winners}


def export(
    model: keras.Model,
    frozen: FrozenTransform,
    task: Literal["binary", "multiclass", "regression"],
    directory: str,
    scratch: str,
    *,
    keras_export: bool = False,
) -> None:
    """Writes the SavedModel.

    Args:
      model: trained, on the model tensors.
      frozen: the transform it was trained with.
      task: decides what serving returns.
      directory: the SavedModel's.
      scratch: a folder for graph and constants on their way into its assets.
      keras_export: also writes ``assets.extra/model.keras``, a ``RawModel``.
    """
    module = ServingModel(model, graph_file.write(frozen.graph, scratch))
    tf.saved_model.save(module, directory, signatures=signatures(model, frozen, task))
    if keras_export:
        tf.io.gfile.makedirs(f"{directory}/{KERAS_FILE}".rpartition("/")[0])
        RawModel.of(model, frozen).save(f"{directory}/{KERAS_FILE}")
