"""The report in headless Chromium: it sorts, filters, opens a feature, fits a phone, and logs no error."""

import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_facts import HOSTILE, run

from components.report.render import render
from components.verdict import Finding, Verdict

SCREENSHOTS = Path(__file__).parents[2] / "build" / "report-screenshots"
FEATURES = 2000
FIRST = 100  # rows that the page shows before it is asked for all

pytest.importorskip("selenium", reason="selenium is not installed")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("no chromium and chromedriver on PATH", allow_module_level=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(run(FEATURES)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    assert {url.partition(":")[0] for url in requested(browser)} <= {"file", "data"}


def requested(browser: Any) -> list[str]:
    """Addresses of everything that the browser asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def names(browser: Any) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('#table tbody tr[data-at] th')].map(c => c.innerText)"
    )


def heading(browser: Any, title: str) -> Any:
    return browser.find_element("xpath", f"//table[@id='table']/thead//th[button[text()='{title}']]")


def kept(browser: Any, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def test_a_number_sorts_from_the_largest_then_from_the_smallest_and_nan_last(opened: Any) -> None:
    assert names(opened)[:3] == [HOSTILE, "words", "nothing"]
    assert len(names(opened)) == FIRST
    heading(opened, "Mean").find_element("tag name", "button").send_keys("\n")
    assert names(opened)[0] == f"f{FEATURES - 4}"
    assert heading(opened, "Mean").get_attribute("aria-sort") == "descending"
    heading(opened, "Mean").find_element("tag name", "button").send_keys("\n")
    assert names(opened)[:2] == [HOSTILE, "f0"]
    assert heading(opened, "Mean").get_attribute("aria-sort") == "ascending"
    opened.execute_script("document.getElementById('all').click()")
    assert len(names(opened)) == FEATURES
    assert sorted(names(opened)[-2:]) == ["nothing", "words"]


def test_a_search_leaves_the_features_that_have_the_word(opened: Any) -> None:
    opened.find_element("id", "search").send_keys("F199")
    assert names(opened) == ["f199", *(f"f{at}" for at in range(1990, 1997))]
    assert opened.find_element("id", "shown").text == f"8 of {FEATURES:,} features"


def test_a_row_opens_by_key_and_draws_raw_and_normalized(opened: Any) -> None:
    button = opened.find_element("css selector", "#table tbody tr[data-at='0'] button")
    button.send_keys("\n")
    assert button.get_attribute("aria-expanded") == "true"
    assert len(opened.find_elements("css selector", "tr.panel .chart svg.main-svg")) >= 2
    assert HOSTILE in opened.find_element("css selector", "tr.panel").text
    assert opened.execute_script("return document.images.length") == 0
    button.send_keys("\n")
    assert opened.find_elements("css selector", "tr.panel") == []


def test_what_the_audit_compared_is_a_table_of_the_feature(opened: Any) -> None:
    button = opened.find_element("css selector", "#table tbody tr[data-at='4'] button")
    button.send_keys("\n")
    table = opened.find_element("css selector", "tr.panel [aria-label='Audit: numbers compared'] table")
    cells = [row.text.split() for row in table.find_elements("css selector", "tbody > tr")]
    button.send_keys("\n")
    assert cells[:2] == [["count", "28", "0"], ["mean", "1.5", "1.25", "0.25", *HOSTILE.split()]]


def test_a_word_that_is_markup_is_drawn_as_it_is(opened: Any) -> None:
    opened.find_element("css selector", "#table tbody tr[data-at='1'] button").send_keys("\n")
    chart = opened.find_element("css selector", "tr.panel .chart")
    ticks = [tick.text for tick in chart.find_elements("css selector", ".xtick text")]
    assert ticks == ["</script><img…"[:13] + "…", "<b>bold</b>", "(empty)"]
    assert "<b>bold</b> 4" in chart.get_attribute("aria-label")
    assert opened.execute_script("return document.images.length") == 0


def test_a_filter_by_role_and_state(opened: Any) -> None:
    opened.find_element("xpath", "//select[@id='role']/option[text()='category']").click()
    assert names(opened) == ["words"]
    opened.find_element("xpath", "//select[@id='role']/option[text()='all']").click()
    opened.find_element("xpath", "//select[@id='state']/option[text()='faults']").click()
    assert names(opened) == ["f1"]


def test_2000_features_are_sorted_and_searched_in_an_instant(opened: Any) -> None:
    measure = """
      const timed = (act) => {
        const start = performance.now();
        act();
        document.body.offsetHeight;  // lays the page out
        return performance.now() - start;
      };
      const box = document.getElementById("search");
      const search = (text) => timed(() => {
        box.value = text;
        box.dispatchEvent(new Event("input"));
      });
      const mean = document.querySelectorAll("#table thead button")[4];
      return { sort: timed(() => mean.click()), search: search("f1"), clear: search("") };
    """
    taken = opened.execute_script(measure)
    print(taken)
    assert max(taken.values()) < 500  # milliseconds, with room for a busy machine


def test_headings_skip_no_level_and_no_two_landmarks_have_one_name(opened: Any) -> None:
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"3\"] button').click()")
    levels = opened.execute_script("return [...document.querySelectorAll('h1,h2,h3,h4,h5')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and 3 in levels
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    named = opened.execute_script(
        "return [...document.querySelectorAll('section, nav, [role=region]')]"
        ".map(e => e.getAttribute('aria-labelledby') || e.getAttribute('aria-label'))"
    )
    assert len(named) > 5 and len(set(named)) == len(named)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_of_a_desktop(opened: Any, scheme: str) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"3\"] button').click()")
    kept(opened, f"desktop-{scheme}-top")
    opened.execute_script("document.getElementById('features').scrollIntoView({behavior: 'instant'})")
    kept(opened, f"desktop-{scheme}-features")
    background = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in background.strip("rgba()").split(",")[:3]) / 765
    assert lightness > 0.8 if scheme == "light" else lightness < 0.2


def test_a_phone_needs_no_sideways_scroll(opened: Any) -> None:
    on_a_phone(opened)
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"3\"] button').click()")
    kept(opened, "phone-top")
    opened.execute_script("document.getElementById('features').scrollIntoView({behavior: 'instant'})")
    kept(opened, "phone-features")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 390


def test_a_phone_shows_the_numbers_compared_word_by_word(opened: Any) -> None:
    on_a_phone(opened)
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"4\"] button').click()")
    place = opened.find_element("css selector", "tr.panel [aria-label='Audit: numbers compared']")
    opened.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", place)
    kept(opened, "phone-numbers-compared")
    names = place.find_elements("css selector", "tbody th")
    lines = "const r = document.createRange(); r.selectNodeContents(arguments[0]);"
    lines += "return new Set([...r.getClientRects()].map(b => Math.round(b.top))).size"
    assert [opened.execute_script(lines, name) for name in names[:2]] == [1, 1]
    hint = opened.execute_script("return getComputedStyle(arguments[0]).backgroundAttachment", place)
    assert "local" in hint  # the shadow at the edge behind which there is more


def test_many_findings_are_folded_so_that_the_features_are_near(browser: Any, tmp_path: Path) -> None:
    facts = run(FEATURES)
    faults = tuple(Finding("drifted", f"its mean{at} moved by 1.5 sigma", f"f{at}") for at in range(150))
    rest = tuple(Finding("other", "its sigma went from 1 to 2", f"f{at}") for at in range(161))
    verdict = Verdict("drift", (), (*faults, *rest))
    path = tmp_path / "report.html"
    path.write_text(render(dataclasses.replace(facts, checks=(*facts.checks, verdict))), encoding="utf-8")
    browser.get(path.as_uri())
    on_a_phone(browser)
    kept(browser, "phone-many-findings")
    assert len(browser.find_elements("css selector", ".findings tbody tr")) == 20
    folded = browser.find_elements("css selector", "details.folded summary")
    assert [each.text for each in folded] == ["Drift: drifted, 132 more", "Drift: other, 48 more"]
    features = browser.execute_script("return document.getElementById('features').getBoundingClientRect().top")
    print(f"features begin {features / 844:.1f} phone screens down")
    assert features < 8 * 844


def on_a_phone(browser: Any) -> None:
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.refresh()
