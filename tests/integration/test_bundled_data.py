"""The bundled files from the real package, against pandas' own join and what the package documents."""

import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline import datasets


def test_all_usable_flights_are_there_and_agree_with_pandas(tmp_path: Path) -> None:
    made = datasets.prepare("flights", tmp_path / "flights.csv")
    assert (made.rows, made.left_out) == (327_346, 336_776 - 327_346)
    ours = pd.read_csv(tmp_path / "flights.csv", keep_default_na=False, na_values=[""])
    folder = datasets._source_folder()
    key = ["origin", "year", "month", "day", "hour"]
    flights = pd.read_csv(folder / "flights.csv.zip").dropna(subset=["arr_delay"])
    weather = pd.read_csv(folder / "weather.csv").drop_duplicates(key)
    theirs = flights.merge(weather.drop(columns="time_hour"), on=key, how="left")
    assert ours.late.sum() == (theirs.arr_delay > 15).sum()
    for column in ("dep_delay", "distance", "flight", "tailnum", *datasets.WEATHER):
        pd.testing.assert_series_equal(ours[column], theirs[column], check_dtype=False)
    weekday = pd.to_datetime(theirs[["year", "month", "day"]]).dt.dayofweek + 1
    assert (ours.day_of_week == weekday).all()


def test_the_small_slice_covers_every_month_and_the_second_time_is_free(tmp_path: Path) -> None:
    datasets.prepare("flights_small", tmp_path / "flights.csv")
    ours = pd.read_csv(tmp_path / "flights.csv")
    assert len(ours) == 20_000
    assert ours.month.value_counts().reindex(range(1, 13)).between(1_400, 1_800).all()
    assert ours.late.mean() == pytest.approx(0.237, abs=0.01)  # the share in all usable flights
    started = time.monotonic()
    assert not datasets.prepare("flights_small", tmp_path / "flights.csv").made
    assert time.monotonic() - started < 1
