"""Two web processes behind one port: whichever answers, it is the same task."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from client_site import GTHREAD, Site, read, told, until
from gate import Gate

StartWeb = Callable[..., Site]


@pytest.fixture(scope="module")
def both(lasting_web: StartWeb) -> Site:
    site = lasting_web("--workers", "2", *GTHREAD)
    until(lambda: len({site.health()["pid"] for _ in range(10)}) == 2)
    return site


def by(process: str, ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until *process* is the one that answers."""
    answers: list[requests.Response] = []

    def is_asked() -> bool:
        answers.append(ask())
        if answers[-1].headers["X-Process"] == process:
            return True
        answers.pop().close()
        return False

    until(is_asked)
    return answers[-1]


def test_a_task_is_sent_watched_resumed_and_cancelled_by_whichever_process(
    both: Site, gate: Gate
) -> None:
    url = f"{both.address}/tasks/clients.walk"
    sent = requests.post(url, json={"gate": gate.path, "steps": 9}, timeout=30)
    one = sent.headers["X-Process"]
    other = by_another(both, one)
    task_id = sent.json()["id"]

    watching = [read(by(process, lambda: both.open(task_id))) for process in (one, other)]
    gate.let(2)
    for each in watching:
        each.wait_for(3)
    resumed = read(by(other, lambda: both.open(task_id, cursor=2)))
    resumed.wait_for(1)

    wish = by(other, lambda: requests.delete(f"{both.address}/tasks/{task_id}", timeout=30))
    assert wish.status_code == 202
    gate.let()
    ended = [each.join()[-1].data for each in [*watching, resumed]]
    assert {end["state"] for end in ended} == {"REVOKED"}
    assert told(watching[0]) == told(watching[1])
    assert told(resumed) == told(watching[0])[2:]
    assert [number for _, number in told(watching[0])] == list(range(1, len(told(watching[0])) + 1))
    shown = [by(process, lambda: both.get(f"/tasks/{task_id}")).json() for process in (one, other)]
    assert shown == ended[:2]


def by_another(site: Site, process: str) -> str:
    """Ask until it is not *process* that answers; returns who does."""
    names: list[str] = []

    def is_another() -> bool:
        names.append(site.get("/health").headers["X-Process"])
        return names[-1] != process

    until(is_another)
    return names[-1]


def test_a_key_is_one_task_whichever_process_is_asked(both: Site) -> None:
    url, key = f"{both.address}/tasks/clients.fill", {"Idempotency-Key": '"a-key-of-both"'}

    def send() -> requests.Response:
        return requests.post(url, json={"size": 1}, headers=key, timeout=30)

    first = send()
    again = by(by_another(both, first.headers["X-Process"]), send)
    assert first.json()["id"] == again.json()["id"]
