"""Exact sums of decoded images, with NumPy alone."""

import numpy as np
import pytest

from components.feature import Feature, Image
from components.moments.codec import Reader, Writer
from components.moments.image_moments import ImageColumn, ImageMoments, channel_sums, image_sums

FEATURE = Feature("p", "image", "bytes", (), True, axis=(2,), image=Image())


@pytest.mark.parametrize("pixels", [1, 4_095, 4_096 * 3, 4_096 * 3 + 5, 4_096 * 255 + 4_097, 4_096 * 600])
@pytest.mark.parametrize("fill", [None, 0, 127, 128, 255])
def test_sums_and_squares_are_python_s(pixels: int, fill: int | None) -> None:
    for channels in (1, 3, 4):
        table = np.random.default_rng(pixels).integers(0, 256, (pixels, channels)).astype(np.uint8)
        if fill is not None:
            table[:] = fill
        counts = [np.bincount(column, minlength=256).tolist() for column in table.T]
        sums, squares = channel_sums(table)
        assert sums.tolist() == [sum(x * n for x, n in enumerate(of_channel)) for of_channel in counts]
        assert squares.tolist() == [sum(x * x * n for x, n in enumerate(of_channel)) for of_channel in counts]


def test_the_largest_samples_of_16_bits_do_not_overflow() -> None:
    table = np.full((1 << 21, 1), 65_535, np.uint16)
    sums, squares = channel_sums(table)
    assert (sums.item(), squares.item()) == (65_535 << 21, 65_535**2 << 21)


def column(seed: int, images: int) -> ImageColumn:
    random = np.random.default_rng(seed)
    parts = []
    for dtype in (np.uint8, np.uint16):
        pixels = random.integers(1, 50, images)
        samples = random.integers(0, np.iinfo(dtype).max, 3 * pixels.sum()).astype(dtype)
        parts.append(image_sums(samples, 3, pixels, np.arange(images), each=bool(seed % 2)))
    return ImageColumn(images + 2, tuple(parts))


def test_merging_is_joining_and_survives_the_byte_form() -> None:
    one, other = column(1, 4), column(3, 5)
    joined = ImageMoments.of(FEATURE, ImageColumn.joined([one, other]))
    merged = ImageMoments.of(FEATURE, other).merge(ImageMoments.of(FEATURE, one)).merge(ImageMoments.empty(FEATURE))
    texts = []
    for moments in (joined, merged):
        writer = Writer()
        moments.write(writer)
        texts.append(writer.bytes())
    assert texts[0] == texts[1]
    again = ImageMoments.read(Reader(texts[0]))
    assert again.moments.mean.tolist() == joined.moments.mean.tolist()
    assert again.eight.missing.tolist() == [4, 4, 4]


def test_an_entry_for_each_image_gives_the_same_as_one_for_all() -> None:
    samples, pixels = np.arange(60, dtype=np.uint8), np.array([4, 16])
    rows = np.array([0, 1])
    found = [
        ImageMoments.of(FEATURE, ImageColumn(2, (image_sums(samples, 3, pixels, rows, each=each),)))
        for each in (True, False)
    ]
    assert found[0].moments.variance.tolist() == found[1].moments.variance.tolist()
    assert found[0].moments.count.tolist() == [20, 20, 20]
