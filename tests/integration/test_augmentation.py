"""Flips and moves of training images: what they do, by seed, and what they leave alone."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import write_records
from pictures import arrays, png, schema
from training_process import OPTIONS

from components import FrozenTransform, analyze, assert_frozen, normalized_dataset
from components.errors import ConfigError
from components.feature_plan import FeaturePlan
from components.trainer.augment_options import Augmentation
from components.trainer.augmentation import augmented
from components.trainer.cnn import build_model
from components.trainer.fitting import fit
from components.trainer.model import ModelSpec
from components.trainer.options import TrainingOptions
from components.trainer.streams import Streams

PHOTOS = arrays(24, size=(6, 8))
BOTH = Augmentation.of(["flip", "crop=2"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = [{"photo": png(photo), "y": at % 2} for at, photo in enumerate(PHOTOS)]
    path = tmp_path_factory.mktemp("photos") / "all"
    return str(write_records(FeaturePlan.from_schema(schema()), rows, path))


@pytest.fixture(scope="module")
def frozen(file: str) -> FrozenTransform:
    return analyze(file, schema())


def batches(frozen: FrozenTransform, file: str) -> tf.data.Dataset:
    return normalized_dataset(file, frozen, batch_size=8)


def images(dataset: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([features["photo"].numpy() for features, _ in dataset])


def shifts(image: np.ndarray, most: int) -> list[np.ndarray]:
    """The image moved in every way, with zeros from outside."""
    padded = np.pad(image, [(most, most), (most, most), (0, 0)])
    height, width = image.shape[:2]
    return [padded[y : y + height, x : x + width] for y in range(2 * most + 1) for x in range(2 * most + 1)]


def test_a_flip_exchanges_left_and_right_in_some_images_and_nothing_else(frozen: FrozenTransform, file: str) -> None:
    plain = images(batches(frozen, file))
    found = images(augmented(batches(frozen, file), frozen.plan, Augmentation(flip=True), 3))
    flipped = [np.array_equal(one, other[:, ::-1]) for one, other in zip(found, plain, strict=True)]
    same = [np.array_equal(one, other) for one, other in zip(found, plain, strict=True)]
    assert [one != other for one, other in zip(flipped, same, strict=True)] == [True] * len(PHOTOS)
    assert 6 <= sum(flipped) <= 18


def test_a_crop_moves_each_image_by_its_own_pixels_and_fills_with_the_mean(frozen: FrozenTransform, file: str) -> None:
    plain = images(batches(frozen, file))
    found = images(augmented(batches(frozen, file), frozen.plan, Augmentation(crop=2), 3))
    ways = [
        next(at for at, way in enumerate(shifts(other, 2)) if np.array_equal(one, way))
        for one, other in zip(found, plain, strict=True)
    ]
    assert len(set(ways)) > 10  # of 25


def test_channels_first_moves_the_same_axes(file: str) -> None:
    first = analyze(file, schema("layout=NCHW"))
    last = analyze(file, schema())
    found = images(augmented(batches(first, file), first.plan, BOTH, 3))
    expected = images(augmented(batches(last, file), last.plan, BOTH, 3))
    assert np.array_equal(np.moveaxis(found, 1, 3), expected)


def test_the_seed_decides_and_a_stream_goes_on_where_it_was(frozen: FrozenTransform, file: str) -> None:
    streams = Streams([file], [file], frozen, 8, 5, BOTH)
    once, again = (images(streams.training().take(6)) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.array_equal(images(streams.training(skipped=4).take(2)), once[32:])
    other = dataclasses.replace(streams, seed=6)
    assert not np.array_equal(images(other.training().take(6)), once)
    # Two workers see together, batch by batch, what one sees.
    for worker in range(2):
        share = images(streams.training(share=(worker, 2)).take(3))
        assert np.array_equal(
            share, np.concatenate([once[8 * at : 8 * at + 8] for at in (worker, 2 + worker, 4 + worker)])
        )


def test_evaluation_label_and_constants_are_as_without(frozen: FrozenTransform, file: str) -> None:
    streams = Streams([file], [file], frozen, 8, 5, BOTH)
    assert np.array_equal(images(streams.evaluation()), images(batches(frozen, file)))
    plain = dataclasses.replace(streams, augmentation=None)
    labels = [np.concatenate([y.numpy() for _, y in one.training().take(3)]) for one in (streams, plain)]
    assert np.array_equal(*labels)
    assert analyze(file, schema()).digest == frozen.digest
    assert_frozen(augmented(batches(frozen, file), frozen.plan, BOTH, 3))


def test_what_the_training_was_fed_is_checked_before_it_is_varied(
    frozen: FrozenTransform, file: str, tmp_path: Path
) -> None:
    """With crops, a tenth of the values would be fill: sigma would be off."""
    table: dict[str, Any] = {
        **OPTIONS,
        "hidden_units": (4,),
        "epochs": 1,
        "batch_size": 8,
        "augment": ("flip", "crop=2"),
    }
    options = TrainingOptions(**table)
    streams = Streams([file], [file], frozen, 8, 5, BOTH)
    keras.utils.set_random_seed(1)
    model = build_model(ModelSpec(frozen.constants, "binary", 0.01, (4,), 0.0))
    fit(model, streams, options, "", str(tmp_path))  # fed_check = "block"
    fed = (tmp_path / "fed.json").read_text()
    assert '"photo"' in fed
    assert images(streams.training().take(3)).std() < 0.95


@pytest.mark.parametrize("words", [["flop"], ["crop"], ["crop=0"], ["crop=-1"], ["flip=1"], ["flip", "flip"]])
def test_another_word_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="must hold 'flip' and 'crop=<pixels>', each at most once"):
        Augmentation.of(words)
