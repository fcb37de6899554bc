"""The report's images: which are shown, and that their pixels are those of the data and of the model's input."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_tables import write_records
from pictures import arrays, png, schema

from components import analyze
from components.feature_plan import FeaturePlan
from components.report.facts import RunFacts
from components.report.pictures import image_facts
from components.report.render import render

Image = pytest.importorskip("PIL.Image")
PHOTOS = arrays(8, size=(10, 12))


def shown(uri: str) -> Any:
    prefix, _, text = uri.partition(",")
    assert prefix == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def artifact(folder: Path, texts: list[bytes], *options: str) -> Any:
    """A split ``train`` of these images, labelled 0, 0, 0, 0, 1 ..., and its transform."""
    (folder / "Split-train").mkdir(parents=True)
    rows = [{"photo": text, "y": int(at > 3)} for at, text in enumerate(texts)]
    file = write_records(FeaturePlan.from_schema(schema(*options)), rows, folder / "Split-train" / "data-0.gz")
    return analyze(str(file), schema(*options))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_some_of_each_label_as_they_are_and_normalized(layout: str, tmp_path: Path) -> None:
    frozen = artifact(tmp_path, [png(photo) for photo in PHOTOS], f"layout={layout}")
    (facts,) = image_facts(str(tmp_path), frozen)
    assert [picture.label for picture in facts.pictures] == ["0", "1", "0", "1", "0", "1"]
    own = frozen.constants["photo"]
    for picture, at in zip(facts.pictures, (0, 4, 1, 5, 2, 6), strict=True):
        assert np.array_equal(shown(picture.raw), PHOTOS[at])
        scores = (PHOTOS[at] - own.mean) / own.sigma
        assert np.abs(shown(picture.normalized) - (scores + 3) / 6 * 255).max() <= 0.501
    assert (facts.averaged, [name for name, _ in facts.mean]) == (8, ["red", "green", "blue"])
    for channel, (_, uri) in enumerate(facts.mean):
        assert np.abs(shown(uri) - np.stack(PHOTOS)[..., channel].mean(axis=0)).max() <= 0.501
    page = render(RunFacts("x", images=(facts,)))
    assert page.count("<figure>") == 6 + 3
    assert 'href="#images"' in page


def test_what_cannot_be_decoded_is_left_out_and_16_bits_become_8(tmp_path: Path) -> None:
    deep = arrays(2, 1, np.uint16, size=(4, 4))
    texts = [png(deep[0]), b"no image", png(deep[1])]
    frozen = artifact(tmp_path, texts, "channels=1", "corrupt=skip")
    (facts,) = image_facts(str(tmp_path), frozen)
    assert facts.averaged == 2
    for picture, photo in zip(facts.pictures, deep, strict=True):
        assert np.array_equal(shown(picture.raw), np.round(photo[..., 0] / 257))


def test_large_images_are_thinned_out_and_unequal_ones_not_averaged(tmp_path: Path) -> None:
    texts = [png(photo) for photo in (*arrays(1, size=(400, 200)), *arrays(1, size=(3, 3)))]
    (facts,) = image_facts(str(tmp_path), artifact(tmp_path, texts))
    assert shown(facts.pictures[0].raw).shape == (134, 67, 3)
    assert facts.averaged == 1


def test_a_page_without_images_has_no_such_part() -> None:
    assert 'id="images"' not in render(RunFacts("x"))
