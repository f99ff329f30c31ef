"""`<celeriac-progress>` in a real browser, under a policy without any exception."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_api import SRC, FakeApi

from chromium_browser import console_of, reset_screen, set_screen

pytestmark = pytest.mark.browser

ELEMENT = f'<celeriac-progress src="{SRC}" label="Report" cancellable></celeriac-progress>'
OTHER = "/tasks/7d6a3f0e-5b8f-4f67-8a1c-3d2b9c0e4f22"
PAYLOAD = "<img src=x onerror=alert(1)>"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi()
    yield made
    made.close()


class Page:
    """The page with the element, as a person meets it."""

    def __init__(self, chromium: Any, api: FakeApi) -> None:
        self.chromium, self.api = chromium, api

    def open(self, *elements: str, **options: Any) -> None:
        self.chromium.get(self.api.page(*(elements or (ELEMENT,)), **options))

    def run(self, script: str) -> Any:
        """Run *script*, in which `element` is the first one, and `part(name)` a part of it."""
        return self.chromium.execute_script(
            "const element = document.querySelector('celeriac-progress');"
            "const part = (name) => element.shadowRoot.querySelector(`[part=${name}]`);"
            f"{script}"
        )

    def text(self, part: str) -> str:
        """What a part shows; nothing where it is hidden."""
        shown: str = self.run(f"return part('{part}').hidden ? '' : part('{part}').innerText")
        return shown

    def shows(self, **parts: str) -> Callable[[], bool]:
        return lambda: all(self.text(part) == text for part, text in parts.items())

    def value(self) -> str | None:
        value: str | None = self.run("return part('bar').getAttribute('aria-valuenow')")
        return value

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """Details of the events of *kind* that have reached the document."""
        return [detail for name, detail in self.run("return heard") if name == kind]

    def hide(self, is_hidden: bool) -> None:
        self.run(
            "Object.defineProperty(document, 'hidden',"
            f" {{ configurable: true, get: () => {str(is_hidden).lower()} }});"
            "document.dispatchEvent(new Event('visibilitychange'));"
        )


@pytest.fixture
def page(chromium: Any, api: FakeApi) -> Iterator[Page]:
    """Afterwards no policy must have been broken, and the console must be empty but for answers."""
    console_of(chromium)
    opened = Page(chromium, api)
    yield opened
    reset_screen(chromium)
    assert chromium.execute_script("return window.violations") == []
    said = [line["message"] for line in console_of(chromium)]
    assert [line for line in said if "Failed to load resource" not in line] == []
    chromium.get("about:blank")


def test_progress_is_shown_as_it_arrives(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open()
    wait_until(page.shows(label="Report", message="Waiting to start", figure="", time=""))
    assert page.value() is None
    api.enter("STARTED")
    wait_until(page.shows(message="Running"))
    api.progress(3, 10, message="Page 3", eta_s=4.7)
    wait_until(page.shows(message="Page 3", figure="30%", time="about 5 seconds left"))
    assert page.value() == "30"
    width = "return part('fill').offsetWidth / part('bar').offsetWidth"
    wait_until(lambda: 0.29 < page.run(width) < 0.31)
    last = page.heard("celeriac:progress")[-1]
    assert (last["id"], last["progress"]["current"]) == (api.status["id"], 3)


def test_a_number_without_a_total_is_shown_and_the_bar_is_indeterminate(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.progress(1234)
    page.open()
    wait_until(page.shows(message="Running", figure="1,234"))
    assert page.value() is None
    assert page.run("return getComputedStyle(part('fill')).animationName") == "pass"


@pytest.mark.parametrize(
    ("eta_s", "shown"),
    [
        (0.2, "about 1 second left"),
        (31, "about 35 seconds left"),
        (70, "about 2 minutes left"),
        (7300, "about 2 hours left"),
        (0, ""),
        (None, ""),
    ],
)
def test_the_time_left_is_said_in_words(
    page: Page, api: FakeApi, wait_until: Callable[..., None], eta_s: float | None, shown: str
) -> None:
    api.progress(1, 2, eta_s=eta_s)
    page.open()
    wait_until(page.shows(figure="50%", time=shown))


@pytest.mark.parametrize(
    ("result", "shown"),
    [("42 pages", "42 pages"), ({"pages": 42}, '{"pages":42}'), (None, ""), (PAYLOAD, PAYLOAD)],
)
def test_the_result_is_shown_and_nothing_stays_open(
    page: Page, api: FakeApi, wait_until: Callable[..., None], result: Any, shown: str
) -> None:
    page.open()
    wait_until(lambda: api.open_streams == 1)
    api.end("SUCCESS", result=result)
    wait_until(page.shows(message="Done", figure="100%", outcome=shown, cancel=""))
    assert page.run("return element.getAttribute('state')") == "SUCCESS"
    assert page.run("return element.shadowRoot.querySelector('img')") is None
    assert [detail["result"] for detail in page.heard("celeriac:end")] == [result]
    wait_until(lambda: api.open_streams == 0)


def test_a_task_that_has_ended_before_is_asked_about_once(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.end("SUCCESS", result=1)
    page.open()
    wait_until(page.shows(message="Done", outcome="1"))
    assert [asked.method for asked in api.asked] == ["GET"]


def test_a_failure_is_shown_as_text(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.progress(1, 4)
    page.open()
    api.end("FAILURE", error={"type": "ValueError", "message": PAYLOAD})
    wait_until(page.shows(message="Failed", figure="25%", outcome=f"ValueError: {PAYLOAD}"))
    assert page.run("return element.shadowRoot.querySelector('img')") is None


def test_a_long_result_is_cut_and_told_whole(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.end("SUCCESS", result="a" * 1_000_000)
    page.open()
    wait_until(page.shows(outcome="a" * 1000 + "…"))
    assert len(page.heard("celeriac:end")[0]["result"]) == 1_000_000


def test_the_button_cancels_and_says_so_until_the_task_has_ended(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.progress(1, 10, message="Page 1")
    page.open()
    wait_until(page.shows(cancel="Cancel"))
    page.run("part('cancel').focus(); part('cancel').click(); part('cancel').click()")
    wait_until(page.shows(message="Cancelling…", cancel="Cancel"))
    assert page.run("return part('cancel').getAttribute('aria-disabled')") == "true"
    wait_until(lambda: len(api.requests("DELETE")) == 1)
    headers = api.requests("DELETE")[0].headers
    assert headers["Sec-Fetch-Site"] == "same-origin"
    assert headers["Cookie"] == "visitor=one"
    api.progress(2, 10, message="Page 2")
    wait_until(page.shows(figure="20%", message="Cancelling…", cancel="Cancel"))
    api.end("REVOKED", error={"type": "TaskRevokedError", "message": "cancelled by one"})
    wait_until(page.shows(message="Cancelled", outcome="", cancel=""))
    assert len(api.requests("DELETE")) == 1
    # The button that had the focus is gone: it stays in the element.
    assert page.run("return element.shadowRoot.activeElement === part('message')")


def test_a_cancellation_by_somebody_else_is_shown_with_its_reason(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    wish = {"at": "2026-01-01T00:00:00.000Z", "reason": "too expensive", "by": "7"}
    api.status.update(cancellation=wish)
    page.open()
    wait_until(page.shows(message="Cancelling…"))
    api.end("REVOKED", error={"type": "TaskRevokedError", "message": "cancelled by 7"})
    wait_until(page.shows(message="Cancelled", outcome="too expensive"))


def test_a_cancellation_that_is_refused_can_be_tried_again(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.cancel_refusal = 503
    page.open()
    wait_until(page.shows(cancel="Cancel"))
    page.run("part('cancel').click()")
    wait_until(page.shows(notice="It could not be cancelled. Try again.", cancel="Cancel"))
    api.cancel_refusal = 0
    page.run("part('cancel').click()")
    wait_until(page.shows(notice="", message="Cancelling…"))


def test_there_is_no_button_unless_it_is_asked_for(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open(f'<celeriac-progress src="{SRC}"></celeriac-progress>')
    wait_until(page.shows(message="Waiting to start", cancel="", label=""))


def test_where_the_stream_is_refused_the_status_is_asked_for(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.stream_refusal = 503
    page.open()
    wait_until(lambda: len(api.requests("GET")) >= 3)
    first, *later = api.requests("GET")
    assert "If-None-Match" not in first.headers
    assert all("If-None-Match" in asked.headers for asked in later)
    api.progress(1, 2, message="Half")
    wait_until(page.shows(message="Half", figure="50%"))
    api.end("SUCCESS", result="all")
    wait_until(page.shows(message="Done", outcome="all"))
    assert len(api.requests("GET", f"{SRC}/events")) == 1


def test_polling_waits_as_long_as_the_server_says(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.stream_refusal, api.retry_after = 503, "2"
    page.open()
    wait_until(lambda: len(api.requests("GET")) == 2)
    began_s = time.monotonic()
    wait_until(lambda: len(api.requests("GET")) == 3)
    assert time.monotonic() - began_s > 1.8


def test_a_server_that_does_not_answer_is_asked_again(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.refusal = 503
    page.open()
    wait_until(page.shows(notice="The server does not answer. Trying again…"))
    api.refusal = 0
    wait_until(page.shows(notice="", message="Waiting to start"))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (403, "You may not see this task."),
        (404, "There is no such task."),
        (410, "The result is kept no longer."),
    ],
)
def test_a_refusal_is_a_plain_sentence_and_the_end_of_it(
    page: Page, api: FakeApi, wait_until: Callable[..., None], code: int, sentence: str
) -> None:
    api.refusal = code
    page.open()
    wait_until(page.shows(message=sentence, cancel="", notice="", label="Report"))
    assert page.run("return part('bar').hidden")
    assert len(api.asked) == 1


def test_a_stream_that_breaks_off_goes_on_where_it_was(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.enter("STARTED")
    api.progress(1, 10)
    page.open()
    wait_until(page.shows(figure="10%"))
    api.cut()
    wait_until(lambda: len(api.requests("GET", f"{SRC}/events")) == 2)
    first, second = api.requests("GET", f"{SRC}/events")
    assert "Last-Event-Id" not in first.headers
    assert second.headers["Last-Event-Id"] == "2"
    api.progress(9, 10)
    wait_until(page.shows(figure="90%"))


def test_what_a_stream_repeats_at_its_start_is_drawn_once(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    for number in range(1, 201):
        api.progress(number, 400)
    page.open()
    wait_until(lambda: api.open_streams == 1)
    api.progress(201, 400)
    wait_until(page.shows(figure="50%"))
    last = "return element.status.progress.current"
    wait_until(lambda: page.run(last) == 201)
    assert len(page.heard("celeriac:progress")) < 20


@pytest.mark.slow
def test_a_stream_that_is_held_back_is_no_obstacle(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.is_buffered = True
    page.open()
    wait_until(lambda: api.open_streams == 1)
    api.end("SUCCESS", result="late")
    wait_until(page.shows(message="Done", outcome="late"), timeout_s=25)


def test_a_page_that_nobody_sees_holds_no_stream(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.progress(1, 10)
    page.open()
    wait_until(lambda: page.text("figure") == "10%" and api.open_streams == 1)
    page.hide(True)
    wait_until(lambda: api.open_streams == 0)
    page.hide(False)
    wait_until(lambda: api.open_streams == 1)
    api.progress(2, 10)
    wait_until(page.shows(figure="20%"))


def test_an_element_that_is_taken_out_stops_and_one_that_is_put_back_goes_on(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open()
    wait_until(lambda: api.open_streams == 1)
    page.run("window.kept = element; element.remove()")
    wait_until(lambda: api.open_streams == 0)
    page.run("document.body.append(kept)")
    wait_until(lambda: api.open_streams == 1)
    api.progress(1, 2)
    wait_until(page.shows(figure="50%"))


def test_another_src_is_another_task(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open()
    wait_until(page.shows(message="Waiting to start"))
    page.run(f"element.setAttribute('src', '{OTHER}')")
    wait_until(lambda: bool(api.requests("GET", f"{OTHER}/events")))
    wait_until(lambda: api.open_streams == 1)


def test_many_elements_hold_two_streams_and_all_arrive(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open(*[ELEMENT] * 8)
    wait_until(lambda: api.open_streams == 2)
    page.run("part('cancel').click()")
    wait_until(lambda: len(api.requests("DELETE")) == 1)
    api.end("SUCCESS", result=1)
    wait_until(lambda: len(page.heard("celeriac:end")) == 8)
    assert len(api.requests("GET", f"{SRC}/events")) == 2


def test_the_bar_and_its_button_have_names_and_values_for_who_can_not_see(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    api.progress(3, 10, message="Page 3")
    page.open()
    wait_until(page.shows(figure="30%"))
    tree = page.chromium.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    found = {node["role"]["value"]: node for node in tree if not node["ignored"]}
    bar = found["progressbar"]
    assert bar["name"]["value"] == "Report"
    assert float(bar["value"]["value"]) == 30
    limits = {each["name"]: each["value"].get("value") for each in bar["properties"]}
    assert (limits["valuemin"], limits["valuemax"]) == (0, 100)
    assert found["button"]["name"]["value"] == "Cancel"
    status = {each["name"]: each["value"].get("value") for each in found["status"]["properties"]}
    assert status["live"] == "polite"


def test_the_live_region_speaks_now_and_then_and_at_the_end(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open()
    wait_until(page.shows(message="Waiting to start"))
    page.run(
        "const region = element.shadowRoot.querySelector('[aria-live=polite]');"
        "window.spoken = [region.textContent];"
        "new MutationObserver(() => spoken.push(region.textContent))"
        ".observe(region, { childList: true });"
    )
    for number in range(1, 31):
        api.progress(number, 40, message=f"Page {number}")
        wait_until(page.shows(message=f"Page {number}"))
    assert len(page.run("return spoken")) <= 3
    api.end("SUCCESS", result="40 pages")
    wait_until(page.shows(message="Done"))
    spoken = page.run("return spoken")
    assert spoken[0] == "Report, Waiting to start"
    assert spoken[-1] == "Report, 100%, Done, 40 pages"


def test_the_button_can_be_seen_to_have_the_focus(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    from selenium.webdriver import ActionChains, Keys

    page.open()
    wait_until(page.shows(cancel="Cancel"))
    ActionChains(page.chromium).send_keys(Keys.TAB).perform()
    assert page.run("return element.shadowRoot.activeElement === part('cancel')")
    assert page.run("return getComputedStyle(part('cancel')).outlineStyle") == "solid"
    ActionChains(page.chromium).send_keys(Keys.ENTER).perform()
    wait_until(page.shows(message="Cancelling…"))


def test_reduced_motion_is_honoured(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    set_screen(page.chromium, 800, reduced_motion="reduce")
    api.enter("STARTED")
    page.open()
    wait_until(page.shows(message="Running"))
    assert page.run("return getComputedStyle(part('fill')).animationName") == "none"
    assert page.run("return getComputedStyle(part('fill')).transitionDuration") == "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_it_fits_any_width_and_follows_the_colour_scheme(
    page: Page, api: FakeApi, wait_until: Callable[..., None], width: int, scheme: str
) -> None:
    set_screen(page.chromium, width, color_scheme=scheme)
    api.progress(3, 10, message="a" * 200, eta_s=3000)
    page.open(ELEMENT, ELEMENT.replace("Report", "b" * 200))
    wait_until(page.shows(figure="30%", time="about 50 minutes left"))
    assert page.run("return document.documentElement.scrollWidth") <= width
    colour = "return getComputedStyle(part('time')).color.match(/\\d+/g).map(Number)"
    assert (sum(page.run(colour)) < 3 * 128) == (scheme == "light")


def test_an_application_may_change_texts_and_colours(
    page: Page, api: FakeApi, wait_until: Callable[..., None]
) -> None:
    page.open()
    wait_until(page.shows(message="Waiting to start"))
    page.run(
        "document.documentElement.lang = 'de';"
        "Object.assign(customElements.get('celeriac-progress').texts,"
        " { left: 'noch etwa {time}', cancel: 'Abbrechen' });"
        "document.documentElement.style.setProperty('--celeriac-accent', 'rgb(1, 2, 3)');"
    )
    api.progress(1234.5, 5000, eta_s=20)
    wait_until(page.shows(time="noch etwa 20 Sekunden", cancel="Abbrechen"))
    assert page.text("figure").replace("\u00a0", " ") == "24 %"
    fill = "return getComputedStyle(part('fill')).backgroundColor"
    assert page.run(fill) == "rgb(1, 2, 3)"


def test_without_the_script_the_link_inside_is_there(page: Page, api: FakeApi) -> None:
    inside = f'<a href="{SRC}">Report</a>'
    page.open(f'<celeriac-progress src="{SRC}">{inside}</celeriac-progress>', has_script=False)
    assert page.run("return element.querySelector('a').checkVisibility()")
    page.open(f'<celeriac-progress src="{SRC}">{inside}</celeriac-progress>')
    assert not page.run("return element.querySelector('a').offsetWidth")
