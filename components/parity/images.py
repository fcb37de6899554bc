"""What the transform must give for images: pixels by TensorFlow's kernels one at a time, then NumPy in float64.

Nothing of ``components.frozen`` is used: its loops, its resizing, its widening and its formula are what is checked.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.constants import FeatureConstants
from components.feature_plan import FeaturePlan, Image

# Of the images that are compared: 128 MB as float64, several times over.
_MOST_VALUES = 1 << 24
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_INKS = 4  # components of a JPEG
_DEPTH_AT = 24  # the byte of a PNG that tells its bits a sample
_DEEP = b"\x10"
_FULL = {8: 255, 16: 65_535}


def samples(image: Image, text: bytes, bits: int) -> npt.NDArray[np.int64]:
    """One encoded image as int64 [height, width, channels], in samples of so many bits.

    Raises:
      tf.errors.InvalidArgumentError: it cannot be decoded; neither PNG nor JPEG, which TensorFlow's decoders would
        take, too; a CMYK JPEG; or of 16 bits where 8 are asked for.
    """
    _refuse(text, bits)
    deep = text.startswith(_PNG) and text[_DEPTH_AT : _DEPTH_AT + 1] == _DEEP
    if text.startswith(_PNG):
        pixels = tf.io.decode_png(text, image.channels, tf.uint16 if deep else tf.uint8).numpy()
    else:
        pixels = tf.io.decode_jpeg(text, min(image.channels, 3), dct_method="INTEGER_ACCURATE").numpy()
        if image.channels == 4:
            pixels = np.concatenate([pixels, np.full_like(pixels[..., :1], _FULL[8])], axis=2)
    whole = pixels.astype(np.int64)
    if image.size is not None:
        whole = _resized(whole, image.size)
    return whole * (_FULL[16] // _FULL[8]) if bits == 16 and not deep else whole


def _refuse(text: bytes, bits: int) -> None:
    problem = ""
    if text.startswith(_PNG):
        problem = (
            "is a PNG of 16 bits, but 8 were analysed" if bits == 8 and text[_DEPTH_AT : _DEPTH_AT + 1] == _DEEP else ""
        )
    elif not text.startswith(_JPEG):
        problem = "is neither PNG nor JPEG"
    elif int(tf.io.extract_jpeg_shape(text)[2]) == _INKS:
        problem = "is a CMYK JPEG"
    if problem:
        raise tf.errors.InvalidArgumentError(None, None, f"An image {problem}.")


def normalized(constants: FeatureConstants, texts: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """float64 [rows, *model_shape], not yet rounded to float32; a channel without spread scores 0.

    Raises:
      tf.errors.InvalidArgumentError: an image that cannot be decoded.
      ValueError: images of unequal sizes.
    """
    image = constants.feature.image
    assert image is not None
    table = np.stack([samples(image, text, constants.bits) for text in texts]).astype(np.float64)
    unit = 1 if image.scale == _FULL[8] else _FULL[constants.bits]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(constants.sigma == 0, 0.0, (table / unit - constants.mean) / constants.sigma)
    return scores if image.layout == "NHWC" else np.moveaxis(scores, 3, 1)


def comparable_rows(plan: FeaturePlan, rows: int) -> int:
    """So many of them that their images fit into memory, several times over; at least one."""
    sizes = (feature.image.size for feature in plan.images if feature.image is not None)
    values = max((height * width * 4 for height, width in filter(None, sizes)), default=1)
    return max(1, min(rows, _MOST_VALUES // values))


def _resized(pixels: npt.NDArray[np.int64], size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Bilinear with pixels as squares, rounded half up: a product with the weights of rows and of columns."""
    down, across = (_weights(old, new) for old, new in zip(pixels.shape[:2], size, strict=True))
    whole = 4 * size[0] * size[1]
    found: Any = np.einsum("yi,ijc,xj->yxc", down, pixels, across, optimize=True)
    return np.asarray((2 * found + whole) // (2 * whole), np.int64)


def _weights(old: int, new: int) -> npt.NDArray[np.int64]:
    """int64 [new, old]: in 1 / (2 new), how much of each old place a new one takes."""
    table = np.zeros([new, old], np.int64)
    for at in range(new):
        # The middle of the new place, from the middle of the first old one, in 1 / (2 new) of an old place.
        first, rest = divmod((2 * at + 1) * old - new, 2 * new)
        table[at, min(max(first, 0), old - 1)] += 2 * new - rest
        table[at, min(max(first + 1, 0), old - 1)] += rest
    return table
