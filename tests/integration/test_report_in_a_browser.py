"""The report in headless Chromium: it sorts, filters, opens a feature, fits a phone, and logs no error."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.report.render import render
from tests.support.report_facts import HOSTILE, run

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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get(page.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


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
    assert names(opened)[:2] == [HOSTILE, "nothing"]
    assert len(names(opened)) == FIRST
    heading(opened, "Mean").find_element("tag name", "button").send_keys("\n")
    assert names(opened)[0] == f"f{FEATURES - 3}"
    assert heading(opened, "Mean").get_attribute("aria-sort") == "descending"
    heading(opened, "Mean").find_element("tag name", "button").send_keys("\n")
    assert names(opened)[:2] == [HOSTILE, "f0"]
    assert heading(opened, "Mean").get_attribute("aria-sort") == "ascending"
    opened.execute_script("document.getElementById('all').click()")
    assert names(opened)[-1] == "nothing"


def test_a_search_leaves_the_features_that_have_the_word(opened: Any) -> None:
    opened.find_element("id", "search").send_keys("F199")
    assert names(opened) == ["f199", *(f"f{at}" for at in range(1990, 1998))]
    assert opened.find_element("id", "shown").text == f"9 of {FEATURES:,} features"


def test_a_row_opens_by_key_and_draws_raw_and_normalized(opened: Any) -> None:
    button = opened.find_element("css selector", "#table tbody tr[data-at='0'] button")
    button.send_keys("\n")
    assert button.get_attribute("aria-expanded") == "true"
    assert len(opened.find_elements("css selector", "tr.panel .chart svg.main-svg")) >= 2
    assert opened.execute_script("return document.images.length") == 0
    button.send_keys("\n")
    assert opened.find_elements("css selector", "tr.panel") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_of_a_desktop(opened: Any, scheme: str) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"3\"] button').click()")
    kept(opened, f"desktop-{scheme}-top")
    opened.execute_script("document.getElementById('features').scrollIntoView()")
    kept(opened, f"desktop-{scheme}-features")
    background = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in background.strip("rgba()").split(",")[:3]) / 765
    assert lightness > 0.8 if scheme == "light" else lightness < 0.2


def test_a_phone_needs_no_sideways_scroll(opened: Any) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    opened.refresh()
    opened.execute_script("document.querySelector('#table tbody tr[data-at=\"3\"] button').click()")
    kept(opened, "phone-top")
    opened.execute_script("document.getElementById('features').scrollIntoView()")
    kept(opened, "phone-features")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
