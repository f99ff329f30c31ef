"""The demo's page, as a reader without JavaScript has it."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from demo_processes import DEMO, RUN_SH, Processes, broker, free_port, until


def form_action(page: str, task: str) -> str:
    found = re.search(rf'data-task="{task}" action="([^"]*)"', page)
    assert found, page
    return unescape(found[1])


@pytest.fixture
def visitor() -> Iterator[requests.Session]:
    """A browser without JavaScript, which keeps its cookies."""
    with requests.Session() as session:
        yield session


def row_of(page: str, task: str) -> str | None:
    """The first finished row of *task*."""
    for row in re.findall(r'<li class="run" data-id="[^"]+".*?</li>', page, re.DOTALL):
        if f'class="call">{task}(' in row and "data-finished" in row:
            return unescape(row)
    return None


def test_the_forms_work_without_javascript_and_the_cookie_keeps_what_was_started(
    running_demo: str, visitor: requests.Session
) -> None:
    page = visitor.get(running_demo, timeout=20)
    assert "Nothing yet. Start a task above" in page.text
    sent = {
        "log": {"message": "<b>hi</b>"},
        "multiply": {"x": "2.5", "y": "4"},
        "render_report": {"pages": "2", "seconds": "0"},
    }
    for task, fields in sent.items():
        address = running_demo + form_action(page.text, task)
        answer = visitor.post(address, data=fields, timeout=20, allow_redirects=False)
        assert answer.status_code == 303
        page = visitor.get(running_demo + answer.headers["Location"], timeout=20)
    rows = {
        task: until(lambda task=task: row_of(visitor.get(page.url, timeout=20).text, task), task)
        for task in sent
    }
    assert "SUCCESS" in rows["multiply"]
    assert "multiply(2.5, 4)" in rows["multiply"]
    assert ">10.0<" in rows["multiply"]
    assert "render_report(2, 0)" in rows["render_report"]
    assert '<noscript>"a report of 2 pages"</noscript>' in rows["render_report"]
    assert "<b>hi</b>" not in visitor.get(page.url, timeout=20).text
    assert "Nothing yet. Start a task above" in requests.get(running_demo, timeout=20).text


def test_a_wrong_field_is_said_on_the_page_and_nothing_is_started(running_demo: str) -> None:
    answer = requests.post(
        f"{running_demo}/start/multiply", data={"x": "six", "y": "7"}, timeout=20
    )
    assert answer.status_code == 400
    assert "multiply: x: Input should be a valid number" in answer.text
    assert requests.post(f"{running_demo}/start/rm", timeout=20).status_code == 404


def test_a_visitor_learns_which_worker_ran_their_task_and_nobody_else_does(
    running_demo: str, visitor: requests.Session
) -> None:
    visitor.get(running_demo, timeout=20)
    url = f"{running_demo}/api/v1/tasks/app.tasks.multiply"
    task_id = visitor.post(url, json={"x": 6, "y": 7}, timeout=20).json()["id"]
    until(lambda: row_of(visitor.get(running_demo, timeout=20).text, "multiply"), "42")
    found = visitor.get(f"{running_demo}/run/{task_id}", timeout=20)
    assert found.json() == {"outcome": "42.0", "worker": "one@demo"}
    assert requests.get(f"{running_demo}/run/{task_id}", timeout=20).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [{"x": "6"}, {"x": "6", "y": "7", "z": "8"}, {"x": "6", "y": "nan"}, {"x": "6", "y": "1e12"}],
)
def test_fields_that_do_not_fit_the_task_are_refused(
    running_demo: str, fields: dict[str, str]
) -> None:
    answer = requests.post(f"{running_demo}/start/multiply", data=fields, timeout=20)
    assert answer.status_code == 400
    assert 'data-id="' not in answer.text.split("<template>")[0].replace('data-id=""', "")


def test_a_log_message_that_looks_like_a_number_stays_text(
    running_demo: str, visitor: requests.Session
) -> None:
    answer = visitor.post(f"{running_demo}/start/log", data={"message": "42"}, timeout=20)
    assert answer.status_code == 200
    assert '"42"' in until(lambda: row_of(visitor.get(answer.url, timeout=20).text, "log"), "42")


def test_a_cookie_that_somebody_has_changed_shows_nothing(
    running_demo: str, visitor: requests.Session
) -> None:
    visitor.post(f"{running_demo}/start/log", data={"message": "mine"}, timeout=20)
    cookie = visitor.cookies["session"]
    page = requests.get(running_demo, cookies={"session": cookie[:-2]}, timeout=20)
    assert "Nothing yet. Start a task above" in page.text


def test_the_policy_lets_in_own_files_only_and_the_page_needs_no_other(running_demo: str) -> None:
    page = requests.get(running_demo, timeout=20)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(address.startswith("/") for address in loaded), loaded
    files = {address for address in loaded if "/static/" in address}
    assert any(address.endswith("/celeriac-progress.js") for address in files)
    for address in files:
        assert requests.get(running_demo + address, timeout=20).status_code == 200


def test_with_the_broker_down_the_page_says_so_within_seconds(processes: Processes) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    address = processes.web(RUN_SH, "flask", path="/static/demo.css", **broker(url))
    began = time.monotonic()
    page = requests.get(address, timeout=30)
    assert page.status_code == 200
    assert "The broker does not answer" in page.text
    answer = requests.post(f"{address}/start/log", data={"message": "hi"}, timeout=30)
    assert answer.status_code == 503
    assert "log was not sent" in answer.text
    assert time.monotonic() - began < 12


def test_without_a_broker_the_page_says_what_to_run(processes: Processes, tmp_path: Path) -> None:
    # A copy: somebody may be running `flask celery up` in the demo's own folder.
    without_instance = shutil.ignore_patterns("instance", ".env")
    processes.folder = shutil.copytree(DEMO, tmp_path / "copy", ignore=without_instance)
    address = processes.web("./run.sh", "flask", path="/static/demo.css", FLASK_ENV="development")
    page = requests.get(address, timeout=30)
    assert page.status_code == 200
    assert "flask celery up" in unescape(page.text)
    answer = requests.post(f"{address}/start/log", data={"message": "hi"}, timeout=30)
    assert (answer.status_code, "flask celery up" in unescape(answer.text)) == (503, True)
    url = f"{address}/api/v1/tasks/app.tasks.log"
    answer = requests.post(url, json={"message": "hi"}, timeout=30)
    assert (answer.status_code, "flask celery up" in answer.json()["reason"]) == (503, True)


@pytest.mark.parametrize("name", ["demo.css", "demo.js"])
def test_the_static_files_name_no_other_host(name: str) -> None:
    assert "//" not in re.sub(r"^//.*$", "", (DEMO / "app/static" / name).read_text(), flags=re.M)
