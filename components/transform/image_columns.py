"""Encoded images of a batch of rows -> their sums, decoded a few at a time, so that memory is bounded by these."""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.feature_plan import Feature, FeaturePlan
from components.frozen.image_decoding import decoded
from components.frozen.image_header import Header, header
from components.moments.image_moments import ImageColumn, ImageSums, image_sums
from components.transform.read_ahead import ahead

# Decoded samples at once, of each reader twice; a larger image is decoded alone. Decoding runs on all cores, which some
# ten images of 512 x 512 keep busy.
PIECE_BYTES = 8 << 20

Integers = npt.NDArray[np.int64]


class DecodingParser:
    """Parses a batch of tf.Examples and reduces the images in it to sums."""

    def __init__(self, parse: Any, plan: FeaturePlan, piece_bytes: int = PIECE_BYTES) -> None:
        """``parse`` leaves the images encoded."""
        self.without_decoding = parse
        each = plan.weight is not None
        self._decoders = {feature.name: _Decoder(feature, piece_bytes, each=each) for feature in plan.images}

    def __call__(self, texts: tf.Tensor) -> dict[str, Any]:
        """Tensors by name; ``ImageColumn`` of images.

        Raises:
          tf.errors.InvalidArgumentError: an image that cannot be decoded, unless its tag is corrupt=skip.
        """
        parsed = dict(self.without_decoding(texts))
        return parsed | {name: decode(parsed[name]) for name, decode in self._decoders.items()}


class _Decoder:
    def __init__(self, feature: Feature, piece_bytes: int, *, each: bool) -> None:
        assert feature.image is not None
        self._image, self._piece_bytes, self._each = feature.image, piece_bytes, each
        # Traced when the first image of its depth comes, which takes tenths of a second.
        self._decode = functools.cache(functools.partial(_traced, feature))

    def __call__(self, column: Any) -> ImageColumn:
        texts = _dense(column)
        headers = [header(text) for text in texts.tolist()]
        parts: list[ImageSums] = []
        with ThreadPoolExecutor(1, thread_name_prefix="decode_ahead") as helper:
            for rows, samples, sizes in ahead(self._decoded(texts, headers), helper):
                parts.append(image_sums(samples, self._image.channels, sizes, rows, each=self._each))
        return ImageColumn(len(texts), tuple(parts))

    def _decoded(self, texts: npt.NDArray[np.object_], headers: Sequence[Header]) -> Iterator[Any]:
        """Images of one kind at a time, which are decoded fastest."""
        pixels = np.array([found.pixels for found in headers], np.int64)
        for kind, bits in dict.fromkeys((found.kind, found.bits) for found in headers):
            rows = np.array([at for at, found in enumerate(headers) if (found.kind, found.bits) == (kind, bits)])
            for piece in _cut(rows, pixels[rows] * (self._image.channels * bits // 8), self._piece_bytes):
                yield from self._piece(self._decode(bits), texts, piece)

    def _piece(self, decode: Any, texts: npt.NDArray[np.object_], rows: Integers) -> Iterator[Any]:
        """Rows, samples and pixels of what can be decoded; bisects, where something cannot and is to be left out."""
        try:
            found = decode(tf.constant(texts[rows], tf.string))
        except tf.errors.InvalidArgumentError:
            if self._image.corrupt == "error":
                raise
            if len(rows) > 1:
                for half in np.array_split(rows, 2):
                    yield from self._piece(decode, texts, half)
            return
        shapes = found[1].numpy().astype(np.int64)
        # A view: numpy() would copy them.
        yield rows, np.asarray(memoryview(found[0])), shapes[:, 0] * shapes[:, 1]


def _traced(feature: Feature, bits: int) -> Any:
    @tf.autograph.experimental.do_not_convert
    def decode(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = decoded(feature, texts, bits)
        return images.values, images.shapes

    return tf.function(decode).get_concrete_function(tf.TensorSpec([None], tf.string))


def _dense(column: Any) -> npt.NDArray[np.object_]:
    """One text a row, empty where there is none."""
    if not isinstance(column, tf.SparseTensor):
        return np.asarray(column.numpy().reshape(-1), object)
    texts: npt.NDArray[np.object_] = np.full(int(column.dense_shape[0]), b"", object)
    texts[column.indices.numpy()[:, 0]] = column.values.numpy()
    return texts


def _cut(rows: Integers, sizes: Integers, most: int) -> Iterator[Integers]:
    """The rows in pieces of at most ``most`` bytes, or of one row."""
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(rows):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield rows[begin:end]
        begin = end
