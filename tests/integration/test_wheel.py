"""The wheel carries the four packages with their data files, the console script, and nothing else."""

import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = {"components", "pipeline", "schemas", "tfxnorm"}


def build_command(out: Path) -> list[str]:
    """A builder that is here: uv (the project's own, or PATH's), or a build front end in this environment."""
    local = REPOSITORY / ".tools" / "uv" / "bin" / "uv"
    uv = str(local) if local.exists() else shutil.which("uv")
    if uv:
        return [uv, "build", "--wheel", "--out-dir", str(out), str(REPOSITORY)]
    if importlib.util.find_spec("build") and importlib.util.find_spec("pyproject_hooks"):  # no folder called build
        return [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(REPOSITORY)]
    if importlib.util.find_spec("hatchling"):
        return [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    pytest.skip("no builder: neither uv (make setup installs it where it is missing) nor build nor hatchling is here")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    clean = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    built = subprocess.run(build_command(out), cwd=REPOSITORY, env=clean, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_below(root: Path, folder: str) -> set[str]:
    paths = [path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path) for path in paths if "__pycache__" not in path.parts}


def test_its_top_level_is_the_four_packages(wheel: Path, unpacked: Path) -> None:
    assert wheel.name == "tfx_norm-0.1.0-py3-none-any.whl"
    assert {path.name for path in unpacked.iterdir()} == {*PACKAGES, "tfx_norm-0.1.0.dist-info"}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_is_complete(unpacked: Path, package: str) -> None:
    assert files_below(unpacked, package) == files_below(REPOSITORY, package)


def test_configurations_and_schemas_are_in_it(unpacked: Path) -> None:
    assert {"pipeline/flights.toml", "pipeline/flights_small.toml"} <= files_below(unpacked, "pipeline")
    assert "schemas/flights.pbtxt" in files_below(unpacked, "schemas")


def test_no_test_is_in_it(unpacked: Path) -> None:
    names = {path.name for path in unpacked.rglob("*")}
    assert not {name for name in names if name in ("tests", "conftest.py") or name.startswith("test_")}


def test_it_names_the_console_script_and_the_license(unpacked: Path) -> None:
    info = unpacked / "tfx_norm-0.1.0.dist-info"
    entry_points = configparser.ConfigParser()
    entry_points.read(info / "entry_points.txt")
    assert dict(entry_points["console_scripts"]) == {"tfx-norm": "pipeline.cli:main"}
    metadata = HeaderParser().parsestr((info / "METADATA").read_text())
    assert (metadata["Name"], metadata["Version"]) == ("tfx-norm", "0.1.0")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert (info / "licenses" / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_its_command_line_runs_from_another_folder(unpacked: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
        "import components, pipeline.cli, schemas\n"
        f"assert all(m.__file__.startswith({str(unpacked)!r}) for m in (components, pipeline, schemas))\n"
        "sys.exit(pipeline.cli.main(['--help']))"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "run" in shown.stdout
    assert "init" in shown.stdout
