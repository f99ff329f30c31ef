"""The EventSource of a real browser, without our component."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_site import Site, walked
from gate import Gate

from proxy import Proxy

pytestmark = pytest.mark.browser

CLOSED = 2


@pytest.fixture
def way(site: Site) -> Iterator[Proxy]:
    """A way to the site that can be cut."""
    proxy = Proxy(("127.0.0.1", site.port))
    yield proxy
    proxy.close()


class Page:
    """A page that listens to the events of one task."""

    def __init__(self, chromium: Any, task_id: str, port: int) -> None:
        self._chromium = chromium
        chromium.get(f"http://127.0.0.1:{port}/watch/{task_id}")

    def run(self, script: str) -> Any:
        return self._chromium.execute_script(f"return {script}")

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(kind, number) for kind, number in self.run("told")]


def streams_asked(site: Site, task_id: str) -> list[tuple[str | None, int]]:
    """Cursor and status code of each request for the events of a task."""
    asked = site.get("/asked").json()
    path = f"/tasks/{task_id}/events"
    return [(cursor, code) for _, asked_path, cursor, code in asked if asked_path == path]


def test_a_browser_resumes_by_itself_and_stops_after_the_end(
    chromium: Any, site: Site, way: Proxy, gate: Gate, wait_until: Callable[..., None]
) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=6)
    page = Page(chromium, task_id, way.port)
    for connection in range(1, 4):
        wait_until(lambda: page.run("opened") == connection)  # noqa: B023 - called at once
        gate.let()
        wait_until(lambda: len(page.told) == 2 * connection)  # noqa: B023
        if connection < 3:
            way.cut()
            wait_until(lambda: page.run("source.readyState") == 0)
            # What happens while it is away is not lost.
            gate.let()
    gate.let()
    wait_until(lambda: page.run("source.readyState") == CLOSED)
    assert page.told == walked(6)
    assert [code for _, code in streams_asked(site, task_id)] == [200, 200, 200, 204]
    assert [cursor for cursor, _ in streams_asked(site, task_id)] == [None, "2", "4", "8"]


def test_a_browser_that_comes_after_the_end_is_told_all_of_it_once(
    chromium: Any, site: Site, way: Proxy, wait_until: Callable[..., None]
) -> None:
    task_id = site.submit("clients.flood", events=50, size=1)
    site.ended(task_id)
    page = Page(chromium, task_id, way.port)
    wait_until(lambda: page.run("source.readyState") == CLOSED)
    assert page.told == walked(50)
    assert streams_asked(site, task_id) == [(None, 200), ("52", 204)]


def test_a_browser_that_is_refused_asks_no_more(
    chromium: Any, new_web: Callable[..., Site], gate: Gate, wait_until: Callable[..., None]
) -> None:
    site = new_web("-k", "sync")
    task_id = site.submit("clients.walk", gate=gate.path, steps=1)
    page = Page(chromium, task_id, site.port)
    wait_until(lambda: page.run("source.readyState") == CLOSED)
    assert (page.told, page.run("opened")) == ([], 0)
    assert streams_asked(site, task_id) == [(None, 503)]
