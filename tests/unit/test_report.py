"""The report's page, from facts made by hand."""

import base64
import dataclasses
import hashlib
import html
import json
import math
import re
import time
from typing import Any

import pytest
from report_facts import HOSTILE, run

from components.report.facts import RunFacts
from components.report.payload import embedded, json_number
from components.report.render import _part, _plotly, render

PLOTLY_BYTES = 5_000_000  # its bundle, which every page holds


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    table: dict[str, Any] = json.loads(found[1])
    return table


def test_a_run_of_which_nothing_is_known_has_a_page() -> None:
    page = render(RunFacts("empty"))
    assert "<h1>empty</h1>" in page
    assert data_of(page)["features"] == []


def test_markup_in_any_text_stays_text() -> None:
    page = render(run(3))
    assert "<img" not in page.replace(_plotly(), "")
    assert page.count("</script>") == 3  # data, library, and the page's own
    assert page.count("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") > 15
    assert data_of(page)["features"][0]["name"] == HOSTILE


def test_the_page_asks_for_nothing_outside_of_itself_and_runs_nothing_but_its_own_two_scripts() -> None:
    page = render(run(3))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in html.unescape(policy[1]).split("; "))
    assert rules["default-src"] == "'none'"
    scripts = re.findall(r"<script(?: type=\"text/plain\" id=\"plotly\")?>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert sorted(rules["script-src"].split()) == sorted(f"'sha256-{digest}'" for digest in digests)
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


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(RunFacts) if field.name != "title"])
def test_every_part_may_be_absent(part: str) -> None:
    nothing = getattr(RunFacts("x"), part)
    page = render(dataclasses.replace(run(4), **{part: nothing}))
    assert page.endswith("</html>")


def test_what_is_not_there_is_said() -> None:
    page = render(RunFacts("empty"))
    for text in (
        "No evaluation",
        "No training curves",
        "No constants",
        "No check has left a verdict",
        "Not known here",
    ):
        assert text in page


def test_bytes_that_are_no_text_can_be_written() -> None:
    page = render(dataclasses.replace(run(3), title="lone \udc80"))
    assert b"lone \\udc80" in page.encode("utf-8", "backslashreplace")


def test_numbers_that_a_check_compared_are_a_table_of_the_feature() -> None:
    of_f1 = next(f for f in data_of(render(run(5)))["features"] if f["name"] == "f1")
    ((check, headings, rows),) = of_f1["numbers"]
    assert check == "Audit"
    assert headings[:5] == ["", "stated", "tolerance", "statistics gen", "difference"]
    assert [row[:5] for row in rows[:2]] == [["count", "28", "0", "", ""], ["mean", "1.5", "", "1.25", "0.25"]]
    assert of_f1["measured"] == [["Audit", [["ulp", "1"]]]]


def test_a_fault_is_told_with_its_feature() -> None:
    page = render(run(5))
    assert "1 fault" in page
    states = {feature["name"]: feature["state"] for feature in data_of(page)["features"]}
    assert (states["f1"], states["f0"]) == ("bad", "good")


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa_and_lines_of_charts_that_of_graphics(theme: int) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", _part("report.css").split("@media")[theme]))
    for ground in ("paper", "raised"):
        for text in ("ink", "muted", "accent", "good", "warning", "bad"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        for line in ("first", "second"):
            assert contrast(colors[line], colors[ground]) >= 3.0, (line, ground)


def test_2000_features_take_little_time_and_room() -> None:
    render(run(3))  # reads template and library
    started = time.process_time()
    page = render(run(2000))
    assert time.process_time() - started < 5.0
    assert len(data_of(page)["features"]) == 2000
    assert len(page.encode()) < PLOTLY_BYTES + 4_000_000
