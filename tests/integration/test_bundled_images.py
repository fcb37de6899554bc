"""The bundled images against scikit-learn's own loaders; no pixel of a region is in, or beside, another one."""

import io
from pathlib import Path

import numpy as np
import pytest

sklearn_datasets = pytest.importorskip("sklearn.datasets")
Image = pytest.importorskip("PIL.Image")

from components.errors import ConfigError, DataError  # noqa: E402
from pipeline import datasets, sample_images  # noqa: E402
from pipeline.sample_images import GAP, PATCH, places  # noqa: E402


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_digits_are_scikit_learn_s(tmp_path: Path) -> None:
    made = datasets.prepare("digits", tmp_path / "digits")
    assert (made.rows, made.left_out, made.made) == (1797, 0, True)
    theirs = sklearn_datasets.load_digits()
    for number in (0, 7, 1796):
        file = tmp_path / "digits" / str(theirs.target[number]) / f"{number:04d}.png"
        assert np.array_equal(pixels(file.read_bytes()), theirs.images[number] * 15)
    folders = sorted(folder.name for folder in (tmp_path / "digits").iterdir())
    assert folders == [str(digit) for digit in range(10)]
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]  # no temporary folder is left
    assert not datasets.prepare("digits", tmp_path / "digits").made


def test_the_patches_are_those_of_the_photographs() -> None:
    files = dict(sample_images.photos())
    assert len(files) == 960
    for name, photo in zip(("china", "flower"), sklearn_datasets.load_sample_images().images, strict=True):
        for region, y, x in [*places(*photo.shape[:2])][::97]:
            patch = pixels(files[f"{name}/{region}/y{y:03d}x{x:03d}.png"])
            assert np.array_equal(patch, photo[y : y + PATCH, x : x + PATCH])


def test_regions_are_apart() -> None:
    owner = np.zeros((427, 640), int)
    names = sorted({region for region, _, _ in places(427, 640)})
    assert len(names) == 20
    for region, y, x in places(427, 640):
        # With the gap around it, the patch meets no other region.
        around = owner[max(0, y - GAP) : y + PATCH + GAP, max(0, x - GAP) : x + PATCH + GAP]
        number = names.index(region) + 1
        assert set(np.unique(around)) <= {0, number}
        owner[y : y + PATCH, x : x + PATCH] = number
    assert (owner > 0).mean() > 0.5  # of the photograph, a part that is worth it


def test_a_changed_folder_is_refused_and_kept(tmp_path: Path) -> None:
    datasets.prepare("digits", tmp_path / "digits")
    file = tmp_path / "digits" / "0" / "0000.png"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"is not the bundled data set 'digits' \(1,797 images.*delete it"):
        datasets.prepare("digits", tmp_path / "digits")
    assert file.read_bytes() == content[:-1]


def test_a_missing_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_images.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tfx-norm\[samples\]'"):
        datasets.prepare("digits", tmp_path / "digits")
    assert not (tmp_path / "digits").exists()
