"""Which files are a span's, and which spans a window takes."""

from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from components.example_gen.span_pattern import Window, check_pattern, glob_of, has_span, window_of
from components.example_gen.spans import files_of_spans, window_files
from components.span_files import files_by_span, span_file_name, span_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a\n1\n")
    return folder


def found(folder: Path, pattern: str) -> dict[int, list[str]]:
    spans = files_of_spans(f"{folder}/{pattern}")
    return {span: [str(Path(path).relative_to(folder)) for path in paths] for span, paths in spans.items()}


def test_a_span_is_the_number_in_its_place_whatever_its_zeros(tmp_path: Path) -> None:
    touch(tmp_path, "day-9/b.csv", "day-9/a.csv", "day-010/a.csv", "day-0/a.csv", "day-0/.hidden.csv", "other/a.csv")
    assert found(tmp_path, "day-{SPAN}/*.csv") == {
        0: ["day-0/a.csv"],
        9: ["day-9/a.csv", "day-9/b.csv"],
        10: ["day-010/a.csv"],
    }


def test_a_date_is_the_span_of_its_day_since_1970(tmp_path: Path) -> None:
    touch(tmp_path, "1970-01-02.csv", "2013-01-31.csv", "2012-02-29.csv")
    # 43 years with 11 leap days, and 30 days of January
    assert list(found(tmp_path, "{YYYY}-{MM}-{DD}.csv")) == [1, 42 * 365 + 10 + 31 + 28, 43 * 365 + 11 + 30]


def test_dates_need_no_separators_and_widths_tell_numbers_apart(tmp_path: Path) -> None:
    touch(tmp_path, "19700103.csv", "01207.txt")
    assert found(tmp_path, "{YYYY}{MM}{DD}.csv") == {2: ["19700103.csv"]}
    assert found(tmp_path, "{SPAN:3}{VERSION:2}.txt") == {12: ["01207.txt"]}


def test_of_several_versions_the_newest_of_each_span_counts(tmp_path: Path) -> None:
    touch(tmp_path, "1/v2/a.csv", "1/v10/a.csv", "1/v10/b.csv", "2/v1/a.csv")
    assert found(tmp_path, "{SPAN}/v{VERSION}/*") == {1: ["1/v10/a.csv", "1/v10/b.csv"], 2: ["2/v1/a.csv"]}


