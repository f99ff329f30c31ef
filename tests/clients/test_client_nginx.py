"""nginx that buffers what it carries: nothing is kept back, and a stream outlives its restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from client_site import Site, read, told, until, walked
from event_source import Source
from gate import Gate
from nginx_proxy import DOORS, Nginx


@pytest.fixture(scope="module")
def nginx(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    started = Nginx(tmp_path_factory.mktemp("nginx"), site)
    started.start()
    yield started
    started.stop()


@pytest.mark.parametrize("name", DOORS)
def test_each_event_passes_before_the_next_happens(nginx: Nginx, gate: Gate, name: str) -> None:
    door = nginx.doors[name]
    task_id = door.submit("clients.walk", gate=gate.path, steps=3)
    response = door.open(task_id)
    assert response.headers.get("Content-Encoding") == ("gzip" if name == "gzip" else None)
    assert "no-transform" in response.headers["Cache-Control"]
    reading = read(response)
    reading.wait_for(1)
    for step in range(1, 4):
        gate.let()
        reading.wait_for(1 + step)
    assert reading.join()[-1].data["result"] == 3
    assert told(reading) == walked(3)


@pytest.mark.parametrize("name", DOORS)
def test_a_long_poll_passes(nginx: Nginx, gate: Gate, name: str) -> None:
    door = nginx.doors[name]
    task_id = door.submit("clients.walk", gate=gate.path, steps=1)
    first = door.get(f"/tasks/{task_id}")
    same = door.get(f"/tasks/{task_id}", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.json()["state"] in ("PENDING", "STARTED")) is True
    assert same.status_code in (200, 304)
    gate.let()
    ended = door.ended(task_id)
    assert (ended["state"], ended["result"]) == ("SUCCESS", 1)
    assert door.open(task_id, cursor=3).status_code == 204


def test_what_the_site_refuses_passes_as_it_is(nginx: Nginx) -> None:
    door = nginx.doors["http/1.0"]
    wrong = requests.post(f"{door.address}/tasks/clients.fill", json={"size": "big"}, timeout=30)
    assert wrong.status_code == 422
    assert wrong.headers["Content-Type"] == "application/problem+json"
    assert wrong.json()["errors"][0]["pointer"] == "#/size"


def test_a_reload_cuts_no_stream(nginx: Nginx, gate: Gate) -> None:
    door = nginx.doors["http/1.1"]
    task_id = door.submit("clients.walk", gate=gate.path, steps=2)
    reading = door.reading(task_id)
    gate.let()
    reading.wait_for(2)
    nginx.reload()
    gate.let()
    reading.join()
    assert told(reading) == walked(2)


def test_a_restart_is_followed_by_what_was_missed(nginx: Nginx, gate: Gate) -> None:
    door = nginx.doors["http/1.0"]
    task_id = door.submit("clients.walk", gate=gate.path, steps=4)
    source = Source(door, task_id)
    gate.let(2)
    until(lambda: len(source.frames) == 3)
    nginx.stop()
    gate.let()
    nginx.start()
    until(lambda: len(source.frames) == 4)
    gate.let()
    source.join(20)
    assert [(frame.kind, frame.number) for frame in source.frames] == walked(4)
    assert source.opened == 2
