"""Redis is stopped and started under a task that runs, and under those who watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client_site import GEVENT, GTHREAD, Site, start_worker, told, walked
from gate import Gate

from flask_celeriac.embedded import EmbeddedServer

StartWeb = Callable[..., Site]


@pytest.fixture
def own_server(own_server: EmbeddedServer, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that this test may stop, with a worker."""
    worker = start_worker(tmp_path / "worker.log", own_server.url)
    yield own_server
    worker.stop()


def test_task_and_streams_go_on_and_nothing_is_skipped(
    new_web: StartWeb, own_server: EmbeddedServer, gate: Gate
) -> None:
    sites = [new_web(*words, url=own_server.url) for words in (GTHREAD, GEVENT)]
    task_id = sites[0].submit("clients.walk", gate=gate.path, steps=4)
    watching = [site.reading(task_id) for site in sites for _ in range(2)]
    gate.let(2)
    for each in watching:
        each.wait_for(3)
    own_server.stop()
    own_server.start()
    for step in (3, 4):
        gate.let()
        for each in watching:
            each.wait_for(step + 1, 30)
    for each in watching:
        assert each.join(30)[-1].data["result"] == 4
        assert told(each) == walked(4)
    assert sites[0].status(task_id)["attempts"] == 1