def test_marks_of_a_glob_and_of_a_regular_expression_mean_what_they_mean_in_a_glob(tmp_path: Path) -> None:
    touch(tmp_path, "a+(1)/x1.csv", "a+(1)/x2.csv", "a+(1)/y3.csv")
    assert found(tmp_path, "a+(1)/[xw]{SPAN}.csv") == {1: ["a+(1)/x1.csv"], 2: ["a+(1)/x2.csv"]}
    assert found(tmp_path, "a+(1)/[!x]{SPAN}.c?v") == {3: ["a+(1)/y3.csv"]}


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        ("day-old/a.csv", "day-{SPAN}/*.csv", "day-old/a.csv: has no number where .*SPAN.* has its span"),
        ("2013-02-30.csv", "{YYYY}-{MM}-{DD}.csv", "2013-02-30 is no date. Rename it."),
        ("1969-12-31.csv", "{YYYY}-{MM}-{DD}.csv", "1969-12-31 lies before 1970-01-01"),
        ("a.csv", "day-{SPAN}/*.csv", "No file matches"),
    ],
)
def test_a_file_without_a_span_is_named(tmp_path: Path, name: str, pattern: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        found(touch(tmp_path, name), pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a/*.csv", "but this has none"),
        ("{SPAN}/{SPAN}", "but this has SPAN, SPAN"),
        ("{SPAN}/{YYYY}-{MM}-{DD}", "but this has SPAN, YYYY, MM, DD"),
        ("{YYYY}-{MM}", "but this has YYYY, MM"),
        ("{VERSION}", "but this has VERSION"),
        ("{SPAN:x}", "{SPAN:x} is no spec"),
        ("{YYYY:3}-{MM}-{DD}", "{YYYY:3} is no spec"),
    ],
)
def test_a_pattern_says_once_where_the_span_stands(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_pattern(pattern)


def test_what_a_pattern_is_and_the_glob_behind_it() -> None:
    assert has_span("day-{SPAN:5}/*.csv") and has_span("{YYYY}") and not has_span("day-*/{a,b}.csv")
    assert glob_of("day-{SPAN:5}/v{VERSION}/*.csv") == "day-*/v*/*.csv"


def test_windows() -> None:
    spans = [7, 3, 5, 40, 4]
    assert Window().chosen(spans) == [3, 4, 5, 7, 40]
    assert window_of(2).chosen(spans) == [7, 40]
    assert window_of(9).chosen(spans) == [3, 4, 5, 7, 40]
    assert window_of(bounds=("4", "7")).chosen(spans) == [4, 5, 7]
    assert window_of(bounds=("1970-01-05", "1970-01-05")).chosen(spans) == [4]


@pytest.mark.parametrize(
    ("newest", "bounds", "message"),
    [
        (-1, (), "at least 1 span, or 0 for all, but is -1"),
        (3, ("1", "2"), "Give one of the two"),
        (0, ("1",), "the first and the last one but is"),
        (0, ("2", "1"), "2 comes after 1"),
        (0, ("1", "x"), "but is 'x'"),
    ],
)
def test_what_is_no_window(newest: int, bounds: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        window_of(newest, bounds)


def test_a_window_counts_the_spans_of_all_patterns_and_names_the_bounds_that_hold_none(tmp_path: Path) -> None:
    touch(tmp_path, "learn/1.csv", "learn/2.csv", "judge/2.csv", "judge/3.csv")
    patterns = [f"{tmp_path}/{part}/{{SPAN}}.csv" for part in ("learn", "judge")]
    assert window_files(patterns, Window(2)) == {
        2: [(0, f"{tmp_path}/learn/2.csv"), (1, f"{tmp_path}/judge/2.csv")],
        3: [(1, f"{tmp_path}/judge/3.csv")],
    }
    with pytest.raises(DataError, match=r"no span from 7 to 9\. Choose between 1 and 3"):
        window_files(patterns, Window(0, 7, 9))


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (("day-1/a.csv", "day-01/b.csv"), "day-{SPAN}/*.csv"),
        (("day-1/v2/a.csv", "day-1/v02/b.csv"), "day-{SPAN}/v{VERSION}/*.csv"),
        (("day-1/v1/a.csv", "day-01/v2/b.csv"), "day-{SPAN}/v{VERSION}/*.csv"),
    ],
)
def test_one_span_written_in_two_ways_is_an_error_that_names_both(
    tmp_path: Path, names: tuple[str, str], pattern: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=r"are one span, written .* Rename one") as caught:
        files_of_spans(f"{tmp_path}/{pattern}")
    assert all(f"{tmp_path}/{name}" in str(caught.value) for name in names)


def test_spans_that_are_dates_are_named_by_dates(tmp_path: Path) -> None:
    touch(tmp_path, "2013-01-01.csv", "2013-01-02.csv")
    with pytest.raises(
        DataError, match=r"no span from 2013-02-01 to 2013-02-28\. Choose between 2013-01-01 and 2013-01-02"
    ):
        window_files([f"{tmp_path}/{{YYYY}}-{{MM}}-{{DD}}.csv"], window_of(bounds=("2013-02-01", "2013-02-28")))
    names = [span_file_name(15_706, 0, 1), span_file_name(15_705, 0, 1)]
    assert list(files_by_span(names, dated=True)) == ["2012-12-31", "2013-01-01"]


def test_files_of_a_split_are_grouped_by_the_span_in_their_name() -> None:
    names = [span_file_name(12, 0, 2), span_file_name(12, 1, 2), span_file_name(123456, 0, 1), span_file_name(3, 0, 1)]
    assert names[0] == "span-00012-data_tfrecord-00000-of-00002.gz"
    plain = "gs://b/Split-train/data_tfrecord-00000-of-00001.gz"
    paths = [f"gs://b/span-9-x/Split-train/{name}" for name in names]
    assert files_by_span([*reversed(paths), plain]) == {
        "": [plain],
        "3": [paths[3]],
        "12": paths[:2],
        "123456": [paths[2]],
    }
    assert span_of("span-00012-data") == 12
    assert span_of("x-span-00012-data") is span_of("/span-00012-data/x") is None
