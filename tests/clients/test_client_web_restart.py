"""gunicorn starts its workers anew under those who watch a task."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil
import pytest
from client_site import GEVENT, GTHREAD, Site, until, walked
from event_source import Source
from gate import Gate

StartWeb = Callable[..., Site]


@pytest.mark.parametrize("words", [GTHREAD, GEVENT], ids=["gthread", "gevent"])
def test_streams_go_on_at_the_next_process(
    new_web: StartWeb, gate: Gate, words: tuple[str, ...]
) -> None:
    # With threads gunicorn waits for a stream as long as for a worker that hangs.
    site = new_web(*words, "--timeout", "4")
    old = site.health()["pid"]
    task_id = site.submit("clients.walk", gate=gate.path, steps=4)
    sources = [Source(site, task_id) for _ in range(3)]
    gate.let(2)
    until(lambda: all(len(source.frames) == 3 for source in sources))
    os.kill(psutil.Process(old).ppid(), signal.SIGHUP)
    gate.let()
    until(lambda: not psutil.pid_exists(old))
    gate.let()
    for source in sources:
        source.join(20)
        assert [(frame.kind, frame.number) for frame in source.frames] == walked(4)
        assert source.opened == 2
    assert site.health()["pid"] != old
