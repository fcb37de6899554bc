"""Small images as arrays, as encoded files, and their exact statistics."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf import text_format
from graph_tables import feature
from tensorflow_metadata.proto.v0 import schema_pb2

Array = npt.NDArray[Any]


def arrays(n: int, channels: int = 3, dtype: Any = np.uint8, size: tuple[int, int] | None = None) -> list[Array]:
    """Images of noise with a different mean each, of unequal sizes unless one is given."""
    random = np.random.default_rng(channels)
    most = np.iinfo(dtype).max
    found = []
    for at in range(n):
        height, width = size or (int(random.integers(1, 40)), int(random.integers(1, 40)))
        low = most * at // (2 * n)
        found.append(random.integers(low, most, (height, width, channels), dtype, endpoint=True))
    return found


def png(image: Array) -> bytes:
    """The image, without loss."""
    return bytes(tf.io.encode_png(image).numpy())


def jpeg(image: Array, mode: str | None = None) -> bytes:
    """The image by Pillow's encoder, in another of its colour modes if asked."""
    from PIL import Image

    picture = Image.fromarray(image.squeeze())
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, "JPEG", quality=90)
    return file.getvalue()


def schema(*options: str, shape: str | None = "", more: Sequence[str] = ()) -> schema_pb2.Schema:
    """One image ``photo`` with these options, and a label ``y``."""
    columns = (feature("photo", "BYTES", "image", *options, shape=shape), feature("y", "INT", "label", shape=""), *more)
    return text_format.Parse("".join(columns), schema_pb2.Schema())


def exact(samples: Sequence[int], unit: int = 1, weights: Sequence[Fraction] | None = None) -> tuple[float, float]:
    """Mean and population variance of samples / unit, as fractions rounded once."""
    heavy = weights or [Fraction(1)] * len(samples)
    total = sum(heavy, Fraction(0))
    mean = sum((w * x for w, x in zip(heavy, samples, strict=True)), Fraction(0)) / total
    squares = sum((w * x * x for w, x in zip(heavy, samples, strict=True)), Fraction(0)) / total
    return float(mean / unit), float((squares - mean * mean) / unit**2)


def channel(images: Sequence[Array], at: int) -> list[int]:
    """All samples of one channel, of all images."""
    return [int(sample) for image in images for sample in image[..., at].ravel()]
