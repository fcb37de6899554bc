"""The bundled sets of images, cut from what scikit-learn brings along, as folders of PNGs: one folder a class.

`photos`: patches of 32 x 32 of its two sample photographs; the class is which of them. Each photograph is cut into
regions with 16 pixels between them, and the patches of a region lie in a folder of its own: split by folder, no pixel
of the evaluation is seen in training, nor one beside it. Within a region patches overlap by half.

`digits`: the 1,797 handwritten digits of 8 x 8, whose 17 shades become 0, 15, ... 240.
"""

import csv
import gzip
import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from components.errors import ConfigError
from components.png import encode_png

PATCH, STRIDE, GAP = 32, 16, 16
REGIONS = (4, 5)  # of a photograph: down, across
PHOTOS = ("china", "flower")
SHADE = 15

Files = Iterator[tuple[str, bytes]]


def photos() -> Files:
    """Relative path and content of each patch."""
    import tensorflow as tf  # its decoder gives the same bits everywhere

    folder = _folder() / "images"
    for name in PHOTOS:
        text = (folder / f"{name}.jpg").read_bytes()
        photo = tf.io.decode_jpeg(text, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        for region, y, x in places(*photo.shape[:2]):
            patch = photo[y : y + PATCH, x : x + PATCH]
            yield f"{name}/{region}/y{y:03d}x{x:03d}.png", encode_png(patch)


def places(height: int, width: int) -> Iterator[tuple[str, int, int]]:
    """Region, top and left of each patch of a photograph of this size."""
    tall, wide = height // REGIONS[0], width // REGIONS[1]
    for down in range(REGIONS[0]):
        for across in range(REGIONS[1]):
            for y in range(0, tall - GAP - PATCH + 1, STRIDE):
                for x in range(0, wide - GAP - PATCH + 1, STRIDE):
                    yield f"region-{down}-{across}", down * tall + y, across * wide + x


def digits() -> Files:
    """Relative path and content of each digit, numbered in the order of the source."""
    with gzip.open(_folder() / "data" / "digits.csv.gz", "rb") as binary, io.TextIOWrapper(binary, "ascii") as text:
        for number, row in enumerate(csv.reader(text)):
            *shades, digit = (int(float(value)) for value in row)
            pixels = np.array(shades, np.uint8).reshape(8, 8, 1) * SHADE
            yield f"{digit}/{number:04d}.png", encode_png(pixels)


FILES: Mapping[str, Callable[[], Files]] = {"photos": photos, "digits": digits}


def _folder() -> Path:
    # Located, not imported: importing it takes a second, and its own loader of photographs needs Pillow.
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ConfigError(
            "The sample images come from scikit-learn, which is not installed; "
            "install it with: pip install 'tfx-norm[samples]'"
        )
    return Path(found.origin).parent / "datasets"
