"""Settings that a step reads when it runs."""

from pathlib import Path

import pytest

from components.errors import DataError
from components.step_settings import StepSettings, with_settings


def test_a_step_without_a_file_has_its_own_parameters() -> None:
    assert with_settings({"cache_dir": "mine", "settings_file": ""}) == {"cache_dir": "mine", "settings_file": ""}


def test_the_files_settings_take_the_place_of_parameters(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(StepSettings("theirs", 7, 3).to_json())
    found = with_settings({"cache_dir": "mine", "code_digest": "c", "settings_file": str(path)})
    assert found == {
        "cache_dir": "theirs",
        "cache_max_bytes": 7,
        "merge_fanout": 3,
        "code_digest": "c",
        "settings_file": str(path),
    }


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"cache_dir": "c"}', '{"colour": "red"}'])
def test_what_holds_no_settings_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "settings.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=f"No settings at {path}"):
        with_settings({"settings_file": str(path)})
