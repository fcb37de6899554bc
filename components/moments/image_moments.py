"""The exact statistics of decoded images: moments of each channel over all pixels of all images, whatever their sizes.

Samples are integers, so that sums of them and of their squares are, too. Nothing of an image is kept but these.
"""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.feature import Feature
from components.moments.accumulator import Moments
from components.moments.codec import Reader, Writer
from components.moments.exact_sums import FRACTION_BITS, object_array
from components.moments.weighted_sums import WEIGHT_BITS

# The largest sample of each kind.
FULL = {8: 255, 16: 65_535}
# A sample of 8 bits in 16: 255 becomes 65,535. TensorFlow's PNG decoder widens in the same way.
WIDENING = FULL[16] // FULL[8]

_MIDDLE = 128
_ROWS = 255
_WIDTH = 3_072  # samples in a row, for 1, 3 and 4 channels: what NumPy adds at once; 255 rows stay in the cache
_BLOCK = 1 << 20  # samples of 16 bits at once: int64 copies of 8 MiB

Integers = npt.NDArray[np.int64]


class ImageSums(NamedTuple):
    """What is kept of decoded images of one kind: of all together, or of each, one entry for it.

    Attributes:
      bits: 8 or 16, of a sample.
      rows: int64 [images], the row of the batch that each image belongs to.
      pixels: int64 [entries].
      sums, squares: int64 [entries, channels], of the samples.
      lowest, highest: int64 [entries, channels].
    """

    bits: int
    rows: Integers
    pixels: Integers
    sums: Integers
    squares: Integers
    lowest: Integers
    highest: Integers


class ImageColumn(NamedTuple):
    """A batch of one image feature: how many rows, and what could be decoded of them; other rows have no image."""

    rows: int
    parts: tuple[ImageSums, ...]

    @staticmethod
    def joined(columns: Sequence["ImageColumn"]) -> "ImageColumn":
        """Several batches as one."""
        starts = np.cumsum([0, *(column.rows for column in columns)]).tolist()
        moved = (
            part._replace(rows=part.rows + start)
            for column, start in zip(columns, starts, strict=False)
            for part in column.parts
        )
        return ImageColumn(starts[-1], tuple(moved))


def image_sums(samples: npt.NDArray[Any], channels: int, pixels: Integers, rows: Integers, *, each: bool) -> ImageSums:
    """Of decoded images, one after the other.

    Args:
      samples: uint8 or uint16 [pixels of all images * channels], the channels of a pixel side by side.
      channels: of a pixel.
      pixels: int64 [images], at least 1 each.
      rows: int64 [images].
      each: an entry for each image, not one for all.
    """
    table = samples.reshape(-1, channels)
    ends = np.cumsum(pixels).tolist() if each else [len(table)]
    found, start = [], 0
    for end in ends:
        found.append(_sums(table[start:end]))
        start = end
    sums, squares, lowest, highest = (np.stack(column) for column in zip(*found, strict=True))
    entries = pixels if each else np.array([len(table)], np.int64)
    return ImageSums(8 * samples.dtype.itemsize, rows, entries, sums, squares, lowest, highest)


@dataclasses.dataclass(frozen=True)
class ImageMoments:
    """Moments of the samples as they are stored, apart for images of 8 and of 16 bits.

    Laws: those of ``Moments``. ``eight.missing`` counts the rows without an image.
    """

    eight: Moments
    sixteen: Moments

    @classmethod
    def empty(cls, feature: Feature) -> "ImageMoments":
        """The neutral element."""
        return cls(Moments.empty(feature.statistic_shape), Moments.empty(feature.statistic_shape))

    @classmethod
    def of(
        cls, feature: Feature, column: ImageColumn, weights: npt.NDArray[np.float32] | None = None
    ) -> "ImageMoments":
        """The moments of a batch.

        Args:
          feature: of the role ``image``.
          column: with an entry for each image where there are weights.
          weights: float32 [rows]: each pixel weighs what its row does; a row of weight 0 is absent.
        """
        counted = np.ones(column.rows, np.bool_) if weights is None else weights > 0
        found = {8: Moments.empty(feature.statistic_shape), 16: Moments.empty(feature.statistic_shape)}
        for part in column.parts:
            counted[part.rows] = False
            for entry in range(len(part.pixels)):
                weight = Fraction(1 if weights is None else float(weights[part.rows[entry]]))
                if weight:
                    moments = _moments(feature, part, entry, int(weight * (1 << WEIGHT_BITS)))
                    found[part.bits] = found[part.bits].merge(moments)
        missing = np.full(feature.statistic_shape, counted.sum(), np.int64)
        return cls(dataclasses.replace(found[8], missing=missing), found[16])

    def merge(self, other: "ImageMoments") -> "ImageMoments":
        """Both; exact."""
        return ImageMoments(self.eight.merge(other.eight), self.sixteen.merge(other.sixteen))

    def write(self, writer: Writer) -> None:
        """The byte form."""
        self.eight.write(writer)
        self.sixteen.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> "ImageMoments":
        """What ``write`` wrote."""
        return cls(Moments.read(reader), Moments.read(reader))

    @property
    def bits(self) -> int:
        """16 if there is an image of 16 bits, else 8."""
        return 16 if self.sixteen.count.any() else 8

    @property
    def moments(self) -> Moments:
        """Of all images, in samples of ``bits`` bits."""
        if self.bits == 8:
            return self.eight
        widened = dataclasses.replace(
            self.eight,
            total=self.eight.total * WIDENING,
            squares=self.eight.squares * WIDENING**2,
            lowest=_widened(self.eight.lowest),
            highest=_widened(self.eight.highest),
        )
        return widened.merge(self.sixteen)

    def in_unit(self, scale: int) -> Moments:
        """Of all images, with extremes in the unit of the constants: see ``components.feature.Image``.

        The sums are Fractions where the samples are divided, so that mean and variance are rounded once.
        """
        moments = self.moments
        if scale == FULL[8]:
            return moments
        full = FULL[self.bits]
        return dataclasses.replace(
            moments,
            total=_divided(moments.total, full),
            squares=_divided(moments.squares, full**2),
            lowest=_divided(moments.lowest, full),
            highest=_divided(moments.highest, full),
        )


