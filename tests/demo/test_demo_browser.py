"""The demo's page in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from demo_processes import until

if os.environ.get("CI") != "true":
    pytest.importorskip("selenium")
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.browser

#: Without these Chromium asks its maker's servers for things while the test runs.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        assert os.environ.get("CI") != "true", "chromium or chromedriver is not installed"
        pytest.skip("chromium or chromedriver is not installed")
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(argument)
    started = Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture
def page(chromium: Chrome, running_demo: str) -> Iterator[Chrome]:
    """The page, just opened. Afterwards its console must be empty: no error, no policy broken."""
    chromium.get(running_demo)
    yield chromium
    assert console_of(chromium) == []


def start(page: Chrome, task: str, **fields: str) -> None:
    form = page.find_element(By.CSS_SELECTOR, f"form[data-task={task}]")
    for name, value in fields.items():
        field = form.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)
    form.find_element(By.TAG_NAME, "button").click()


def finished_row(page: Chrome, number: int = 1) -> WebElement:
    """Wait until the row *number*, from 1 and newest first, is finished."""
    wanted = f".runs .run:nth-child({number})[data-finished]"
    return until(lambda: page.find_elements(By.CSS_SELECTOR, wanted), f"row {number} finished")[0]


def text(row: WebElement, part: str) -> str:
    return row.find_element(By.CLASS_NAME, part).text


def console_of(page: Chrome) -> list[dict[str, Any]]:
    """What the console said since it was last asked."""
    return list(page.get_log("browser"))  # type: ignore[no-untyped-call]


def asked(page: Chrome) -> list[str]:
    """Addresses of every state request so far."""
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    return [address for address in page.execute_script(script) if "/tasks/" in address]


def test_a_click_starts_a_task_and_its_result_appears(page: Chrome) -> None:
    start(page, "multiply", x="6", y="7.5")
    row = finished_row(page)
    assert text(row, "badge") == "SUCCESS"
    assert text(row, "call") == "multiply(6, 7.5)"
    assert text(row, "outcome") == "45"
    assert text(row, "note") == "one@demo"


def test_a_reload_shows_the_same_runs(page: Chrome) -> None:
    start(page, "log", message="first")
    finished_row(page)
    start(page, "log", message="second")
    until(lambda: len(page.find_elements(By.CSS_SELECTOR, ".run[data-finished]")) == 2, "two rows")
    page.refresh()
    outcomes = [text(finished_row(page, number), "outcome") for number in (1, 2)]
    assert outcomes == ['"second"', '"first"']


def test_a_finished_task_is_not_asked_about_again(page: Chrome) -> None:
    start(page, "log", message="once")
    first_id = finished_row(page).get_attribute("data-id")
    before = [address for address in asked(page) if address.endswith(str(first_id))]
    assert before
    for number in range(3):
        start(page, "log", message=str(number))
        finished_row(page)
    after = [address for address in asked(page) if address.endswith(str(first_id))]
    assert after == before


def test_text_from_outside_stays_text(page: Chrome) -> None:
    payload = "<img src=x onerror=alert(1)>'\"{{7*7}}"
    start(page, "log", message=payload)
    assert text(finished_row(page), "call").startswith('log("<img src=x')
    assert page.find_elements(By.CSS_SELECTOR, ".runs img") == []
    page.refresh()
    assert "<img src=x" in text(finished_row(page), "outcome")
    assert page.find_elements(By.CSS_SELECTOR, ".runs img") == []


def test_the_minute_job_s_last_output_appears_without_a_reload(
    page: Chrome, running_demo_celery: Any
) -> None:
    assert "Nothing yet" in page.find_element(By.CSS_SELECTOR, ".minute output").text
    as_beat = {"headers": {"celery_beat_task": True}}
    running_demo_celery.send_task("app.tasks.log", ["log every 1 minutes"], **as_beat)

    def shown() -> bool:
        return page.find_element(By.CSS_SELECTOR, ".minute output").text == "log every 1 minutes"

    until(shown, "the minute job's output")
    assert page.find_element(By.CSS_SELECTOR, ".minute time").text.startswith("at ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_the_page_fits_any_width_and_follows_the_colour_scheme(
    page: Chrome, width: int, scheme: str
) -> None:
    start(page, "log", message="a" * 200)
    finished_row(page)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    colour = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    is_light = sum(page.execute_script(colour)) > 3 * 128
    assert is_light == (scheme == "light")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_refused_start_is_said_on_the_page(page: Chrome) -> None:
    start(page, "calc", n="1e12")
    problem = page.find_element(By.CLASS_NAME, "problem")
    until(lambda: "n: must be a number" in problem.text, "the reason")
    assert page.find_elements(By.CSS_SELECTOR, ".runs .run") == []
    assert len(console_of(page)) == 1  # the browser itself notes every answer of 400
