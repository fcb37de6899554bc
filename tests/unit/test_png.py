"""components.png: Pillow reads what was written; without compression the bytes are fixed."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest

from components.png import encode_png

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 5, 1), (7, 9, 3), (3, 2, 4), (200, 150, 3)])  # the last: 2 blocks
def test_pillow_reads_the_same_pixels(shape: tuple[int, int, int], compressed: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found: Any = np.asarray(Image.open(io.BytesIO(encode_png(pixels, compressed=compressed))))
    assert np.array_equal(found.reshape(shape), pixels)


def test_the_bytes_are_those_of_every_machine() -> None:
    content = encode_png(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    assert hashlib.sha256(content).hexdigest() == "664fc93c785dc4c415cee8fde6f7e0ff2c0a5d5b706c8654bde19c935862dceb"
