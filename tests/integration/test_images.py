"""The role ``image``: exact statistics over all pixels, and one transform that decodes in map and serving alike."""

import functools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, write_records
from pictures import arrays, channel, exact, jpeg, png, schema

from components import FrozenTransform, analyze, assert_frozen, normalized_dataset
from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.frozen.image_decoding import resized
from components.moments.finish import finish
from components.trainer.input_data import IMAGE_BYTES, batches_at_once
from components.transform import example_columns
from components.transform.image_columns import DecodingParser
from components.transform.unit_statistics import read_statistics

PHOTOS = arrays(60)


def written(photos: list[Any], path: Path, *options: str, **more: Any) -> Path:
    rows = [{"photo": photo, "y": at % 2, **{k: v[at] for k, v in more.items()}} for at, photo in enumerate(photos)]
    extra = [feature(name, "FLOAT", "weight", shape="") for name in more]
    return write_records(FeaturePlan.from_schema(schema(*options, more=extra)), rows, path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written([png(photo) for photo in PHOTOS], tmp_path_factory.mktemp("photos") / "all")


def test_the_constants_are_exact_over_all_pixels_of_all_images(file: Path) -> None:
    found = analyze(file, schema()).constants["photo"]
    for at in range(3):
        samples = channel(PHOTOS, at)
        assert (found.mean[at], found.variance[at]) == exact(samples)
        assert (found.count[at], found.min[at], found.max[at]) == (len(samples), min(samples), max(samples))
    assert found.missing.tolist() == [0, 0, 0]
    assert found.bits == 8
    of_images = np.mean([photo.mean(axis=(0, 1)) for photo in PHOTOS], axis=0)
    assert (np.abs(of_images - found.mean) > 1).all()  # the mean of the images' means is something else


def test_scale_1_is_the_exact_quotient_and_axis_all_one_statistic(file: Path) -> None:
    found = analyze(file, schema("scale=1")).constants["photo"]
    assert [(m, v) for m, v in zip(found.mean, found.variance, strict=True)] == [
        exact(channel(PHOTOS, at), 255) for at in range(3)
    ]
    assert found.max.max() == 1
    whole = analyze(file, schema("axis=all")).constants["photo"]
    assert (whole.mean.item(), whole.variance.item()) == exact([x for at in range(3) for x in channel(PHOTOS, at)])


def test_batches_shards_pieces_and_beam_do_not_enter_the_digest(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = analyze(file, schema()).digest
    plan = FeaturePlan.from_schema(schema())
    for size in (1, 7):
        assert finish(plan, read_statistics([str(file)], plan, size).statistics).digest == expected
    monkeypatch.setattr(example_columns, "DecodingParser", functools.partial(DecodingParser, piece_bytes=5_000))
    assert finish(plan, read_statistics([str(file)], plan, unit_bytes=4_000).statistics).digest == expected
    order = np.random.default_rng(1).permutation(60)
    for shard in range(3):
        written([png(PHOTOS[at]) for at in order[shard::3]], tmp_path / f"part-{shard}")
    assert analyze(f"{tmp_path}/part-*", schema()).digest == expected
    beam_args = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]
    assert analyze(f"{tmp_path}/part-*", schema(), engine="beam", beam_args=beam_args).digest == expected


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_stay_16_bits(channels: int, tmp_path: Path) -> None:
    deep = arrays(5, channels, np.uint16, (9, 7))
    path = written([png(image) for image in deep], tmp_path / "deep", f"channels={channels}")
    frozen = analyze(path, schema(f"channels={channels}"))
    found = frozen.constants["photo"]
    assert found.bits == 16
    for at in range(channels):
        assert (found.mean[at], found.variance[at]) == exact(channel(deep, at))
    by_one = analyze(path, schema(f"channels={channels}", "scale=1")).constants["photo"]
    assert by_one.mean[0] == exact(channel(deep, 0), 65_535)[0]
    (batch,) = normalized_dataset(path, frozen, batch_size=5)
    assert one_ulp(batch[0]["photo"].numpy(), (np.stack(deep) - found.mean) / found.sigma)


def test_8_bits_among_16_count_as_the_same_share_of_the_whole(tmp_path: Path) -> None:
    shallow, deep = arrays(3, size=(6, 5)), arrays(2, 3, np.uint16, (6, 5))
    path = written([png(image) for image in [*shallow, *deep]], tmp_path / "mixed")
    samples = [*(image.astype(np.int64) * 257 for image in shallow), *deep]
    frozen = analyze(path, schema())
    found = frozen.constants["photo"]
    assert (found.mean[1], found.variance[1]) == exact(channel(samples, 1))
    (batch,) = normalized_dataset(path, frozen, batch_size=5)
    assert one_ulp(batch[0]["photo"].numpy(), (np.stack(samples) - found.mean) / found.sigma)


def test_gray_becomes_colour_and_alpha_goes_and_comes(tmp_path: Path) -> None:
    gray, clear = arrays(1, 1, size=(4, 4))[0], arrays(1, 4, size=(4, 4))[0]
    path = written([png(gray), png(clear)], tmp_path / "kinds")
    three = np.stack([np.repeat(gray, 3, axis=2), clear[..., :3]])
    assert analyze(path, schema()).constants["photo"].mean[2] == exact(channel(list(three), 2))[0]
    four = analyze(path, schema("channels=4")).constants["photo"]
    assert four.mean[3] == exact([255] * 16 + channel([clear], 3))[0]


def test_every_pixel_weighs_what_its_row_does(tmp_path: Path) -> None:
    photos, weights = arrays(6), [0.1, 3.0, 0.0, 1.0, 0.7, 2.0]
    single = [float(np.float32(weight)) for weight in weights]
    path = written([png(photo) for photo in photos], tmp_path / "heavy", w=single)
    found = analyze(path, schema(more=[feature("w", "FLOAT", "weight", shape="")])).constants["photo"]
    samples = channel(photos, 0)
    heavy = [Fraction(w) for w, photo in zip(single, photos, strict=True) for _ in range(photo[..., 0].size)]
    assert (found.mean[0], found.variance[0]) == exact(samples, 1, heavy)
    assert found.count[0] == sum(weight > 0 for weight in heavy)


def test_a_jpeg_gives_the_exact_transform_s_samples(tmp_path: Path) -> None:
    texts = [jpeg(photo) for photo in arrays(3, size=(40, 33))]
    path = written(texts, tmp_path / "jpegs")
    decoded = [tf.io.decode_jpeg(text, dct_method="INTEGER_ACCURATE").numpy() for text in texts]
    frozen = analyze(path, schema())
    assert frozen.constants["photo"].variance[0] == exact(channel(decoded, 0))[1]


def one_ulp(found: Any, wanted: Any) -> bool:
    nearest = wanted.astype(np.float32)
    return bool((np.abs(found.astype(np.float64) - wanted) <= np.spacing(np.abs(nearest))).all())


@pytest.mark.parametrize("scale", ["scale=255", "scale=1"])
def test_the_model_gets_the_z_score_by_channel_to_an_ulp(scale: str, tmp_path: Path) -> None:
    photos = arrays(8, size=(20, 30))
    path = written([png(photo) for photo in photos], tmp_path / "same")
    frozen = analyze(path, schema(scale))
    dataset = normalized_dataset(path, frozen, batch_size=8)
    assert_frozen(dataset)
    assert frozen.captured_inputs == ()
    ((features, label),) = dataset
    raw = analyze(path, schema()).constants["photo"]
    assert one_ulp(features["photo"].numpy(), (np.stack(photos) - raw.mean) / raw.sigma)
    assert label.numpy().tolist() == [0, 1] * 4
    turned = analyze(path, schema("layout=NCHW"))
    assert tf.reduce_all(turned({"photo": raw_photos(path)})["photo"] == tf.transpose(features["photo"], [0, 3, 1, 2]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compiling_changes_no_bit_of_any_sample(dtype: Any, tmp_path: Path) -> None:
    side = 1 << np.iinfo(dtype).bits // 2
    every = tf.reshape(tf.repeat(tf.range(side * side), 3), [1, side, side, 3])
    samples = tf.cast(every, tf.as_dtype(dtype))
    for at, options in enumerate(("", "scale=1", "layout=NCHW")):
        photos = arrays(3 + at, 3, dtype, (9, 7 + at))
        path = written([png(photo) for photo in photos], tmp_path / f"{at}", *([options] if options else []))
        frozen = analyze(path, schema(*([options] if options else [])))
        plain, compiled = (frozen({"photo": samples}, compiled=way)["photo"].numpy() for way in (False, True))
        assert plain.shape == compiled.shape
        assert plain.tobytes() == compiled.tobytes()


def test_large_images_are_made_a_few_at_a_time(tmp_path: Path) -> None:
    frozen = analyze(written([png(np.zeros((512, 512, 3), np.uint8))], tmp_path / "large"), schema())
    batch = 32 * 512 * 512 * 3 * 4
    assert batches_at_once(frozen, 32) == IMAGE_BYTES // batch == 2
    assert batches_at_once(frozen, 1_000) == 1
    small = analyze(written([png(photo) for photo in arrays(3)], tmp_path / "small"), schema())
    assert batches_at_once(small, 32) == tf.data.AUTOTUNE


def test_the_size_that_an_image_has_already_changes_nothing(tmp_path: Path) -> None:
    path = written([png(photo) for photo in arrays(4, size=(20, 30))], tmp_path / "same")
    found, sized = (analyze(path, schema(*options)).constants["photo"] for options in ((), ("size=20x30",)))
    assert (found.mean.tolist(), found.variance.tolist()) == (sized.mean.tolist(), sized.variance.tolist())


def raw_photos(path: Path) -> tf.Tensor:
    examples = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    return tf.constant([example.features.feature["photo"].bytes_list.value[0] for example in examples])


def test_unequal_images_make_no_batch_without_a_size(file: Path) -> None:
    frozen = analyze(file, schema())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"unequal sizes.*Set the tag size=HEIGHTxWIDTH"):
        list(normalized_dataset(file, frozen, batch_size=4))
    assert len(list(normalized_dataset(file, frozen, batch_size=1))) == 60
    sized = analyze(file, schema("size=12x16"))
    shapes = {tuple(x["photo"].shape) for x, _ in normalized_dataset(file, sized, batch_size=30)}
    assert shapes == {(30, 12, 16, 3)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resizing_is_the_exact_bilinear_value_rounded(dtype: Any) -> None:
    (image,) = arrays(1, 3, dtype, (7, 11))
    for size in ((7, 11), (3, 4), (14, 5), (29, 30)):
        found = resized(tf.constant(image), size).numpy()
        for i, j in ((0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, size[1] // 3)):
            assert found[i, j].tolist() == [bilinear(image[..., c], size, i, j) for c in range(3)]
    assert (resized(tf.constant(image), (7, 11)).numpy() == image).all()


def bilinear(plane: Any, size: tuple[int, int], i: int, j: int) -> int:
    """By fractions: the pixel's middle in the old image, between the middles of the pixels around it."""

    def around(at: int, new: int, old: int) -> list[tuple[int, Fraction]]:
        place = Fraction(2 * at + 1, 2) * old / new - Fraction(1, 2)
        low = place.numerator // place.denominator
        share = place - low
        return [(min(max(low, 0), old - 1), 1 - share), (min(max(low + 1, 0), old - 1), share)]

    value = sum(
        int(plane[y, x]) * down * along
        for y, down in around(i, size[0], plane.shape[0])
        for x, along in around(j, size[1], plane.shape[1])
    )
    return int(value + Fraction(1, 2))


def damaged(kind: str) -> bytes:
    whole = png(PHOTOS[0])
    return {
        "cut": whole[: len(whole) // 2],
        "noise": b"no image at all",
        "empty": b"",
        "ink": jpeg(arrays(1, size=(8, 8))[0], "CMYK"),
        "cut jpeg": jpeg(arrays(1, size=(40, 40))[0])[:300],
    }[kind]


@pytest.mark.parametrize("kind", ["cut", "noise", "empty", "ink", "cut jpeg"])
def test_an_image_that_cannot_be_decoded_is_an_error_with_its_record_or_is_skipped_and_counted(
    kind: str, tmp_path: Path
) -> None:
    good = arrays(7, size=(8, 8))
    texts = [png(photo) for photo in good]
    path = written([*texts[:4], damaged(kind), *texts[4:]], tmp_path / "bad")
    with pytest.raises(DataError, match="bad: record 4 at byte"):
        analyze(path, schema())
    frozen = analyze(path, schema("corrupt=skip"))
    found = frozen.constants["photo"]
    assert found.mean[0] == exact(channel(good, 0))[0]
    assert (found.missing.tolist(), found.count.tolist(), frozen.constants.rows) == ([1] * 3, [7 * 64] * 3, 8)
    batches = list(normalized_dataset(path, frozen, batch_size=3))
    assert [label.numpy().tolist() for _, label in batches] == [[0, 1, 0], [1, 1, 0], [1]]
    with pytest.raises(tf.errors.InvalidArgumentError):
        frozen({"photo": tf.constant([texts[0], damaged(kind)])})


def test_an_error_of_another_kind_is_not_skipped(tmp_path: Path) -> None:
    path = written([png(photo) for photo in arrays(3, size=(8, 8))], tmp_path / "good")
    frozen = analyze(path, schema("corrupt=skip"))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no tf.Example")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"[Pp]arse"):
        list(normalized_dataset(path, frozen, batch_size=3))


def test_what_is_wrong_with_an_image_is_said(tmp_path: Path) -> None:
    frozen = analyze(written([png(photo) for photo in arrays(2, size=(8, 8))], tmp_path / "good"), schema())
    deep = png(arrays(1, 3, np.uint16, (8, 8))[0])
    for text, what in ((damaged("ink"), "CMYK"), (damaged("noise"), "neither PNG nor JPEG"), (deep, "16 bits")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"'photo'? ?.*{what}"):
            frozen({"photo": tf.constant([text])})


def test_only_skipped_images_are_no_statistics(tmp_path: Path) -> None:
    path = written([b"", b"x"], tmp_path / "none")
    with pytest.raises(DataError, match="'photo' has no finite value"):
        analyze(path, schema("corrupt=skip"))


def test_an_image_has_no_inverse(tmp_path: Path) -> None:
    frozen = analyze(written([png(photo) for photo in arrays(2, size=(4, 4))], tmp_path / "two"), schema())
    with pytest.raises(ValueError, match="'photo' is an image, which has no inverse"):
        frozen.inverse({"photo": tf.zeros([1, 4, 4, 3])})


_SERVE = """
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
examples = tf.constant([r.numpy() for r in tf.data.TFRecordDataset(sys.argv[2])])
texts = [tf.train.Example.FromString(e.numpy()).features.feature["photo"].bytes_list.value[0] for e in examples]
by_example = model.signatures["transform_features"](examples=examples)["photo"].numpy()
by_example.tofile(sys.argv[3])
scores = model.signatures["serving_default"](examples=examples)["scores"].numpy()
raw = model.signatures["serving_raw"](photo=tf.constant(texts))["scores"].numpy()
assert (scores == raw).all() and scores.shape == (8,)
try:
    model.signatures["serving_raw"](photo=tf.constant([texts[0][:50]]))
except tf.errors.InvalidArgumentError:
    sys.exit(7)
"""


@pytest.mark.parametrize("encode", [png, jpeg])
def test_the_same_bits_in_eager_mode_in_a_map_and_in_a_fresh_serving_process(encode: Any, tmp_path: Path) -> None:
    import keras

    from components.trainer.serving import export

    path = written([encode(photo) for photo in arrays(8, size=(31, 17))], tmp_path / "photos")
    frozen = analyze(path, schema("size=16x16", "corrupt=skip"))
    ((mapped, _),) = normalized_dataset(path, frozen, batch_size=8)
    eager = frozen({"photo": raw_photos(path)})["photo"].numpy()
    assert eager.tobytes() == mapped["photo"].numpy().tobytes()
    frozen.save(tmp_path / "saved")
    loaded = FrozenTransform.load(tmp_path / "saved")
    assert loaded.digest == frozen.digest
    assert loaded({"photo": raw_photos(path)})["photo"].numpy().tobytes() == eager.tobytes()
    image = keras.Input([16, 16, 3], name="photo")
    model = keras.Model({"photo": image}, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    export(model, frozen, "binary", str(tmp_path / "model"), str(tmp_path / "scratch"))
    command = [sys.executable, "-c", _SERVE, str(tmp_path / "model"), str(path), str(tmp_path / "served")]
    assert subprocess.run(command, check=False, cwd=tmp_path).returncode == 7
    assert (tmp_path / "served").read_bytes() == eager.tobytes()
