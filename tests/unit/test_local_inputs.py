import os
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, DataError, SchemaError
from pipeline import inputs
from pipeline.config import DataSection, PipelineConfig, PipelineSection

SCHEMA = (
    'feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } annotation { tag: "z_score" } }\n'
    'feature { name: "y" type: INT value_count { min: 1 max: 1 } annotation { tag: "label" } }\n'
)


def config(tmp_path: Path, schema: str = SCHEMA, **data: Any) -> PipelineConfig:
    (tmp_path / "s.pbtxt").write_text(schema)
    section = DataSection(schema=str(tmp_path / "s.pbtxt"), path=str(tmp_path / "data"), **data)
    return PipelineConfig(PipelineSection("p", "binary"), section)


def written(folder: Path, **contents: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def digest(folder: Path, **options: Any) -> str:
    return inputs.data_digest(DataSection(schema="", path=str(folder), **options))


def test_the_digest_follows_bytes_and_names_and_not_the_place(tmp_path: Path) -> None:
    first = digest(written(tmp_path / "a", one="1", two="2"))
    assert digest(written(tmp_path / "b", one="1", two="2")) == first
    assert digest(written(tmp_path / "c", one="1", two="3")) != first
    assert digest(written(tmp_path / "d", one="1", tw="2")) != first
    assert digest(written(tmp_path / "e", one="12", two="")) != first


def test_by_stat_a_new_time_is_a_new_digest_and_by_content_it_is_not(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", one="1")
    content, stat = digest(folder), digest(folder, fingerprint="stat")
    os.utime(folder / "one.csv", ns=(1, 1))
    assert digest(folder) == content
    assert digest(folder, fingerprint="stat") != stat


def test_of_spans_the_windows_files_alone_count(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        written(tmp_path / f"day-{day}", rows=f"a\n{day}\n")
    section = DataSection(schema="", path=f"{tmp_path}/day-{{SPAN}}/*.csv", window=2)
    inputs.check_data_exists(section)
    first = inputs.data_digest(section)
    (tmp_path / "day-1" / "rows.csv").unlink()
    assert inputs.data_digest(section) == first
    written(tmp_path / "day-2", more="a\n7\n")
    second = inputs.data_digest(section)
    written(tmp_path / "day-4", rows="a\n4\n")
    assert len({first, second, inputs.data_digest(section)}) == 3


def test_missing_data_are_an_error_unless_they_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        inputs.check_data_exists(config(tmp_path).data)
    inputs.check_data_exists(config(tmp_path, dataset="flights").data)


def test_a_schema_is_stored_at_a_path_that_its_content_decides(tmp_path: Path) -> None:
    before = inputs.stored_schema(config(tmp_path).data.schema, tmp_path / "root")
    after = inputs.stored_schema(config(tmp_path, SCHEMA.replace("z_score", "min_max")).data.schema, tmp_path / "root")
    assert before != after
    assert "min_max" in Path(after).read_text()


def test_a_schema_without_a_label_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tags no feature as 'label'"):
        inputs.checked_plan(config(tmp_path, SCHEMA.splitlines()[0]))


def test_a_schema_with_nothing_to_normalize_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="No feature to normalize"):
        inputs.checked_plan(config(tmp_path, SCHEMA.replace("z_score", "ignore")))


def test_a_required_column_must_be_in_the_schema(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.require names the column 'z'"):
        inputs.checked_plan(config(tmp_path, require=("z",)))
