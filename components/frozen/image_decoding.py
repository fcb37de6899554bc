"""Encoded images -> their samples, by TensorFlow alone: the same bits in an analysis, a map and a served model.

PNG of any depth (1 to 8 bits give 8, 16 stay 16) and JPEG, by libjpeg's exact integer transform. Gray is repeated for
several channels, colour becomes gray by luminance for one, alpha is dropped for three and opaque where a file has none:
what TensorFlow's decoders do. A CMYK JPEG is refused, because files do not say which inks they mean.
"""

import dataclasses
import functools
from typing import Any

import tensorflow as tf

from components.feature import Feature, Image

DTYPES = {8: tf.uint8, 16: tf.uint16}

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_DEPTH_AT = 24  # the byte of a PNG that tells its bits a sample
WIDENING = 257  # of 8 bits to 16, as TensorFlow's PNG decoder does
_CMYK = 4  # components of a JPEG

_MIXED = 3
_FINE, _UNKNOWN, _INKS, _TOO_DEEP = range(4)
_PROBLEMS = {
    _UNKNOWN: "is neither PNG nor JPEG in a row, or has no image there. Convert it, or drop the row",
    _INKS: "is a CMYK JPEG in a row. Convert it to RGB",
    _TOO_DEEP: "is a PNG of 16 bits in a row, but those analysed all have 8. Convert it, or analyse again",
}


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Images one after the other.

    Attributes:
      values: uint8 or uint16 [pixels of all images * channels].
      shapes: int32 [images, 3]: height, width, channels.
    """

    values: tf.Tensor
    shapes: tf.Tensor


def decoded(feature: Feature, texts: tf.Tensor, bits: int) -> Decoded:
    """All images of a batch, tf.string [batch], as samples of ``bits`` bits; one of 8 is widened for 16.

    Raises (when it runs):
      InvalidArgumentError: an image that cannot be decoded, CMYK, or of 16 bits for 8; or no image.
    """
    image = feature.image
    assert image is not None
    kinds = _kinds(texts)
    least, most = tf.reduce_min(kinds), tf.reduce_max(kinds)
    # Of one kind, as batches are in general, without a choice for each image, which takes as long as a small image.
    kind = tf.where(least == most, least, _MIXED)
    loops = [lambda of_kind=of_kind: _each(image, texts, bits, of_kind) for of_kind in (_png, _deep_png, _jpeg, _any)]
    values, table = tf.switch_case(kind, loops)
    with tf.control_dependencies(_checks(feature, table[:, 3])):
        return Decoded(tf.identity(values), tf.identity(table[:, :3]))


def pixels(feature: Feature, texts: tf.Tensor, bits: int) -> tf.Tensor:
    """The images of a batch, tf.string [batch], as [batch, height, width, channels]; ``bits`` as in ``decoded``.

    Raises (when it runs):
      InvalidArgumentError: what ``decoded`` raises; or images of unequal sizes.
    """
    image = feature.image
    assert image is not None
    found = decoded(feature, texts, bits)
    shapes = found.shapes
    first = tf.reduce_max(shapes, axis=0)
    problem = f"Feature {feature.name!r} has images of unequal sizes in one batch. Set the tag size=HEIGHTxWIDTH."
    checks = [] if image.size else [tf.debugging.Assert(tf.reduce_all(shapes == first), [problem, shapes], 8)]
    height, width = image.size or (first[0], first[1])
    with tf.control_dependencies(checks):
        table = tf.reshape(found.values, tf.stack([tf.size(texts), height, width, image.channels]))
    table.set_shape([texts.shape[0], *image.shape])
    return table


def _kinds(texts: tf.Tensor) -> tf.Tensor:
    """int32, in the shape of ``texts``: the place among ``_png``, ``_deep_png``, ``_jpeg``, ``_any``."""
    most = _DEPTH_AT + 1
    # Longer by zeros, because a part beyond the end is an error.
    heads = tf.strings.join([tf.strings.substr(texts, 0, most), tf.constant(bytes(most))])
    is_png = tf.strings.substr(heads, 0, len(_PNG)) == _PNG
    is_deep = tf.strings.substr(heads, _DEPTH_AT, 1) == b"\x10"
    is_jpeg = tf.strings.substr(heads, 0, len(_JPEG)) == _JPEG
    return tf.where(is_png, tf.where(is_deep, 1, 0), tf.where(is_jpeg, 2, _MIXED))


def _each(image: Image, texts: tf.Tensor, bits: int, one: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples of all images, [n]; height, width, channels and what is wrong, of each, [batch, 4]."""
    count = tf.size(texts)
    values = tf.TensorArray(DTYPES[bits], count, infer_shape=False, element_shape=[None])
    facts = tf.TensorArray(tf.int32, count, element_shape=[4])

    def body(at: tf.Tensor, values: tf.TensorArray, facts: tf.TensorArray) -> Any:
        samples, problem = one(image, texts[at], bits)
        values = values.write(at, tf.reshape(samples, [-1]))
        return at + 1, values, facts.write(at, tf.concat([tf.shape(samples), [problem]], axis=0))

    _, values, facts = tf.while_loop(lambda at, *_: at < count, body, (0, values, facts))
    return values.concat(), facts.stack()


