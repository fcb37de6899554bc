"""A folder of images as data: what is listed, what is refused, and what ArrowExampleGen writes."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_arrow_example_gen import ingest

from components.errors import DataError
from components.example_gen import image_folder
from components.example_gen.component import ArrowExampleGen
from components.png import encode_png

pytestmark = pytest.mark.beam


def picture(shade: int, side: int = 3) -> bytes:
    return encode_png(np.full((side, side, 3), shade, np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 20 images, those of ``b`` in folders of two; and files that are none of them."""
    root = tmp_path / "data"
    for at in range(20):
        for path in (root / "a" / f"{at:02d}.png", root / "b" / f"s{at // 2}" / f"{at:02d}.PNG"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(at + 100 * (path.parent.name[0] == "s")))
    (root / "a" / "._00.png").write_bytes(b"")
    (root / "a" / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.png").write_bytes(picture(1))
    return root


def test_every_image_has_the_class_of_its_top_folder(root: Path) -> None:
    images = image_folder.list_images(f"{root}/")
    assert Counter(image.label for image in images) == {"a": 20, "b": 20}
    assert images[-1] == (f"{root}/b/s9/19.PNG", "b", "b/s9", "b/s9/19.PNG")


def test_a_remote_folder_is_listed_alike(root: Path) -> None:
    local = [image.file for image in image_folder.list_images(str(root))]
    assert [image.file for image in image_folder.list_images(f"file://{root}")] == local


def test_what_cannot_be_used_is_named(root: Path) -> None:
    def refused(match: str, where: Path = root) -> None:
        with pytest.raises(DataError, match=match) as caught:
            image_folder.list_images(str(where))
        assert "\n" not in str(caught.value)

    refused("No such file", root / "nowhere")
    refused("lies in no class", root / "a")
    refused("00.png is a file. Give the folder", root / "a" / "00.png")
    (root / "one").mkdir()
    (root / "one" / "c").mkdir()
    refused("holds no image", root / "one")
    (root / "one" / "c" / "x.jpg").write_bytes(picture(1))
    refused("in one folder only, 'c', and a label needs two classes", root / "one")
    (root / "a" / "x.gif").write_bytes(b"GIF89a")
    refused("a/x.gif is neither PNG nor JPEG")
    (root / "a" / "x.gif").rename(root / "x.png")
    refused("x.png lies in no class")


def test_rows_are_split_by_folder_and_the_same_whatever_the_lists(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfx.proto import example_gen_pb2

    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=n) for name, n in (("train", 2), ("eval", 1))]
    config = example_gen_pb2.SplitConfig(splits=splits, partition_feature_name="folder")
    node = ArrowExampleGen(
        str(root), data_format="images", output_config=example_gen_pb2.Output(split_config=config), code_digest="1"
    )
    rows, artifact = ingest(tmp_path / "one", node)
    every = rows["train"] + rows["eval"]
    by_file = {row["file"].decode(): row for row in every}
    assert set(by_file) == {image.file for image in image_folder.list_images(str(root))}
    for image in image_folder.list_images(str(root)):
        row = by_file[image.file]
        assert row["image"] == Path(image.path).read_bytes()
        assert (row["label"], row["folder"]) == (image.label.encode(), image.folder.encode())
    assert not {row["folder"] for row in rows["train"]} & {row["folder"] for row in rows["eval"]}
    assert artifact.get_int_custom_property("rows_read") == 40
    # Classes are mixed: the first half of the rows is not one class.
    assert len({row["label"] for row in rows["train"][: len(rows["train"]) // 2]}) == 2

    monkeypatch.setattr(image_folder, "LIST_IMAGES", 7)
    monkeypatch.setattr(image_folder, "_BATCH_BYTES", 200)
    again, _ = ingest(tmp_path / "many", node)
    for split in rows:
        assert {row["file"]: row for row in again[split]} == {row["file"]: row for row in rows[split]}
    assert len(list((tmp_path / "many" / "examples" / "Split-train").iterdir())) == 6  # of lists of 7


def test_a_list_ends_where_its_bytes_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = image_folder.list_images(str(root))
    size = len(picture(1))
    monkeypatch.setattr(image_folder, "LIST_BYTES", 3 * size)
    lists = [json.loads(Path(path).read_text()) for path in image_folder.write_lists(images, str(tmp_path))]
    assert [len(members) for members in lists] == [3] * 13 + [1]
    assert sorted(member[3] for members in lists for member in members) == [image.file for image in images]


def test_input_splits_are_folders_of_their_own(root: Path, tmp_path: Path) -> None:
    from tfx.proto import example_gen_pb2

    top = tmp_path / "top"
    top.mkdir()
    root.rename(top / "train")
    for label in "ab":
        (top / "val" / label).mkdir(parents=True)
        (top / "val" / label / "x.png").write_bytes(picture(9))
    splits = [
        example_gen_pb2.Input.Split(name=name, pattern=f"{folder}/*/*")
        for name, folder in (("train", "train"), ("eval", "val"))
    ]
    node = ArrowExampleGen(
        str(top), example_gen_pb2.Input(splits=splits), example_gen_pb2.Output(), data_format="images"
    )
    rows, _ = ingest(tmp_path / "out", node)
    assert (len(rows["train"]), len(rows["eval"])) == (40, 2)


def test_a_schema_of_other_columns_is_refused() -> None:
    assert list(image_folder.plan_types({"label": "bytes", "image": "bytes"}, "x")) == [
        "label",
        "image",
        "folder",
        "file",
    ]
    with pytest.raises(DataError, match=r"x: the schema declares column 'label' as int64, but .* image, label, folder"):
        image_folder.plan_types({"label": "int64"}, "x")
