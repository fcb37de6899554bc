"""pipeline.init: what is written where, and which input is refused in one line. The schema's inference is left out."""

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import InputError
from components.feature_plan import FeaturePlan
from pipeline.config import load_config
from pipeline.init import init
from pipeline.init.config_text import pipeline_name, training_for
from pipeline.init.files import path_for_config
from schemas.loader import load_schema

HEADER = 'id,"Length (mm)",1st,colour,y\n'
ROWS = "".join(f"{k},{k % 7}.5,{k % 3},{'red' if k % 2 else 'blue'},{1 + k % 2}\n" for k in range(60))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pipeline.init.inference.infer_schema", lambda batches: schema_pb2.Schema())
    path = tmp_path / "my table.csv"
    path.write_text(HEADER + ROWS + "60,1.5,2,red,\n")
    return path


def test_schema_and_configuration_are_what_the_pipeline_reads(table: Path, tmp_path: Path) -> None:
    result = init(str(table), "y", str(tmp_path / "out"))
    config, plan = load_config(result.config), FeaturePlan.from_schema(load_schema(result.schema))
    assert [(f.name, f.role, f.dtype) for f in plan.features] == [
        ("id", "ignore", "int64"),
        ("Length (mm)", "z_score", "float32"),
        ("1st", "z_score", "int64"),
        ("colour", "category", "bytes"),
        ("y", "label", "bytes"),
    ]
    assert (config.pipeline.task, config.pipeline.name) == ("binary", "my-table")
    assert (config.data.path, config.data.schema) == (str(table), result.schema)
    assert config.data.require == ("y",)
    assert config.evaluation.thresholds == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.toml", "schema.pbtxt"]
    assert "# ignore: a running number" in Path(result.schema).read_text()
    assert "1 rows have no label" in Path(result.config).read_text()
    assert "then: tfx-norm run" in str(result)


def test_what_is_there_is_kept_unless_forced(table: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    with pytest.raises(InputError, match=r"config.toml is there already"):
        init(str(table), "y", str(tmp_path))
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert not (tmp_path / "schema.pbtxt").exists()
    init(str(table), "y", str(tmp_path), force=True)
    assert (tmp_path / "config.toml").read_text() != "mine"


REFUSED = {
    "no such label": (
        HEADER + ROWS,
        "Y ",
        r"label 'Y ' is not a column of .* Did you mean 'y'\? The columns are: 'id',",
    ),
    "no label": (HEADER + ROWS, None, r"needs --label, .*: 'id', 'Length \(mm\)'"),
    "one value": ("x,y\n" + "1.5,a\n2.5,a\n" * 20, "y", r"one value 'a' in all of 40 rows"),
    "header only": ("x,y\n", "y", r"no rows"),
    "empty": ("", "y", r"empty"),
    "text only": ("x,y\n" + "a,1\nb,0\n" * 20, "y", r"No numeric column .* 'x' is category: text with 2"),
    "label only": ("y\n" + "1\n0\n" * 20, "y", r"The label is the only column"),
}


@pytest.mark.parametrize(("text", "label", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_in_one_line(tmp_path: Path, text: str, label: str | None, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        init(str(tmp_path / "t.csv"), label, str(tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_format_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match=r"say it with --format"):
        init(str(tmp_path / "t.dat"), "y", str(tmp_path / "out"))


def test_a_folder_that_cannot_be_made(table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write to .*file/out"):
        init(str(table), "y", str(tmp_path / "file" / "out"))


def test_data_beside_the_folder_are_named_relative_to_it() -> None:
    assert path_for_config("/home/me/my.csv", Path("/home/me/out")) == "../my.csv"
    assert path_for_config("/home/me/out/data/", Path("/home/me/out")) == "data/"
    assert path_for_config("/data/my.csv", Path("/home/me/out")) == "/data/my.csv"
    assert path_for_config("gs://bucket/*.csv", Path("/home/me/out")) == "gs://bucket/*.csv"


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/My Table (1).csv.gz", "my-table-1"), ("gs://b/days/", "days"), ("*.csv", "table"), ("ü.csv", "table")],
)
def test_pipeline_names(path: str, name: str) -> None:
    assert pipeline_name(path) == name


@pytest.mark.parametrize("rows", [178, 442, 10_000, 327_346, 5_000_000])
def test_training_takes_thousands_of_steps_not_millions(rows: int) -> None:
    training = training_for(rows)
    assert 800 <= training.epochs * rows * 0.8 / training.batch_size <= 15_000
