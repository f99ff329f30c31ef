"""Clients that read slowly, or not at all, or leave without a word."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import psutil
import pytest
from client_site import GEVENT, Site, told, until, walked
from gate import Gate
from plain_connection import PlainConnection

StartWeb = Callable[..., Site]

EVENTS, EVENT_BYTES = 800, 20_000
#: What a client that does not read may cost a web process; all its events are 16 MB.
MOST_GROWTH_BYTES = 8_000_000
FEW_THREADS = ("-k", "gthread", "--threads", "5")


@pytest.fixture(scope="module", params=[FEW_THREADS, GEVENT], ids=["gthread", "gevent"])
def narrow_site(request: pytest.FixtureRequest, lasting_web: StartWeb) -> Site:
    """A site with few threads, or with none, and short waits."""
    return lasting_web(*request.param, CLIENTS_MAX_WAIT="2")


def memory_bytes(site: Site) -> int:
    used: int = psutil.Process(site.health()["pid"]).memory_info().rss
    return used


def events_of(task_id: str) -> str:
    return f"/tasks/{task_id}/events"


def test_who_reads_slowly_costs_little_and_blocks_nobody(narrow_site: Site) -> None:
    site = narrow_site
    task_id = site.submit("clients.flood", events=EVENTS, size=EVENT_BYTES)
    until(lambda: site.ended(task_id)["result"] == EVENTS)
    before_bytes = memory_bytes(site)
    slow = [PlainConnection(site, events_of(task_id)) for _ in range(3)]
    until(lambda: site.health()["streams"] == 3)
    began = [each.read(10) for each in slow]
    reading = site.reading(task_id)
    reading.join()
    assert told(reading) == walked(EVENTS)
    grown = memory_bytes(site) - before_bytes
    assert site.health()["streams"] == 3

    slow[0].leave()
    until(lambda: site.health()["streams"] == 2)
    whole = began[1] + b"".join(slow[1].rest())
    numbers = [int(number) for number in re.findall(rb"^id: (\d+)$", whole, re.MULTILINE)]
    assert numbers == list(range(1, EVENTS + 3))
    until(lambda: site.health()["streams"] == 1)
    slow[2].leave()
    until(lambda: site.health()["streams"] == 0)
    assert grown < len(slow) * MOST_GROWTH_BYTES


def test_who_leaves_a_long_poll_takes_a_place_no_longer_than_the_wait(
    narrow_site: Site, gate: Gate
) -> None:
    site = narrow_site
    task_id = site.submit("clients.walk", gate=gate.path, steps=1)
    began_s = time.monotonic()
    # As many as there are threads of the one server.
    waiting = [PlainConnection(site, f"/tasks/{task_id}", Prefer="wait=20") for _ in range(5)]
    for each in waiting:
        each.leave()
    assert site.health()["streams"] == 0
    assert time.monotonic() - began_s < 6
