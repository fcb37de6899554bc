"""The verbs ``constants`` and ``diff``: what they print, and their exit status."""

import json
from pathlib import Path

import pytest
from hand_constants import number, set_of, table_by_key, words

from components.provenance import Provenance
from pipeline.cli import main

MADE = Provenance("ab" * 32, "0.1.0", ("2013-01-01", "2013-01-02"))
BEFORE = set_of(
    number("dist [km]", mean=10, variance=4, low=1, high=20),
    number("same"),
    number("taxi", role="z_score_per_key", key="tail", by_key=table_by_key({b"N1": (4, 1.0, 4.0), b"N2": (4, 0, 1)})),
    words("carrier", {b"UA": 6, b"B6": 4}),
).with_provenance(MADE)
AFTER = set_of(
    number("dist [km]", mean=16, variance=16, low=1, high=25, count=75, absent=25),
    number("same"),
    number("taxi", role="z_score_per_key", key="tail", by_key=table_by_key({b"N1": (4, 2.0, 4.0), b"N3": (4, 0, 1)})),
    words("carrier", {b"UA": 8, b"\xff": 2}),
    rows=90,
)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    BEFORE.save("before.json")
    AFTER.save("after.json")


def output(capsys: pytest.CaptureFixture[str], status: int, *argv: str) -> str:
    """Standard output of a command that says nothing on standard error."""
    assert main(argv) == status
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def line_of(text: str, first: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [first])


def test_constants_prints_table_digest_and_origin(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, 0, "constants", "before.json")
    assert line_of(shown, "dist").split() == ["dist", "[km]", "z_score", "100", "0", "10", "2"]
    assert line_of(shown, "digest").split() == ["digest", BEFORE.digest]
    assert "schema digest" in shown and "2013-01-01, 2013-01-02" in shown and "0.1.0" in shown


def test_constants_as_json_are_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, 0, "constants", "before.json", "--json") == Path("before.json").read_text() + "\n"


def test_diff_of_equal_sets_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, 0, "diff", "before.json", "before.json").split() == ["same", "constants", BEFORE.digest]


def test_diff_says_what_differs_most_first(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, 1, "diff", "before.json", "after.json")
    assert BEFORE.digest in shown and AFTER.digest in shown
    firsts = [line.split()[0] for line in shown.splitlines() if line.split()]
    assert [first for first in firsts if first in ("dist", "taxi", "carrier")] == ["dist", "taxi", "carrier"]
    assert firsts.count("same") == 0
    # |16 - 10| / 2 with sqrt(4 / 100 + 16 / 75) / 2 = 0.25; 4 / 2 with 2 * sqrt(1 / 200 + 1 / 150) = 0.2
    for part in ("3 ± 0.3", "2 ± 0.2", "0 % → 25 %", "100 → 75", "20 → 25"):
        assert part in line_of(shown, "dist"), part
    assert "0.5 ± 0.7" in line_of(shown, "taxi") and "new N3, gone N2" in line_of(shown, "taxi")


def test_diff_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output(capsys, 1, "diff", "before.json", "after.json", "--json"))
    assert (found["equal"], found["digests"], found["rows"]) == (False, [BEFORE.digest, AFTER.digest], [100, 90])
    distance, taxi, carrier = found["features"]
    assert (distance["mean_shift"], distance["sigma_ratio"], distance["missing_rate"]) == (3.0, 2.0, [0.0, 0.25])
    assert (distance["min_change"], distance["max"]) == (0.0, [20.0, 25.0])
    assert taxi["keys"]["by_key"]["mean_shift"] == [0.5]
    assert (carrier["keys"]["new"], carrier["keys"]["gone"]) == (["\udcff"], ["B6"])
    assert carrier["keys"]["share_change"] == pytest.approx(0.4) and "mean" not in carrier


def test_numbers_that_json_lacks_are_texts(capsys: pytest.CaptureFixture[str]) -> None:
    set_of(number(variance=0.0)).save("flat.json")
    set_of(number(variance=0.0, mean=1.0)).save("moved.json")
    found = json.loads(output(capsys, 1, "diff", "flat.json", "moved.json", "--json"))
    assert (found["features"][0]["mean_shift"], found["features"][0]["sigma_ratio"]) == ("inf", 1.0)
    assert " inf " in output(capsys, 1, "diff", "flat.json", "moved.json")


def test_diff_names_what_one_side_lacks_and_another_order(capsys: pytest.CaptureFixture[str]) -> None:
    set_of(number("a"), number("b")).save("ab.json")
    set_of(number("b"), number("a")).save("ba.json")
    set_of(number("b")).save("b.json")
    assert "only in ab.json: a" in output(capsys, 1, "diff", "ab.json", "b.json")
    assert "another order" in output(capsys, 1, "diff", "ab.json", "ba.json")


@pytest.mark.parametrize(
    "argv", [["constants", "gone"], ["diff", "before.json", "gone"], ["diff", "gone", "before.json", "--json"]]
)
def test_no_constants_there_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    assert "No normalization constants at gone" in shown.err


def test_an_unknown_format_version_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.json").write_text('{"format_version": 9}')
    assert main(["constants", "new.json"]) == 2
    assert "format_version 9; this version reads 1" in capsys.readouterr().err
