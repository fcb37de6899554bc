import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ConfigError
from pipeline.code_digest import code_digest, model_digest


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module and a package with a helper, beside each other on the path."""
    (tmp_path / "own_model.py").write_text("def build(spec): return 1\n")
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("")
    (tmp_path / "own_package" / "model.py").write_text("def build(spec): return 1\n")
    (tmp_path / "own_package" / "layers.py").write_text("WIDTH = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def test_an_edited_model_has_another_digest(own_models: Path) -> None:
    before = model_digest("own_model:build")
    assert model_digest("own_model:build") == before
    (own_models / "own_model.py").write_text("def build(spec): return 2\n")
    assert model_digest("own_model:build") != before


def test_an_edited_neighbour_in_the_package_counts_too(own_models: Path) -> None:
    before = model_digest("own_package.model:build")
    (own_models / "own_package" / "layers.py").write_text("WIDTH = 2\n")
    assert model_digest("own_package.model:build") != before


@pytest.mark.parametrize("path", ["no_such_module:build", "own_package.nothing:build", "own_model.deeper:build"])
def test_a_module_that_is_not_there_is_named(own_models: Path, path: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.model = '{path}' cannot be imported"):
        model_digest(path)


def test_the_default_model_is_part_of_our_own_code() -> None:
    assert len(model_digest("components.trainer.model:build_model")) == len(code_digest()) == 64
