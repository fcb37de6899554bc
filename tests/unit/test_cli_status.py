"""Exit status and messages of the command line, for input that is refused before anything heavy is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import VERBS, main

CONFIG = '[pipeline]\nname = "t"\ntask = "binary"\n[data]\npath = "data.csv"\nschema = "schema.pbtxt"\n'
SCHEMA = (
    'feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } annotation { tag: "z_score" } }\n'
    'feature { name: "y" type: INT value_count { min: 1 max: 1 } annotation { tag: "label" } }\n'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    (tmp_path / "data.csv").write_text("x,y\n1,0\n")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line that the command says; asserts status 2, no traceback and nothing on standard output."""
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1 and shown.err.startswith("tfx-norm: ")
    return shown.err


@pytest.mark.parametrize("argv", [[], ["nothing"], ["run"], ["run", "a", "b"], ["init", "--data", "x"]])
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "usage: tfx-norm" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_is_status_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert "usage: tfx-norm" in capsys.readouterr().out


def test_help_loads_neither_tensorflow_nor_beam() -> None:
    code = (
        "import sys; from pipeline.cli import main; main(['run', '--help']);"
        "heavy = ('tensorflow', 'apache_beam', 'tfx', 'pyarrow', 'numpy', 'rich');"
        "sys.exit(any(name in sys.modules for name in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_no_configuration(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Cannot read the configuration gone.toml" in refused(capsys, "run", "gone.toml")


def test_unknown_key(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "c.toml").write_text(CONFIG + "colour = 1\n")
    assert "unknown key 'colour'" in refused(capsys, "run", "c.toml")


def test_no_schema(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "schema.pbtxt").unlink()
    assert "No schema at" in refused(capsys, "run", "c.toml")


def test_unknown_tag(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "schema.pbtxt").write_text(SCHEMA.replace("z_score", "zscore"))
    message = refused(capsys, "run", "c.toml")
    assert "'x'" in message and "zscore" in message and "z_score" in message


def test_no_data_and_nothing_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data.csv").unlink()
    assert "No such file" in refused(capsys, "run", "c.toml")
    assert not (project / "runs").exists()


def test_a_root_that_cannot_be_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "file").write_text("")
    assert "No run can be written to" in refused(capsys, "run", "c.toml", "--root", "file/root")
