"""pipeline.datasets: what is written, what is left out, and what is refused. A source of five flights by hand."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from pipeline import datasets

FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour
2013,1,1,517,515,2,830,819,15,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
2013,1,1,533,529,4,850,830,16,UA,1714,N24211,LGA,IAH,227,1416,5,29,2013-01-01T10:00:00Z
2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z
2013,11,3,2353,2359,-6,418,5,-12,B6,707,N794JB,JFK,SJU,185,1598,23,59,2013-11-04T04:00:00Z
2013,11,3,100,100,0,300,2400,1,B6,708,N794JB,JFK,SJU,185,1598,1,0,2013-11-03T05:00:00Z
"""
WEATHER = """\
origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,2013,1,1,5,39.02,28.04,64.43,260,12.658579999999999,NA,0,1011.9,10,2013-01-01T10:00:00Z
JFK,2013,11,3,1,53.96,37.94,54.51,320,9.20624,NA,0,1009.8,10,2013-11-03T05:00:00Z
JFK,2013,11,3,1,51.98,37.94,58.62,310,6.904679999999999,NA,0,1010.5,10,2013-11-03T06:00:00Z
"""
# By hand: 1 January 2013 was a Tuesday, 3 November 2013 a Sunday; 05:15 is minute 315, 08:19 minute 499.
ROWS = [
    "2013-01-01,1,2,315,499,2,1400,UA,EWR,IAH,1545,N14228,39.02,28.04,64.43,260,12.658579999999999,,0,1011.9,10,0",
    "2013-01-01,1,2,329,510,4,1416,UA,LGA,IAH,1714,N24211,,,,,,,,,,1",
    "2013-11-03,11,7,1439,5,-6,1598,B6,JFK,SJU,707,N794JB,,,,,,,,,,0",
    "2013-11-03,11,7,60,1440,0,1598,B6,JFK,SJU,708,N794JB,53.96,37.94,54.51,320,9.20624,,0,1009.8,10,0",
]
CONTENT = "\n".join([",".join(datasets.COLUMNS), *ROWS, ""]).encode()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder of five flights, and a data set 'tiny' that expects its four usable ones."""
    folder = tmp_path / "source"
    folder.mkdir()
    with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    (folder / "weather.csv").write_text(WEATHER)
    expected = datasets._Expected(4, len(CONTENT), datasets._sha256(CONTENT))
    monkeypatch.setattr(datasets, "_source_folder", lambda: folder)
    monkeypatch.setattr(datasets, "_DATASETS", {"tiny": expected})
    monkeypatch.setattr(datasets, "SOURCE_ROWS", 5)
    monkeypatch.setattr(datasets, "USABLE_ROWS", 4)
    return folder


def test_rows_are_joined_labelled_and_kept_as_the_source_writes_them(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "flights.csv"
    made = datasets.prepare("tiny", target)
    assert target.read_bytes() == CONTENT
    assert (made.rows, made.left_out, made.made) == (4, 1, True)
    assert [path.name for path in target.parent.iterdir()] == ["flights.csv"]  # no temporary file is left


def test_nothing_that_is_known_only_after_departure_is_a_column() -> None:
    assert not {"arr_delay", "arr_time", "air_time", "dep_time"} & set(datasets.COLUMNS)


def test_a_file_that_is_there_is_left_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "flights.csv"
    datasets.prepare("tiny", target)
    before = target.stat().st_mtime_ns
    (source / "flights.csv.zip").unlink()  # the source is not even opened
    assert not datasets.prepare("tiny", target).made
    assert target.stat().st_mtime_ns == before


def test_a_file_with_other_content_is_refused_and_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "flights.csv"
    changed = CONTENT.replace(b"N14228", b"N14229")
    target.write_bytes(changed)
    with pytest.raises(DataError, match=r"is not the bundled data set 'tiny'.*delete it"):
        datasets.prepare("tiny", target)
    assert target.read_bytes() == changed


def test_another_source_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    (source / "weather.csv").write_text(WEATHER.replace("39.02", "39.03"))
    with pytest.raises(DataError, match="must have 4 rows and SHA-256"):
        datasets.prepare("tiny", tmp_path / "new" / "flights.csv")
    assert not (tmp_path / "new").exists()


def test_an_unwritable_folder_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Cannot write .*flights.csv"):
        datasets.prepare("tiny", tmp_path / "file" / "flights.csv")


def test_an_unknown_data_set_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'fligths'; there are: flights, flights_small"):
        datasets.prepare("fligths", tmp_path / "x.csv")


def test_a_missing_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tfx-norm\[flights\]'"):
        datasets.prepare("flights", tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("total", "count", "taken"), [(10, 5, [0, 2, 4, 6, 8]), (7, 3, [0, 2, 4]), (4, 4, [0, 1, 2, 3])]
)
def test_a_slice_is_spread_evenly(total: int, count: int, taken: list[int]) -> None:
    assert [i for i, chosen in enumerate(datasets.evenly(total, count)) if chosen] == taken


def test_a_value_with_a_comma_is_quoted_and_comes_back() -> None:
    row = ("a,b", *[""] * (len(datasets.COLUMNS) - 1))
    assert list(csv.reader(io.StringIO(datasets.as_csv([row]).decode())))[1] == list(row)
