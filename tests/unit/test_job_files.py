"""Where the files of a job are written, and the version of data that cannot be seen."""

import os
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from pipeline.kubeflow.data_version import data_version
from pipeline.kubeflow.files import write_files


def test_files_are_renamed_inside_their_folder_which_may_be_a_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mount"
    folder.mkdir()
    moved: list[Path] = []
    replace = os.replace

    def watched(source: Any, target: Any) -> None:
        moved.append(Path(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write_files(folder, {"a.json": "1", "a.yaml": "2"})

    assert [folder in source.parents for source in moved] == [True, True]
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"a.json": "1", "a.yaml": "2"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["mount"]


def test_what_cannot_be_written_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("before")
    with pytest.raises(ConfigError, match="Choose another --out"):
        write_files(tmp_path, {"a.json": "1", "n" * 300: "2"})
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.json", "before")]


@pytest.mark.parametrize("path", ["nosuchscheme://bucket/rows.csv", "no-such-folder/rows.csv"])
def test_data_that_cannot_be_seen_have_a_new_version_each_time(path: str) -> None:
    versions = [data_version(path) for _ in range(2)]
    assert all(version.startswith("unseen-") for version in versions)
    assert versions[0] != versions[1]
