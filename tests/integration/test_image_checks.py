"""The checks of a pipeline on images: nothing is found in a right run, and each seeded fault by its name."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import write_records
from pictures import Array, arrays, jpeg, png, schema
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import FrozenTransform, NormalizationConstants, analyze, normalized_dataset
from components.audit.account import Shard
from components.audit.audit import Evidence, audit
from components.drift.gate import Limits, drift_verdict
from components.feature_plan import FeaturePlan
from components.parity.edge_rows import edge_rows
from components.parity.images import comparable_rows
from components.parity.judge import judge
from components.parity.reference import reference
from components.parity.serve_check import row_of
from components.parity.ulps import worst_ulps
from components.trainer.fed import Observer
from components.trainer.fed_check import judge as judge_fed
from components.transform.trace import frozen_graph
from components.verdict import Verdict

PHOTOS = arrays(24)
OPTIONS = ("size=12x12",)
# Of one white pixel. TensorFlow's decoders of PNG and JPEG take it, too.
GIF = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=")


def written(folder: Path, texts: list[bytes], *options: str) -> list[str]:
    """Two shards."""
    plan = FeaturePlan.from_schema(schema(*options))
    half = len(texts) // 2 + 3
    for at, part in enumerate((texts[:half], texts[half:])):
        rows = [{"photo": text, "y": n % 2} for n, text in enumerate(part)]
        write_records(plan, rows, folder / f"train-{at}.gz")
    return sorted(str(file) for file in folder.iterdir())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return written(tmp_path_factory.mktemp("photos"), [png(photo) for photo in PHOTOS], *OPTIONS)


@pytest.fixture(scope="module")
def frozen(files: list[str]) -> FrozenTransform:
    return analyze(files, schema(*OPTIONS))


def audited(frozen: FrozenTransform, files: list[str], sample_bytes: int = 1 << 30) -> Verdict:
    rows = statistics_pb2.DatasetFeatureStatistics(num_examples=frozen.constants.rows)
    shards = [Shard(file, "train", Path(file).stat().st_size) for file in files]
    return audit(frozen, Evidence(shards, {"train": [rows]}, ["train"], sample_bytes, 0))


def changed(frozen: FrozenTransform, **arrays: Any) -> FrozenTransform:
    """Another graph, and constants that agree with it, of an image with these statistics."""
    own = dataclasses.replace(frozen.constants["photo"], **arrays)
    table = {**frozen.constants, "photo": own}
    constants = NormalizationConstants(frozen.plan, frozen.constants.rows, table)
    return FrozenTransform(frozen_graph(constants))


# What the audit says.


@pytest.mark.parametrize("options", [OPTIONS, ("size=9x7", "scale=1"), ("size=8x8", "axis=all"), ()])
def test_a_right_run_has_no_finding(options: tuple[str, ...], tmp_path: Path) -> None:
    deep = [png(photo) for photo in arrays(3, dtype=np.uint16)]
    texts = [*(png(photo) for photo in PHOTOS[:9]), *(jpeg(photo) for photo in PHOTOS[9:12]), *deep]
    paths = written(tmp_path, texts, *options)
    verdict = audited(analyze(paths, schema(*options)), paths)
    assert verdict.findings == ()
    figures = verdict.figures["features"]["photo"]
    assert figures["recounted"]
    assert figures["max_ulp"] <= 1
    assert figures["constants_in_graph"] == (2 if "axis=all" in options else 6)


@pytest.mark.parametrize("name", ["mean", "variance", "min", "count"])
def test_a_statistic_that_the_pixels_do_not_have_is_found(name: str, frozen: FrozenTransform, files: list[str]) -> None:
    right = getattr(frozen.constants["photo"], name)
    wrong = right + 1 if name == "count" else np.nextafter(right, np.inf)
    (finding,) = audited(changed(frozen, **{name: wrong}), files).findings
    assert (finding.fault, finding.feature) == ("statistics_differ", "photo")
    assert f"{name} must be {right.tolist()} by the pixels" in finding.message


def test_another_channel_s_constants_in_the_graph_are_found(frozen: FrozenTransform, files: list[str]) -> None:
    own = frozen.constants["photo"]
    swapped = changed(frozen, mean=own.mean[::-1].copy())
    wrong = FrozenTransform(dataclasses.replace(swapped.graph, constants=frozen.constants))
    found = audited(wrong, files).findings
    assert {finding.feature for finding in found} == {"photo"}
    assert "formula_changed" in {finding.fault for finding in found}  # the six numbers all stand there, misplaced
    off = changed(frozen, mean=own.mean + 1e-9)
    wrong = FrozenTransform(dataclasses.replace(off.graph, constants=frozen.constants))
    assert "constant_changed" in {finding.fault for finding in audited(wrong, files).findings}


def test_a_sample_of_the_shards_finds_what_exceeds_it(frozen: FrozenTransform, files: list[str]) -> None:
    assert audited(frozen, files, 1).findings == ()
    low = changed(frozen, max=frozen.constants["photo"].mean)
    (finding,) = audited(low, files, 1).findings
    assert "a sample of the shards has max" in finding.message


def test_images_that_are_skipped_are_recounted_as_missing(tmp_path: Path) -> None:
    texts = [*(png(photo) for photo in PHOTOS[:6]), b"no image", GIF, jpeg(PHOTOS[6], "CMYK"), png(PHOTOS[7])[:-20]]
    options = (*OPTIONS, "corrupt=skip")
    paths = written(tmp_path, texts, *options)
    frozen = analyze(paths, schema(*options))
    assert frozen.constants["photo"].missing.tolist() == [4, 4, 4]
    assert audited(frozen, paths).findings == ()


# What the reference gives.


@pytest.mark.parametrize(
    "options",
    [("channels=1", "size=5x7"), ("channels=3", "scale=1", "size=16x9"), ("channels=4", "layout=NCHW", "size=6x6")],
)
def test_the_reference_is_the_transform_of_every_kind_of_image(options: tuple[str, ...], tmp_path: Path) -> None:
    kinds: list[Array] = [*arrays(2, 1), *arrays(2, 3), *arrays(2, 4), *arrays(2, 3, np.uint16)]
    texts = [*(png(photo) for photo in kinds), jpeg(arrays(1, 3)[0]), jpeg(arrays(1, 1)[0])]
    frozen = analyze(written(tmp_path, texts, *options), schema(*options))
    found = frozen({"photo": tf.constant(texts)})["photo"].numpy()
    expected = reference(frozen.constants, [{"photo": [text]} for text in texts])["photo"]
    assert worst_ulps(found, expected) <= 1
    assert frozen.constants["photo"].bits == 16


def test_a_served_graph_of_another_mean_is_found(frozen: FrozenTransform) -> None:
    rows = [{"photo": [png(photo)]} for photo in PHOTOS[:4]]
    texts = tf.constant([row["photo"][0] for row in rows])
    right = frozen({"photo": texts})["photo"].numpy()
    other = changed(frozen, mean=frozen.constants["photo"].mean + 0.01)({"photo": texts})["photo"].numpy()
    ways = {"parity_map": ({"photo": right}, rows), "parity_serving": ({"photo": other}, rows)}
    verdict = judge(frozen.constants, ways, 1.0, served_digest=frozen.digest)
    assert [finding.fault for finding in verdict.findings] == ["parity_serving"]
    assert verdict.figures["features"]["photo"]["map"] <= 0.5001


def test_edge_rows_hold_one_black_and_one_white_pixel(frozen: FrozenTransform, files: list[str]) -> None:
    record = next(tf.data.TFRecordDataset(files[0], "GZIP").as_numpy_iterator())
    rows = edge_rows(frozen.constants, row_of(record))
    own = frozen.constants["photo"]
    for name, shade in (("black", 0), ("white", 255)):
        found = frozen({"photo": tf.constant(rows[name]["photo"])})["photo"].numpy()
        assert found[0, 0, 0] == pytest.approx((shade - own.mean) / own.sigma, rel=1e-6)
        assert (found == found[:, :1, :1]).all()


def test_large_images_are_compared_in_fewer_rows() -> None:
    of = lambda *options: comparable_rows(FeaturePlan.from_schema(schema(*options)), 1000)  # noqa: E731
    assert (of("size=32x32"), of("size=512x512"), of()) == (1000, 16, 1000)


# What a training was fed.


@pytest.mark.parametrize("options", [OPTIONS, ("size=12x12", "axis=all"), ("size=12x12", "layout=NCHW", "scale=1"), ()])
def test_all_pixels_of_a_first_epoch_have_mean_0_and_sigma_1(options: tuple[str, ...], tmp_path: Path) -> None:
    photos = arrays(9, size=None if "size=12x12" in options else (5, 7))
    frozen = analyze(written(tmp_path, [png(photo) for photo in photos], *options), schema(*options))
    assert fed(frozen, tmp_path, 9).findings == ()
    other = changed(frozen, mean=frozen.constants["photo"].mean + 0.01)
    assert [finding.fault for finding in fed(other, tmp_path, 9).findings] == ["fed_mean_off"]
    other = changed(frozen, variance=frozen.constants["photo"].variance * 1.001)
    assert [finding.fault for finding in fed(other, tmp_path, 9).findings] == ["fed_sigma_off"]


def test_a_channel_without_spread_is_fed_as_0(tmp_path: Path) -> None:
    photos = [photo * np.array([1, 0, 1], np.uint8) for photo in arrays(9, size=(5, 7))]
    frozen = analyze(written(tmp_path, [png(photo) for photo in photos]), schema())
    verdict = fed(frozen, tmp_path, 9)
    assert verdict.findings == ()
    assert verdict.figures["features"]["photo"]["sigma"] == pytest.approx((2 / 3) ** 0.5, abs=1e-6)


def fed(frozen: FrozenTransform, folder: Path, rows: int) -> Verdict:
    observer = Observer(frozen.constants, rows)
    for _ in observer.watch(normalized_dataset(f"{folder}/train-*", frozen, batch_size=4)):
        pass
    return judge_fed(frozen.constants, observer.seen())


# What drift is.


def test_drift_counts_images_and_not_their_pixels(tmp_path: Path) -> None:
    """Images of one shade each: the mean of 40 has a standard error of a sixth of sigma, however many pixels."""
    random = np.random.default_rng(5)

    def constants(name: str, mean: float) -> NormalizationConstants:
        shades = random.normal(mean, 20, 40).clip(0, 255)
        texts = [png(np.full((30, 30, 3), round(shade), np.uint8)) for shade in shades]
        (tmp_path / name).mkdir()
        return analyze(written(tmp_path / name, texts, "size=30x30"), schema("size=30x30")).constants

    before = constants("before", 100)
    assert drift_verdict(before, constants("resampled", 100), Limits(), "block").findings == ()
    assert drift_verdict(before, constants("a quarter", 105), Limits(), "block").findings == ()
    (finding,) = drift_verdict(before, constants("brighter", 160), Limits(), "block").findings
    assert (finding.fault, finding.feature) == ("mean_shift", "photo")


def test_another_decoding_is_another_thing(frozen: FrozenTransform, files: list[str]) -> None:
    other = analyze(files, schema("size=12x12", "scale=1")).constants
    found = drift_verdict(frozen.constants, other, Limits(), "block").findings
    assert found[0].fault == "settings_changed"
    assert "image channels=3, size=(12, 12), scale=255 -> channels=3, size=(12, 12), scale=1" in found[0].message


def test_the_common_recipe_is_wrong_on_uneven_batches(files: list[str], frozen: FrozenTransform) -> None:
    """Means and variances of batches, averaged: of two batches, 20 images and 4, of which the latter are brighter."""
    own = frozen.constants["photo"]
    scores = [frozen({"photo": tf.constant([png(photo)])})["photo"].numpy()[0] for photo in PHOTOS]
    pixels = np.stack(scores) * own.sigma + own.mean
    batches = [pixels[:20], pixels[20:]]
    mean = np.mean([batch.mean(axis=(0, 1, 2)) for batch in batches], axis=0)
    variance = np.mean([batch.var(axis=(0, 1, 2)) for batch in batches], axis=0)
    assert np.allclose(pixels.mean(axis=(0, 1, 2)), own.mean)
    assert np.allclose(pixels.var(axis=(0, 1, 2)), own.variance)
    assert (np.abs(mean - own.mean) > 0.15 * own.sigma).all()
    assert (np.abs(variance / own.variance - 1) > 0.1).all()
