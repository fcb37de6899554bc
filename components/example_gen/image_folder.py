"""A folder of images, one folder a class, as rows: image, label, folder, file.

The layout of Keras' ``image_dataset_from_directory``: the folders directly below the root are the classes, and what
lies anywhere below them are their images. Rows are dealt to lists in the order of a hash, so that each shard, and
each batch of a training, holds images of all classes.
"""

import hashlib
import json
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from components.errors import DataError
from components.example_gen.remote import gfile
from components.example_gen.sources import open_raw, reading, size_of

FORMAT = "images"
COLUMNS = ("image", "label", "folder", "file")
SUFFIXES = (".png", ".jpg", ".jpeg")
# Named so, a file is an image that TensorFlow's exact decoders do not take: leaving it out silently would be wrong.
_OTHER_IMAGES = (".bmp", ".gif", ".heic", ".jfif", ".jp2", ".tif", ".tiff", ".webp")
LIST_BYTES = 128 << 20  # of encoded images in one list, which becomes one shard of each split
LIST_IMAGES = 20_000
_BATCH_BYTES = 32 << 20


class ImageFile(NamedTuple):
    """One image.

    Attributes:
      path: to open.
      label: the class: the folder directly below the root.
      folder: where the file lies, from the root on: the class, or a folder below it.
      file: the file, from the root on.
    """

    path: str
    label: str
    folder: str
    file: str


def list_images(root: str) -> list[ImageFile]:
    """All images below the root, sorted by their file; hidden names (``.`` or ``_`` first) are skipped.

    Files of other kinds are skipped.

    Raises:
      DataError: no image, one that is in no class, fewer than two classes, or an image of a kind that is not read.
    """
    base = root.rstrip("/") or "/"
    with reading(base):
        files = sorted(_remote_files(base) if "://" in base else _local_files(base))
    images = [file for file in files if file.lower().endswith(SUFFIXES)]
    refused = [file for file in files if file.lower().endswith(_OTHER_IMAGES)]
    if refused:
        raise DataError(
            f"{posixpath.join(base, refused[0])} is neither PNG nor JPEG. Convert it, or take it out of the folder."
        )
    if not images:
        raise DataError(
            f"{base} holds no image ({', '.join(SUFFIXES)}) in any folder. Give a folder with one folder of images for "
            "each class."
        )
    loose = [file for file in images if "/" not in file]
    if loose:
        raise DataError(
            f"{posixpath.join(base, loose[0])} lies in no class. Put each image into the folder of its class, directly "
            f"below {base}."
        )
    found = [ImageFile(posixpath.join(base, f), f.split("/")[0], f.rpartition("/")[0], f) for f in images]
    classes = {image.label for image in found}
    if len(classes) < 2:
        raise DataError(
            f"{base} has images in one folder only, {found[0].label!r}, and a label needs two classes. Give the folder "
            "above the folders of the classes."
        )
    return found


def write_lists(images: Sequence[ImageFile], folder: str) -> list[str]:
    """Files that ``read_images`` takes, each with the names of some of the images; their paths."""
    ordered = sorted(images, key=lambda image: hashlib.sha256(image.file.encode()).digest())
    lists: list[list[ImageFile]] = []
    room = 0
    for image in ordered:
        size = size_of(image.path)
        if not lists or size > room or len(lists[-1]) == LIST_IMAGES:
            lists.append([])
            room = LIST_BYTES
        lists[-1].append(image)
        room -= size
    paths = [posixpath.join(folder, f"images-{number:05d}.json") for number in range(len(lists))]
    for path, members in zip(paths, lists, strict=True):
        with gfile().GFile(path, "w") as file:
            file.write(json.dumps(members))
    return paths


def plan_types(declared: Mapping[str, str], root: str) -> dict[str, str]:
    """The columns: those declared, in their order, then the others; all of them bytes.

    Raises:
      DataError: a declared column that a folder of images does not have, or of another type.
    """
    for name, kind in declared.items():
        if name not in COLUMNS or kind != "bytes":
            raise DataError(
                f"{root}: the schema declares column {name!r} as {kind}, but a folder of images has the columns "
                f"{', '.join(COLUMNS)}, all of them BYTES."
            )
    return dict.fromkeys([*declared, *(name for name in COLUMNS if name not in declared)], "bytes")


def read_images(path: str, types: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """The images of one list as batches of these columns, each of a few megabytes or of one image.

    Raises:
      DataError: an image that cannot be read.
    """
    with open_raw(path) as file:
        members = [ImageFile(*member) for member in json.loads(file.read())]
    rows: list[tuple[bytes, ...]] = []
    held = 0
    for member in members:
        with reading(member.path), open_raw(member.path) as file:
            content = file.read()
        rows.append((content, *(text.encode() for text in (member.label, member.folder, member.file))))
        held += len(content)
        if held >= _BATCH_BYTES:
            yield _batch(rows, types)
            rows, held = [], 0
    if rows:
        yield _batch(rows, types)


def _batch(rows: Sequence[tuple[bytes, ...]], types: Mapping[str, str]) -> pa.RecordBatch:
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return pa.record_batch([pa.array(columns[name], pa.binary()) for name in types], names=list(types))


def _local_files(root: str) -> Iterator[str]:
    """Relative to the root, with slashes."""
    if not os.path.exists(root):
        raise FileNotFoundError(root)
    if not os.path.isdir(root):
        raise DataError(f"{root} is a file. Give the folder that holds a folder of images for each class.")
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        yield from (name if inside == "." else f"{inside}/{name}" for name in files if not _is_hidden(name))


def _remote_files(root: str) -> Iterator[str]:
    for folder, _, files in gfile().walk(root):
        inside = folder.rstrip("/")[len(root) :].strip("/")
        if not any(_is_hidden(part) for part in inside.split("/") if part):
            yield from (f"{inside}/{name}".lstrip("/") for name in files if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))
