"""The demo's page in a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chromium_browser import console_of, reset_screen, set_screen
from demo_processes import until

if os.environ.get("CI") != "true":
    pytest.importorskip("selenium")
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Chrome, running_demo: str) -> Iterator[Chrome]:
    """The page, opened by a new visitor. Afterwards its console must be empty: no error, no policy
    broken."""
    chromium.get(running_demo)
    chromium.delete_all_cookies()
    chromium.refresh()
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


def asked(page: Chrome) -> list[str]:
    """Addresses of every request about tasks so far."""
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    return [address for address in page.execute_script(script) if "/tasks/" in address]


def test_a_click_starts_a_task_and_its_result_appears(page: Chrome) -> None:
    start(page, "multiply", x="6", y="7.5")
    row = finished_row(page)
    assert text(row, "badge") == "SUCCESS"
    assert text(row, "call") == "multiply(6, 7.5)"
    assert text(row, "outcome") == "45"
    until(lambda: text(row, "note") == "one@demo", "the worker's name")


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
    row = finished_row(page)
    first_id = row.get_attribute("data-id")
    # That is asked for when it has ended; the browser lists a request when its page has the answer.
    until(lambda: text(row, "note") == "one@demo", "the worker's name")

    def asked_about_first() -> list[str]:
        return [address for address in asked(page) if address.endswith(str(first_id))]

    until(asked_about_first, "the first request")
    time.sleep(0.5)
    before = asked_about_first()
    for number in range(3):
        start(page, "log", message=str(number))
        finished_row(page)
    assert asked_about_first() == before


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
    set_screen(page, width, color_scheme=scheme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    colour = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    is_light = sum(page.execute_script(colour)) > 3 * 128
    assert is_light == (scheme == "light")
    reset_screen(page)


def test_a_refused_start_is_said_on_the_page(page: Chrome) -> None:
    start(page, "calc", n="1e12")
    problem = page.find_element(By.CLASS_NAME, "problem")
    until(lambda: "n: Input should be less than or equal to 1000000000" in problem.text, "reason")
    assert page.find_elements(By.CSS_SELECTOR, ".runs .run") == []
    assert len(console_of(page)) == 1  # the browser itself notes every answer of 422


def report(page: Chrome, part: str) -> str:
    """What a part of the element that shows the report says; nothing where it is hidden."""
    script = """
        const element = document.querySelector("celeriac-progress");
        const part = element?.shadowRoot.querySelector(`[part=${arguments[0]}]`);
        return part && !part.hidden ? part.innerText : "";
    """
    return str(page.execute_script(script, part))


def press_cancel(page: Chrome) -> None:
    page.execute_script(
        "document.querySelector('celeriac-progress').shadowRoot"
        ".querySelector('[part=cancel]').click()"
    )


def test_a_report_shows_how_far_it_is_and_its_result(page: Chrome) -> None:
    start(page, "render_report", pages="10", seconds="3")
    until(lambda: report(page, "message") == "Rendering pages", "progress")
    until(lambda: report(page, "figure") in ("20%", "30%", "40%", "50%"), "the share")
    row = page.find_element(By.CSS_SELECTOR, ".runs .run")
    assert text(row, "badge") == "PROGRESS"
    until(lambda: report(page, "message") == "Done", "the end")
    assert report(page, "outcome") == "a report of 10 pages"
    assert text(finished_row(page), "badge") == "SUCCESS"
    until(lambda: text(row, "note") == "one@demo", "the worker's name")
    assert any(address.endswith("/events") for address in asked(page))


def test_a_report_that_is_cancelled_ends_early(page: Chrome) -> None:
    start(page, "render_report", pages="500", seconds="60")
    until(lambda: report(page, "figure") not in ("", "0%"), "progress")
    press_cancel(page)
    until(lambda: report(page, "message") == "Cancelled", "the end", within_s=15)
    assert text(finished_row(page), "badge") == "REVOKED"


def test_a_reload_goes_on_showing_a_report(page: Chrome) -> None:
    start(page, "render_report", pages="40", seconds="6")
    until(lambda: report(page, "figure") not in ("", "0%"), "progress")
    page.refresh()
    until(lambda: report(page, "message") == "Rendering pages", "progress after the reload")
    until(lambda: report(page, "outcome") == "a report of 40 pages", "the result")


def test_another_visitor_does_not_see_the_run(page: Chrome) -> None:
    start(page, "multiply", x="6", y="7")
    url = finished_row(page).get_attribute("data-url")
    ask = "return fetch(arguments[0]).then((answer) => answer.status)"
    assert page.execute_script(ask, url) == 200
    page.delete_all_cookies()
    page.refresh()
    assert page.find_elements(By.CSS_SELECTOR, ".runs .run") == []
    assert page.execute_script(ask, url) == 404
    assert len(console_of(page)) == 1  # the browser itself notes every answer of 404
