"""Scenes to break, and the table of what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from scale import IS_FULL
from scene import Counts, Scene, start_server

from flask_celeriac.embedded import EmbeddedServer
from proxy import Proxy

HERE = Path(__file__).parent
_COLUMNS = ("accepted", "lost", "stuck", "repeated", "undeclared", "late", "dead")
_ROW = "fault"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900 if IS_FULL else 240))


@pytest.fixture
def make_scene(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> Iterator[Callable[..., Scene]]:
    """Make a scene, with configuration: `make_scene(CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT=1.0)`.

    Other servers than its own are given as `url` and `client`.
    """
    scenes: list[Scene] = []
    table: list[tuple[str, Counts, float]] = []

    def make(url: str = "", client: Any = None, **config: Any) -> Scene:
        scenes.append(Scene(tmp_path, dict(config), table, url, client))
        return scenes[-1]

    yield make
    for scene in scenes:
        if request.session.testsfailed:
            print(scene.logs())
        scene.end()
    for scenario, counts, seconds in table:
        cells = [str(getattr(counts, column)) for column in _COLUMNS]
        record_property(_ROW, [scenario, *cells, f"{seconds:.1f}"])


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    """A server, and a fleet without workers."""
    return make_scene()


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server beside that of the scene."""
    server = EmbeddedServer(tmp_path / "other")
    start_server(server)
    yield server
    server.stop()


@pytest.fixture
def proxy(scene: Scene) -> Iterator[Proxy]:
    """A way to the scene's server that can be disturbed."""
    place = urlsplit(scene.server.url)
    assert place.hostname
    assert place.port
    proxy = Proxy((place.hostname, place.port))
    yield proxy
    proxy.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # From reports, since the tests may have run in other processes than this.
    ends = [each for some in terminalreporter.stats.values() for each in some]
    ends = [each for each in ends if getattr(each, "when", "") == "teardown"]
    rows = [value for end in ends for name, value in end.user_properties if name == _ROW]
    if not rows:
        return
    width = max(len(scenario) for scenario, *_ in rows)
    terminalreporter.section("faults" if IS_FULL else "faults, with short leases")
    for scenario, *cells in [["scenario", *_COLUMNS, "seconds"], *rows]:
        right = " ".join(f"{cell:>10}" for cell in cells)
        terminalreporter.write_line(f"{scenario:<{width}} {right}")
