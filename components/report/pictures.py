"""Some images of the training split, as they are and as the model gets them, and the mean of many by channel."""

import base64
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.feature_plan import Feature, model_name
from components.frozen import FrozenTransform
from components.frozen.image_decoding import pixels
from components.frozen.record_files import compression_of
from components.png import encode_png
from components.report.facts import ImageFacts, Picture
from components.report.features import CHANNELS

SHOWN = 6
AVERAGED = 256  # images; more of them look the same
_BYTES = 64 << 20  # of encoded and of decoded images, about
_LONGEST = 160  # pixels of a side on the page
_SIGMAS = 3.0  # from black to white

Array = npt.NDArray[Any]


def image_facts(examples: str, frozen: FrozenTransform) -> tuple[ImageFacts, ...]:
    """One entry for each image of the plan.

    Args:
      examples: URI of an Examples artifact; the split ``train`` is shown, or else the first one.
      frozen: the transform.

    Raises:
      FileNotFoundError: no split there.
    """
    if not frozen.plan.images:
        return ()
    records = list(_first_records(_files(examples)))
    return tuple(_facts(feature, frozen, records) for feature in frozen.plan.images)


def _files(examples: str) -> list[str]:
    files = sorted(tf.io.gfile.glob(f"{examples.rstrip('/')}/Split-*/*"))
    if not files:
        raise FileNotFoundError("no Split-*/*")
    return [file for file in files if "/Split-train/" in file] or files


def _first_records(files: Iterable[str]) -> Iterator[bytes]:
    held = 0
    texts = (text for file in files for text in tf.data.TFRecordDataset(file, compression_of(file)).as_numpy_iterator())
    for text in itertools.islice(texts, AVERAGED):
        held += len(text)
        if held > _BYTES:
            return
        yield text


def _facts(feature: Feature, frozen: FrozenTransform, records: Sequence[bytes]) -> ImageFacts:
    own = frozen.constants[feature.name]
    shown: dict[str, list[Picture]] = {}
    total: Array | None = None
    averaged = 0
    for record in records:
        found = _decoded(feature, frozen, record)
        if found is None:
            continue
        raw, scores = found
        label = _label(frozen, record)
        if len(shown.setdefault(label, [])) < SHOWN:
            shown[label].append(Picture(label, _uri(raw, own.bits), _uri(_as_shades(scores), 8)))
        if total is None:
            total = np.zeros(raw.shape)
        if total.shape == raw.shape and (averaged + 1) * raw.size <= _BYTES:
            total += raw
            averaged += 1
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*shown.values()))
    pictures = tuple(picture for picture in in_turn if picture is not None)[:SHOWN]
    return ImageFacts(feature.name, pictures, () if total is None else _means(total / averaged, own.bits), averaged)


def _decoded(feature: Feature, frozen: FrozenTransform, record: bytes) -> tuple[Array, Array] | None:
    """Samples and scores [height, width, channels] of one record; None where its image cannot be decoded."""
    try:
        raw = frozen.parse(tf.constant([record]))
        column = raw[feature.name]
        texts = column.values if isinstance(column, tf.SparseTensor) else tf.reshape(column, [-1])
        samples = pixels(feature, texts, frozen.constants[feature.name].bits)[0].numpy()
        scores = frozen(raw)[model_name(feature.name)][0].numpy()
    except tf.errors.InvalidArgumentError:
        return None
    assert feature.image is not None
    return samples, scores if feature.image.layout == "NHWC" else np.moveaxis(scores, 0, 2)


def _label(frozen: FrozenTransform, record: bytes) -> str:
    """The label of the row as text, empty where there is none."""
    label = frozen.plan.label
    if label is None:
        return ""
    feature = tf.train.Example.FromString(record).features.feature[label.name]
    kind = feature.WhichOneof("kind")
    value = next(iter(getattr(feature, kind).value), "") if kind else ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _as_shades(scores: Array) -> Array:
    """-3 sigma as 0, 3 sigma as 255, the mean in the middle."""
    return np.clip((scores + _SIGMAS) * (255 / (2 * _SIGMAS)), 0, 255).round().astype(np.uint8)


def _means(mean: Array, bits: int) -> tuple[tuple[str, str], ...]:
    """Name and picture of each channel of a mean image."""
    names = CHANNELS[mean.shape[2]]
    return tuple((name, _uri(mean[..., at : at + 1], bits)) for at, name in enumerate(names))


def _uri(samples: Array, bits: int) -> str:
    shades = np.asarray(samples / 257 if bits == 16 else samples).round().astype(np.uint8)
    step = -(-max(shades.shape[:2]) // _LONGEST)
    content = encode_png(np.ascontiguousarray(shades[::step, ::step]), compressed=True)
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
