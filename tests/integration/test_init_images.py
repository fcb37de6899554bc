"""init on a folder of images: what it finds, what it proposes and why, and what it refuses in one line."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pictures import jpeg

from components.errors import InputError
from components.feature_plan import FeaturePlan
from components.png import encode_png
from pipeline.config import load_config
from pipeline.init import init
from pipeline.init.images import ImageFacts
from pipeline.inputs import checked_plan
from schemas.loader import load_schema


def gray(height: int = 4, width: int = 6, shade: int = 9) -> bytes:
    return encode_png(np.full((height, width, 1), shade, np.uint8))


def colour(height: int = 4, width: int = 6, channels: int = 3) -> bytes:
    return encode_png(np.arange(height * width * channels, dtype=np.uint8).reshape(height, width, channels))


def folder(root: Path, files: Mapping[str, bytes]) -> str:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return str(root)


def test_gray_images_of_one_size_keep_both(tmp_path: Path) -> None:
    data = folder(tmp_path / "Tiny Set", {f"{label}/{n}.png": gray(shade=n) for label in "abc" for n in range(10)})
    result = init(data, None, str(tmp_path / "out"))
    assert (result.task, result.label, result.rows, result.notes) == ("multiclass", "label", 30, ())
    plan = FeaturePlan.from_schema(load_schema(result.schema))
    assert [(feature.name, feature.role) for feature in plan.features] == [
        *(("image", "image"), ("label", "label"), ("folder", "ignore"), ("file", "ignore"))
    ]
    assert plan.images[0].image is not None
    assert (plan.images[0].image.channels, plan.images[0].image.size) == (1, (4, 6))
    label = next(feature for feature in load_schema(result.schema).feature if feature.name == "label")
    assert list(label.string_domain.value) == ["a", "b", "c"]
    config = load_config(result.config)
    assert (config.pipeline.name, config.data.format, config.data.partition_feature) == ("tiny-set", "images", "image")
    assert config.data.path == data
    assert checked_plan(config) == plan  # what run checks first


def test_unequal_sizes_get_the_median_and_the_reason(tmp_path: Path) -> None:
    sizes = [(4, 6), (10, 8), (40, 20)]
    files = {f"{label}/{n}.png": colour(*size) for label in "ab" for n, size in enumerate(sizes)}
    result = init(folder(tmp_path / "data", files), None, str(tmp_path / "out"))
    image = result.columns[0]
    assert image.options == ("channels=3", "size=10x8")
    assert "of 3 sizes from 4x6 to 40x20, and a batch needs one: the median height and width." in image.reason
    assert image.reason in Path(result.schema).read_text().replace("\n# ", " ")
    assert result.task == "binary"
    assert any("'a' has 3 of 6 images" in note for note in result.notes)


def test_large_images_are_made_smaller_in_proportion() -> None:
    facts = ImageFacts({"a": 1, "b": 1}, {(1000, 500): 1, (2000, 1000): 2}, {3: 3}, 0, False)
    assert facts.size == (256, 128)


def test_alpha_and_mixed_depth_are_noted(tmp_path: Path) -> None:
    deep = bytes(tf.io.encode_png(np.zeros((4, 6, 3), np.uint16)).numpy())
    files = {"a/0.png": colour(channels=4), "a/1.png": deep, "b/2.jpg": jpeg(np.zeros((4, 6, 3), np.uint8))}
    notes = init(folder(tmp_path / "data", files), None, str(tmp_path / "out")).notes
    assert "1 images have an alpha channel, which is dropped; the tag channels=4 keeps it." in notes
    assert "1 of 3 images have 16 bits; those of 8 are widened to 16." in notes


def test_folders_below_the_classes_stay_together_where_there_are_enough(tmp_path: Path) -> None:
    files = {f"{label}/p{n}/x.png": gray(shade=n) for label in "ab" for n in range(10)}
    config = load_config(init(folder(tmp_path / "data", files), None, str(tmp_path / "out")).config)
    assert config.data.partition_feature == "folder"
    few = {name: content for name, content in files.items() if "p0" in name}
    config = load_config(init(folder(tmp_path / "few", few), None, str(tmp_path / "out2")).config)
    assert config.data.partition_feature == "image"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a/notes.txt": b"x"}, "is a directory|holds no"),
        ({"a/0.png": gray()}, "in one folder only, 'a', and a label needs two classes"),
        ({"a/0.png": gray(), "b/0.png": gray()[:-30]}, "b/0.png is a PNG that cannot be decoded: cut off or damaged"),
        ({"a/0.png": gray(), "b/0.jpg": b"hello"}, "b/0.jpg is neither PNG nor JPEG, whatever its name says"),
        ({"a/0.png": gray(), "b/0.bmp": b"BM"}, "b/0.bmp is neither PNG nor JPEG. Convert it"),
        ({"a/0.png": gray(), "b/0.png": gray(), "c.png": gray()}, "c.png lies in no class"),
        ({"a/0.png": gray(), "b/0.png": gray(), "t.csv": b"x,y\n"}, r"holds a table \(t.csv\) and images"),
        (
            {"a/0.png": gray(), "b/0.jpg": jpeg(np.zeros((4, 4, 3), np.uint8), "CMYK")},
            "b/0.jpg is a CMYK JPEG. Convert it to RGB",
        ),
    ],
)
def test_bad_input_is_one_clear_line(files: dict[str, bytes], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        init(folder(tmp_path / "data", files), None, str(tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_format_can_be_said_and_a_label_cannot(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {"a/0.png": gray(), "b/0.png": gray(), "t.csv": b"x,y\n"})
    assert init(data, None, str(tmp_path / "out"), "images").rows == 2
    with pytest.raises(InputError, match="leave --label kind out"):
        init(data, "kind", str(tmp_path / "out2"), "images")


def test_the_command_needs_no_label(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {"a/0.png": gray(), "b/0.png": gray()})
    command = [sys.executable, "-m", "pipeline", "init", "--data", data, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    assert "2 rows; binary task, label 'label'." in done.stdout
