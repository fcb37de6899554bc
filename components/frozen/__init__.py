"""Transform graph -> a pure function whose statistics are constants. Imports TensorFlow only, no TFX."""

from components.frozen.transform import FrozenTransform

__all__ = ["FrozenTransform"]
