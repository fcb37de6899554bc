"""The report's page, from facts made by hand."""

import json
import math
import re
import time

import pytest

from components.report.facts import RunFacts
from components.report.payload import embedded, json_number
from components.report.render import render
from tests.support.report_facts import HOSTILE, run

PLOTLY_BYTES = 5_000_000  # its bundle, which every page holds


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_run_of_which_nothing_is_known_has_a_page() -> None:
    page = render(RunFacts("empty"))
    assert "<h1>empty</h1>" in page
    assert data_of(page)["features"] == []


def test_a_name_that_is_markup_stays_text() -> None:
    page = render(run(3))
    assert "<img src=x" not in page
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert data_of(page)["features"][0]["name"] == HOSTILE


def test_the_page_asks_for_nothing_outside_of_itself() -> None:
    page = render(run(3))
    assert "default-src 'none'" in page
    assert re.findall(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?!data:|#)', page) == []


def test_embedded_json_has_no_character_of_html_and_reads_back() -> None:
    value = {"a": "</script>&\u2028\u2029"}
    text = embedded(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
    with pytest.raises(ValueError):
        embedded(math.nan)


@pytest.mark.parametrize(("value", "text"), [(math.nan, "NaN"), (math.inf, "∞"), (-math.inf, "−∞"), (0.5, 0.5)])
def test_numbers_that_json_lacks_become_texts(value: float, text: object) -> None:
    assert json_number(value) == text


def test_a_fault_is_told_with_its_feature() -> None:
    page = render(run(4))
    assert "1 fault" in page
    states = {feature["name"]: feature["state"] for feature in data_of(page)["features"]}
    assert (states["f1"], states["f0"]) == ("bad", "good")


def test_2000_features_take_little_time_and_room() -> None:
    render(run(3))  # reads template and library
    started = time.process_time()
    page = render(run(2000))
    assert time.process_time() - started < 5.0
    assert len(data_of(page)["features"]) == 2000
    assert len(page.encode()) < PLOTLY_BYTES + 4_000_000
