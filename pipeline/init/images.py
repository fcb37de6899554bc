"""Facts of a folder of images, all of them decoded once: what schema and configuration rest on."""

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median_low
from typing import TYPE_CHECKING

from components.errors import DataError
from components.example_gen.image_folder import SUFFIXES, ImageFile, list_images
from components.example_gen.sources import open_raw, reading

if TYPE_CHECKING:
    from components.frozen.image_header import Header

# Of a longer side than this the default network takes minutes for what it learns from smaller images, too.
LONGEST_SIDE = 256
_TABLES = (".csv", ".csv.gz", ".parquet", ".pq", ".tfrecord", ".tfrecord.gz")
_FOLDERS = 10  # with fewer, a fifth of them may be none
_CMYK = ("JPEG", 4)


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """What was seen.

    Attributes:
      classes: images of each class, in the byte order of their names, which is that of the vocabulary.
      sizes: how many images have each height and width.
      channels: how many have 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
      deep: images of 16 bits a sample.
      grouped: whether each class has so many folders below its own that whole folders can be kept for evaluation.
    """

    classes: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    channels: Mapping[int, int]
    deep: int
    grouped: bool

    @property
    def images(self) -> int:
        """All of them."""
        return sum(self.classes.values())

    @property
    def task(self) -> str:
        """``binary`` or ``multiclass``."""
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def size(self) -> tuple[int, int]:
        """The height and width to propose: the medians, made smaller together where a side is too long."""
        heights, widths = (
            median_low([sides[axis] for sides, count in self.sizes.items() for _ in range(count)]) for axis in (0, 1)
        )
        shrink = max(1.0, max(heights, widths) / LONGEST_SIDE)
        return max(1, round(heights / shrink)), max(1, round(widths / shrink))


def is_image_folder(data: str) -> bool:
    """Whether there are images, and no tables, in or below this folder of this machine.

    Raises:
      DataError: there are both.
    """
    if not os.path.isdir(data):
        return False
    tables = sorted(name for name in os.listdir(data) if name.lower().endswith(_TABLES) and name[0] not in "._")
    images = (name for _, _, names in os.walk(data, followlinks=True) for name in names if name[0] not in "._")
    image = next((name for name in images if name.lower().endswith(SUFFIXES)), None)
    if tables and image:
        raise DataError(
            f"{data} holds a table ({tables[0]}) and images ({image}). Say which with --format, or keep them apart."
        )
    return image is not None


def survey(root: str) -> ImageFacts:
    """Decodes every image of the folder.

    Raises:
      DataError: what ``list_images`` refuses; or an image that cannot be decoded, or of CMYK: the first one.
    """
    images = list_images(root)
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        headers = list(readers.map(_checked, images))
    counted = Counter(image.label for image in images)
    folders = {(image.folder, image.label) for image in images}
    return ImageFacts(
        classes={label: counted[label] for label in sorted(counted, key=str.encode)},
        sizes=Counter((found.height, found.width) for found in headers),
        channels=Counter(found.channels for found in headers),
        deep=sum(found.bits == 16 for found in headers),
        grouped=all(count >= _FOLDERS for count in Counter(label for _, label in folders).values()),
    )


def _checked(image: ImageFile) -> "Header":
    import tensorflow as tf

    from components.frozen.image_header import header

    with reading(image.path), open_raw(image.path) as file:
        content = file.read()
    found = header(content)
    if (found.kind, found.channels) == _CMYK:
        raise DataError(f"{image.path} is a CMYK JPEG. Convert it to RGB: files do not say which inks they mean.")
    decode = {"PNG": tf.io.decode_png, "JPEG": tf.io.decode_jpeg}.get(found.kind)
    try:
        if decode is None:
            raise DataError(
                f"{image.path} is neither PNG nor JPEG, whatever its name says. Convert it, or take it out."
            )
        decode(content)
    except tf.errors.InvalidArgumentError as error:
        raise DataError(
            f"{image.path} is a {found.kind} that cannot be decoded: cut off or damaged. Take it out or write it anew."
        ) from error
    return found


def few(classes: Mapping[str, int], fewest: int) -> Sequence[str]:
    """The classes with fewer images than this."""
    return [label for label, count in classes.items() if count < fewest]
