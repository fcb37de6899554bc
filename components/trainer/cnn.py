"""A small convolutional network for data whose one input is an image: ``components.trainer.cnn:build_model``."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from components.errors import SchemaError
from components.feature_plan import Feature, model_name
from components.trainer.model import ModelSpec, compile_for, output_of

# Channels of the blocks, each of which halves height and width; an image that is 1 pixel high or wide takes no more.
_FILTERS = (16, 32, 64)


def build_model(spec: ModelSpec) -> keras.Model:
    """A compiled Keras 3 model: the image's tensor among a dict in, one raw score a row (or a logit a class) out.

    Raises:
      SchemaError: the inputs are other than one image, encoded or of numbers of shape [height, width, channels].
      DataError: a label that the task cannot use.
    """
    image = _image(spec)
    sides = _sides(image)
    filters = [channels for block, channels in enumerate(_FILTERS) if block == 0 or min(sides) >> block]
    model = ImageModel(model_name(image.name), filters, spec.hidden_units, spec.dropout, *output_of(spec))
    compile_for(model, spec)
    return model


def _image(spec: ModelSpec) -> Feature:
    inputs = [feature for feature in spec.constants.plan.inputs if feature.role != "ignore"]
    if len(inputs) != 1 or not _is_image(inputs[0]):
        found = ", ".join(f"{feature.name!r} of shape {feature.model_shape}" for feature in inputs) or "none"
        raise SchemaError(
            "components.trainer.cnn needs one input: an image (layout NHWC), or numbers of shape [height, width, "
            f"channels]. The schema has {found}. Tag the others 'ignore', or use components.trainer.model:build_model."
        )
    return inputs[0]


def _is_image(feature: Feature) -> bool:
    if feature.image is not None:
        return feature.image.layout == "NHWC"
    return feature.dtype != "bytes" and feature.shape is not None and len(feature.shape) == 3


def _sides(feature: Feature) -> tuple[int, int]:
    """Height and width; of images that have their own, those of a large one: a pool leaves a pixel of any."""
    height, width, _ = feature.model_shape or (None, None, None)
    return height or 1 << len(_FILTERS), width or 1 << len(_FILTERS)


@keras.saving.register_keras_serializable("tfx_norm")
class ImageModel(keras.Model):
    """Blocks of convolution and pooling, the mean over all places, then dense layers."""

    def __init__(
        self,
        image: str,
        filters: Sequence[int],
        hidden_units: Sequence[int],
        dropout: float,
        outputs: int,
        scale: float = 1.0,
        offset: float = 0.0,
        **options: Any,
    ) -> None:
        """Name of the model tensor to read, and the form of the output: ``scale * y + offset``."""
        super().__init__(**options)
        self._config = {
            "image": image,
            "filters": list(filters),
            "hidden_units": list(hidden_units),
            "dropout": dropout,
            "outputs": outputs,
            "scale": scale,
            "offset": offset,
        }
        self._image = image
        self._scale, self._offset = scale, offset
        self.convolutions = [
            keras.layers.Conv2D(channels, 3, padding="same", activation="relu") for channels in filters
        ]
        # A pool of 2 on an odd side keeps its last row: nothing of the image is dropped.
        self.pool = keras.layers.MaxPooling2D(2, padding="same")
        self.mean = keras.layers.GlobalAveragePooling2D()
        self.hidden = [keras.layers.Dense(units, activation="relu") for units in hidden_units]
        self.dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(outputs, name="head")

    def call(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """Model tensors by name, to float32 [batch, outputs]."""
        x = keras.ops.cast(features[self._image], "float32")
        for convolution in self.convolutions:
            x = self.pool(convolution(x))
        x = self.mean(x)
        for layer in self.hidden:
            x = self.dropout(layer(x), training=training)
        return self.head(x) * self._scale + self._offset

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self._config}
