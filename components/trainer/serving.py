"""Model + frozen transform -> a SavedModel that TensorFlow alone can load and serve from raw tf.Examples."""

from pathlib import PurePosixPath
from typing import Literal

import keras
import tensorflow as tf

from components.constants import FILE_NAME, NormalizationConstants
from components.feature_plan import model_name
from components.frozen import FrozenTransform

_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")


class ServingModel(tf.Module):
    """The functions behind the signatures; its attributes are what the SavedModel keeps."""

    def __init__(self, model: keras.Model, frozen: FrozenTransform, task: str, constants_file: str) -> None:
        """Tracks the model's weights and, as an asset, the constants."""
        super().__init__()
        self.model = model
        self.constants = tf.saved_model.Asset(constants_file)
        self._frozen = frozen
        self._task = task

    @tf.function(input_signature=[_EXAMPLES], autograph=False)
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [batch], without the label, to ``scores`` and, for classes, ``classes``."""
        features = self._frozen(self._frozen.parse(examples, label=False))
        return predictions(self.model(features, training=False), self._task, self._frozen.constants)

    @tf.function(input_signature=[_EXAMPLES], autograph=False)
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [batch] to the model's tensors."""
        return self._frozen(self._frozen.parse(examples, label=False))

    @tf.function(input_signature=[_EXAMPLES], autograph=False)
    def transform_label(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples [batch] to the label as the model learns it, by the name an evaluation asks for."""
        label = self._frozen.plan.label
        assert label is not None
        transformed = self._frozen(self._frozen.parse(examples))
        return {EVALUATION_LABEL: transformed[model_name(label.name)]}


EVALUATION_LABEL = "tfx_norm_label"


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
) -> None:
    """Writes the SavedModel; ``scratch`` is a folder for the constants on their way into its assets."""
    tf.io.gfile.makedirs(scratch)
    constants_file = str(PurePosixPath(scratch) / FILE_NAME) if "://" not in scratch else f"{scratch}/{FILE_NAME}"
    with tf.io.gfile.GFile(constants_file, "w") as file:
        file.write(frozen.constants.to_json())
    module = ServingModel(model, frozen, task, constants_file)
    signatures = {
        "serving_default": module.serve,
        "transform_features": module.transform_features,
        "transform_label": module.transform_label,
    }
    tf.saved_model.save(module, directory, signatures=signatures)
