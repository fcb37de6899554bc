"""Transform graph -> a pure function whose statistics are constants. TensorFlow only: no TFX, no tensorflow_transform."""

from components.frozen.transform import FrozenTransform

__all__ = ["FrozenTransform"]
