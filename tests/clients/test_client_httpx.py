"""httpx, with and without asyncio: streams, long polls, tags and keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
from client_site import Site
from gate import Gate

from proxy import Proxy


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{site.address}/tasks", timeout=30) as opened:
        yield opened


@pytest.fixture
def way(site: Site) -> Iterator[Proxy]:
    """A way to the site that loses what it is told to."""
    proxy = Proxy(("127.0.0.1", site.port))
    yield proxy
    proxy.close()


def number_of(line: str) -> int | None:
    return int(line.removeprefix("id: ")) if line.startswith("id: ") else None


def test_a_stream_is_read_line_by_line(client: httpx.Client, site: Site, gate: Gate) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=3)
    with client.stream("GET", f"/{task_id}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        seen = []
        for line in response.iter_lines():
            if (number := number_of(line)) is not None:
                seen.append(number)
                gate.let()
    assert seen == [1, 2, 3, 4, 5]


def test_one_loop_watches_several_tasks(site: Site, new_gate: Callable[[], Gate]) -> None:
    gates = [new_gate() for _ in range(5)]
    ids = [site.submit("clients.walk", gate=gate.path, steps=2) for gate in gates]

    async def watch(client: httpx.AsyncClient, task_id: str, gate: Gate) -> list[int]:
        async with client.stream("GET", f"/{task_id}/events") as response:
            seen = []
            async for line in response.aiter_lines():
                if (number := number_of(line)) is not None:
                    seen.append(number)
                    gate.let()
            return seen

    async def watch_all() -> list[list[int]]:
        async with httpx.AsyncClient(base_url=f"{site.address}/tasks", timeout=30) as client:
            return await asyncio.gather(*map(watch, [client] * 5, ids, gates))

    assert asyncio.run(watch_all()) == [[1, 2, 3, 4]] * 5


def test_a_long_poll_ends_with_the_task_or_with_its_time(
    client: httpx.Client, site: Site, gate: Gate
) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=1)
    began_s = time.monotonic()
    waiting = client.get(f"/{task_id}", headers={"Prefer": "wait=1"})
    assert time.monotonic() - began_s > 0.9
    assert waiting.json()["finished_at"] is None
    assert waiting.headers["Retry-After"] == "1"
    gate.let()
    ended = client.get(f"/{task_id}", headers={"Prefer": "wait=20"})
    assert ended.json()["state"] == "SUCCESS"
    assert "Retry-After" not in ended.headers


def test_what_has_not_changed_is_not_sent_again(
    client: httpx.Client, site: Site, gate: Gate
) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=1)
    site.reading(task_id).wait_for(1)
    first = client.get(f"/{task_id}")
    tag = {"If-None-Match": first.headers["ETag"]}
    same = client.get(f"/{task_id}", headers=tag)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["ETag"] == first.headers["ETag"]
    gate.let()
    changed = client.get(f"/{task_id}", headers={**tag, "Prefer": "wait=20"})
    assert changed.status_code == 200
    assert changed.json()["state"] in ("PROGRESS", "SUCCESS")


def test_a_request_whose_answer_was_lost_is_repeated_with_its_key(site: Site, way: Proxy) -> None:
    key = {"Idempotency-Key": f'"{uuid4()}"'}
    with httpx.Client(base_url=f"http://127.0.0.1:{way.port}/tasks", timeout=30) as client:
        way.lose_reply(b"POST", is_cut=True)
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/clients.fill", json={"size": 2}, headers=key)
        again = client.post("/clients.fill", json={"size": 2}, headers=key)
        third = client.post("/clients.fill", json={"size": 2}, headers=key)
        other = client.post("/clients.fill", json={"size": 3}, headers=key)
    assert way.lost == 1
    assert (again.status_code, third.status_code, other.status_code) == (202, 202, 422)
    assert again.json()["id"] == third.json()["id"]
    ended = site.ended(again.json()["id"])
    assert (ended["result"], ended["attempts"]) == ("xx", 1)
