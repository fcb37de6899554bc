"""The table of the twelve faults in docs/checks.md: each names tests and findings that there are."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FAULTS = 12


def rows() -> list[list[str]]:
    text = (REPOSITORY / "docs" / "checks.md").read_text()
    table = text.split("## Twelve faults")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_there_are_twelve_faults_each_with_its_finder_its_name_and_its_tests() -> None:
    assert len(rows()) == FAULTS
    tests = "\n".join(file.read_text() for file in (REPOSITORY / "tests" / "integration").glob("test_*.py"))
    code = "\n".join(file.read_text() for file in (REPOSITORY / "components").rglob("*.py"))
    for fault, finder, findings, named in rows():
        assert finder
        assert re.findall(r"`(\w+)`", findings), fault
        assert re.findall(r"`(\w+)`", named), fault
        for finding in re.findall(r"`(\w+)`", findings):
            # The parity check makes its names of the way.
            name = finding.removeprefix("parity_")
            assert re.search(rf"\b{name}\b", code), f"{fault}: no code gives {finding}"
        for test in re.findall(r"`(\w+)`", named):
            assert f"def {test}(" in tests, f"{fault}: there is no {test}"