# Each of these gives one image as [height, width, channels], and what is wrong with it.


def _png(image: Image, text: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    return _of_8_bits(image, tf.io.decode_png(text, image.channels), bits), tf.constant(_FINE)


def _deep_png(image: Image, text: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    if bits == 8:
        return _refused(image, bits, _TOO_DEEP)
    return _sized(image, tf.io.decode_png(text, image.channels, tf.uint16)), tf.constant(_FINE)


def _jpeg(image: Image, text: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    has_inks = tf.io.extract_jpeg_shape(text)[2] == _CMYK
    # Gray cannot be had of inks: in colour they are decoded, and refused behind the loop.
    decode = functools.partial(tf.io.decode_jpeg, text, dct_method="INTEGER_ACCURATE")
    if image.channels == 1:
        samples = tf.cond(has_inks, lambda: decode(channels=3)[..., :1], lambda: decode(channels=1))
    else:
        samples = decode(channels=3)
    if image.channels == 4:
        samples = tf.pad(samples, [[0, 0], [0, 0], [0, 1]], constant_values=255)
    return _of_8_bits(image, samples, bits), tf.where(has_inks, _INKS, _FINE)


def _any(image: Image, text: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    kinds = [lambda one=one: one(image, text, bits) for one in (_png, _deep_png, _jpeg)]
    samples, problem = tf.switch_case(_kinds(text), [*kinds, lambda: _refused(image, bits, _UNKNOWN)])
    return tf.ensure_shape(samples, [None, None, image.channels]), problem


def _refused(image: Image, bits: int, problem: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.zeros([0, 0, image.channels], DTYPES[bits]), tf.constant(problem)


def _of_8_bits(image: Image, samples: tf.Tensor, bits: int) -> tf.Tensor:
    """Resized, then widened: as if all images had 8 bits, whatever the others have."""
    found = _sized(image, samples)
    return found if bits == 8 else tf.cast(tf.cast(found, tf.int32) * WIDENING, tf.uint16)


def _sized(image: Image, samples: tf.Tensor) -> tf.Tensor:
    if image.size is None:
        return samples
    size = image.size
    as_it_is = tf.reduce_all(tf.shape(samples)[:2] == tf.constant(size))
    return tf.cond(as_it_is, lambda: samples, lambda: resized(samples, size))


def resized(samples: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Bilinear, with pixels as squares (``tf.image.resize``'s default), rounded to whole samples, half up.

    Integers only, so that no compiler, processor or graph optimizer changes a bit. [height, width, channels] of uint8
    or uint16 to [*size, channels] of the same.
    """
    height, width = size
    dtype = tf.int32 if 4 * height * width * samples.dtype.max < 2**31 else tf.int64
    rows, right = tf.shape(samples)[0], tf.shape(samples)[1]
    above, below, down = _places(rows, height)
    left, next_to, along = (x for x in _places(right, width))
    down, along = (tf.cast(x, dtype) for x in (down[:, tf.newaxis, tf.newaxis], along[:, tf.newaxis]))

    def row(at: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(samples, at), dtype)

    tall = row(above) * (2 * height - down) + row(below) * down
    wide = tf.gather(tall, left, axis=1) * (2 * width - along) + tf.gather(tall, next_to, axis=1) * along
    whole = 4 * height * width
    return tf.cast((wide + whole // 2) // whole, samples.dtype)


def _places(old: tf.Tensor, new: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """For each new place, int32 [new]: the two old ones beside it, and the weight of the second in 2 * new parts."""
    at = (2 * tf.range(new, dtype=tf.int64) + 1) * tf.cast(old, tf.int64) - new
    low = at // (2 * new)
    last = tf.cast(old, tf.int64) - 1
    ends = (tf.clip_by_value(place, 0, last) for place in (low, low + 1))
    first, second = (tf.cast(place, tf.int32) for place in ends)
    return first, second, at - low * (2 * new)


def _checks(feature: Feature, problems: tf.Tensor) -> list[tf.Operation]:
    return [
        tf.debugging.Assert(tf.reduce_all(problems != code), [f"Feature {feature.name!r} {what}."])
        for code, what in _PROBLEMS.items()
    ]
