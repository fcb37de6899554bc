"""One column of a plan: what it holds, its role and its policies. No TensorFlow."""

import dataclasses
import hashlib
import re
from typing import Any, Literal

Dtype = Literal["float32", "int64", "bytes"]

# More distinct texts than this in one category is, as a rule, an identifier; a tag max_keys=<n> raises it.
DEFAULT_MAX_KEYS = 100_000


@dataclasses.dataclass(frozen=True)
class Image:
    """How encoded images are decoded, and what the model gets.

    Attributes:
      channels: 1 (gray), 3 (RGB) or 4 (RGBA); images of other kinds are converted as TensorFlow's decoders do.
      size: (height, width) that every image is resized to; None keeps each one's own.
      scale: the unit of the constants: 255 for samples as they are stored (0 to 255, or to 65535 where there is an
        image of 16 bits), 1 for samples divided by the largest one of their kind.
      layout: ``NHWC`` or ``NCHW``, of the model's tensor.
      corrupt: ``error`` or ``skip``: what an analysis and training do with an image that cannot be decoded.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    scale: int = 255
    layout: str = "NHWC"
    corrupt: str = "error"

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Of one decoded image: height, width, channels; None where each image has its own."""
        height, width = self.size or (None, None)
        return height, width, self.channels


@dataclasses.dataclass(frozen=True)
class Feature:
    """One column: what it holds and what becomes of it.

    Attributes:
      name: the schema's own name.
      role: one of ``ROLES``; the key of ``z_score_per_key:<key>`` stands in ``key``.
      dtype: what a tf.Example holds.
      shape: of one row's value, ``()`` for a scalar, None for variable length.
      dense: present in every row (the schema gives a ``shape``); otherwise a row may lack it.
      serving: part of what a serving request carries.
      axis: the axes of ``shape`` that keep their own statistics; None where the role takes none.
      missing: ``mean``, ``indicator``, ``error`` or ``constant:<raw value>``.
      nonfinite: ``missing``, ``clip`` or ``error``.
      clip: bound on the normalized value in sigma; 0 = none.
      log1p: the logarithm of 1 + x is taken in float64 before the statistics.
      max_keys: largest vocabulary, or number of keys, allowed.
      key: the column that a per-key z-score groups by; empty for other roles.
      min_count: values that a key needs to stand for itself; with fewer it is drawn towards the global value.
      unseen: what a key gets that the analysis has not seen: ``global``, ``zero`` or ``error``.
      unit: free text for people.
      image: of the role ``image``, how to decode it; ``axis`` counts height, width and channel.
    """

    name: str
    role: str
    dtype: Dtype
    shape: tuple[int, ...] | None
    dense: bool
    serving: bool = True
    axis: tuple[int, ...] | None = None
    missing: str = "mean"
    nonfinite: str = "missing"
    clip: float = 0.0
    log1p: bool = False
    max_keys: int = DEFAULT_MAX_KEYS
    key: str = ""
    min_count: int = 1
    unseen: str = "global"
    unit: str = ""
    image: Image | None = None

    @property
    def statistic_shape(self) -> tuple[int, ...]:
        """Shape of the feature's statistics: the sizes of the axes it keeps."""
        if self.image is not None:
            return (self.image.channels,) if self.axis else ()
        return tuple(self.shape[a] for a in self.axis or ()) if self.shape is not None else ()

    @property
    def keeps_every_element(self) -> bool:
        """Whether each element of a row has statistics of its own."""
        return self.shape is not None and len(self.axis or ()) == len(self.shape)

    @property
    def raw_shape(self) -> tuple[int, ...] | None:
        """Shape of one row's value: ``[1]`` is a scalar, as is an optional value."""
        return () if self.shape in ((), (1,)) else self.shape

    @property
    def model_shape(self) -> tuple[Any, ...] | None:
        """Shape of one row of the model's tensor: the value's, or an image's, None where its sizes are not fixed."""
        if self.image is None:
            return self.raw_shape
        height, width, channels = self.image.shape
        return (height, width, channels) if self.image.layout == "NHWC" else (channels, height, width)


def model_name(feature: str) -> str:
    """A name that a model or a serving signature can carry: letters, digits and underscores, no leading digit.

    The one function that maps names: any other run of characters becomes one underscore. A name with letters beyond
    ASCII gets eight hex digits of its SHA-256, so that two such names stay apart.
    """
    name = re.sub(r"[^0-9A-Za-z]+", "_", feature).strip("_")
    if not name or not feature.isascii():
        name = f"{name or 'feature'}_{hashlib.sha256(feature.encode()).hexdigest()[:8]}"
    # TensorFlow calls its own functions with an argument of this name.
    return f"f_{name}" if name[0].isdigit() or name == "self" else name


def model_names(feature: Feature) -> tuple[str, ...]:
    """The model's tensors that come from one feature: its value and, for ``missing=indicator``, a flag."""
    name = model_name(feature.name)
    return (name, f"{name}_missing") if feature.missing == "indicator" else (name,)