def _widened(extremes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return object_array([None if x is None else x * WIDENING for x in extremes.flat]).reshape(extremes.shape)


def _divided(numbers: npt.NDArray[Any], by: int) -> npt.NDArray[Any]:
    return object_array([None if x is None else Fraction(x, by) for x in numbers.flat]).reshape(numbers.shape)


def _moments(feature: Feature, part: ImageSums, entry: int, weight: int) -> Moments:
    """The moments of an entry whose pixels weigh ``weight`` units each."""
    shape = feature.statistic_shape
    count = np.full(part.sums.shape[1], part.pixels[entry], np.int64).astype(object)
    sums, squares = part.sums[entry].astype(object), part.squares[entry].astype(object)
    lowest, highest = part.lowest[entry].astype(object), part.highest[entry].astype(object)
    if not shape:
        count, sums, squares = count.sum(), sums.sum(), squares.sum()
        lowest, highest = lowest.min(), highest.max()

    def objects(values: Any) -> npt.NDArray[np.object_]:
        return object_array(np.ravel(values).tolist()).reshape(shape)

    none = np.zeros(shape, np.int64)
    return Moments(
        count=objects(count).astype(np.int64),
        missing=none,
        nan=none,
        pos_inf=none,
        neg_inf=none,
        weight=objects(count * weight),
        total=objects(sums * (weight << FRACTION_BITS)),
        squares=objects(squares * (weight << 2 * FRACTION_BITS)),
        lowest=objects(lowest),
        highest=objects(highest),
    )


def channel_sums(table: npt.NDArray[Any]) -> tuple[Integers, Integers]:
    """Sums of the samples, uint8 or uint16 [pixels, channels], and of their squares: exact, int64 [channels]."""
    sums, squares, _, _ = _sums(table)
    return sums, squares


def _sums(table: npt.NDArray[Any]) -> tuple[Integers, Integers, Integers, Integers]:
    """Sums, sums of squares, smallest and largest samples by channel."""
    pixels, channels = table.shape
    side_by_side = _WIDTH // channels
    rows = pixels // side_by_side if table.dtype == np.uint8 else 0
    at = rows * side_by_side
    parts = [_row_sums(table[:at].reshape(rows, _WIDTH), channels)] if rows else []
    step = _BLOCK // channels
    parts += [_plain_sums(table[start : start + step]) for start in range(at, pixels, step)]
    sums, squares, lowest, highest = (np.stack(column) for column in zip(*parts, strict=True))
    return sums.sum(axis=0), squares.sum(axis=0), lowest.min(axis=0), highest.max(axis=0)


def _plain_sums(table: npt.NDArray[Any]) -> tuple[Integers, Integers, Integers, Integers]:
    values = table.astype(np.int64)
    return values.sum(axis=0), (values * values).sum(axis=0), values.min(axis=0), values.max(axis=0)


def _row_sums(rows: npt.NDArray[np.uint8], channels: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Of rows of several pixels: whole rows are added, in 16 bits as far as these hold the sums, within the cache.

    Of samples less 128, 16 bits with a sign hold the sums of 255, and 16 bits without one those of three squares.
    """
    width = rows.shape[1]
    shifted, wide = np.empty((_ROWS, width), np.uint8), np.empty((_ROWS, width), np.int16)
    total, around = np.zeros(width, np.int64), np.zeros(width, np.int64)
    lowest, highest = rows[0].copy(), rows[0].copy()
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        count = len(block)
        np.minimum(lowest, np.minimum.reduce(block, axis=0), out=lowest)
        np.maximum(highest, np.maximum.reduce(block, axis=0), out=highest)
        np.bitwise_xor(block, np.uint8(_MIDDLE), out=shifted[:count])  # less 128, as int8
        wide[:count] = shifted[:count].view(np.int8)
        total += np.add.reduce(wide[:count], axis=0, dtype=np.int16)
        np.multiply(wide[:count], wide[:count], out=wide[:count])
        squares = wide[:count].view(np.uint16)
        third = -(-count // 3)
        for others in (squares[third : 2 * third], squares[2 * third :]):
            squares[: len(others)] += others
        around += np.add.reduce(squares[:third], axis=0, dtype=np.uint32)
    less, around = (row.reshape(-1, channels).sum(axis=0) for row in (total, around))
    pixels = rows.size // channels
    extremes = (
        pick.reduce(row.reshape(-1, channels), axis=0).astype(np.int64)
        for pick, row in ((np.minimum, lowest), (np.maximum, highest))
    )
    # (d + m)**2 = d*d + 2*m*d + m*m
    return less + _MIDDLE * pixels, around + 2 * _MIDDLE * less + _MIDDLE**2 * pixels, *extremes
