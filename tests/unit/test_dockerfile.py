"""What the Dockerfile repeats of other files is the same there, and what a cluster demands of an image holds."""

import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def stages() -> dict[str, str]:
    """Each named stage's text by its name."""
    parts = re.split(r"^FROM \S+ AS (\w+)$", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / name).read_text())


def test_the_beam_image_has_the_locked_version_of_beam() -> None:
    locked = {package["version"] for package in toml("uv.lock")["package"] if package["name"] == "apache-beam"}
    (version,) = re.findall(r"^ARG BEAM_IMAGE=apache/beam_python3\.11_sdk:(\S+)$", DOCKERFILE, re.MULTILINE)
    assert version in locked
    assert version == max(locked, key=lambda text: tuple(map(int, text.split("."))))  # that of Python 3.11


def test_uv_is_the_one_that_setup_installs() -> None:
    (wanted,) = re.findall(r"^readonly UV_VERSION=(\S+)", (REPOSITORY / "tools/setup.sh").read_text(), re.MULTILINE)
    assert re.findall(r"uv==(\S+)", DOCKERFILE) == [wanted]


def test_every_package_of_the_wheel_is_copied() -> None:
    packages = toml("pyproject.toml")["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert re.findall(r"^COPY (\w+) \1$", stages()["wheel"], re.MULTILINE) == packages


def test_what_is_copied_is_not_ignored() -> None:
    allowed = set(re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed


def test_the_steps_run_as_a_number_that_is_not_root() -> None:
    assert re.findall(r"^USER (.*)$", stages()["runtime"], re.MULTILINE) == ["1000:0"]
    assert "USER" not in stages()["dataflow"] + stages()["test"]


def test_a_compiler_and_package_tools_are_in_no_stage_that_is_shipped() -> None:
    tools = re.compile(r"apt-get|g\+\+|\bpip\b|\buv\b")
    assert tools.search(stages()["dependencies"])
    assert not tools.search(stages()["runtime"] + stages()["dataflow"])


def test_only_locked_files_are_installed() -> None:
    installs = re.findall(r"uv (?:sync|pip install) [^&\n]*", DOCKERFILE)
    assert len(installs) == 3
    # The lock states hashes; our own wheel, made a line above, has none and brings no dependency.
    assert [("--frozen" in i) or ("--require-hashes" in i) or ("--no-deps" in i) for i in installs] == [True] * 3
