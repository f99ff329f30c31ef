"""P14: what a worker does not know or can not read is kept."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any

import psutil
from fleet import wait_until
from scene import Scene


def test_a_task_of_a_newer_release_waits_for_a_worker_that_knows_it(scene: Scene) -> None:
    old = scene.fleet.ready(slots=1)
    celery = scene.app.extensions["celery"]
    with scene.app.app_context():
        ids = [str(celery.send_task("chaos.novelty").id) for _ in range(5)]
    known = scene.send("work")
    wait_until(lambda: scene.store.parked() == {"chaos.novelty": 5}, 20, scene.logs)
    wait_until(lambda: known in scene.ledger.ended(), 20, scene.logs)
    assert scene.ledger.started() == {known}
    # Both are there while a deployment rolls.
    scene.fleet.ready(slots=1, CHAOS_RELEASE="new")
    counts = scene.sum_up("unknown task, then deployed", [*ids, known])
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert old.is_running()


_BODY = base64.b64encode(b"[[], {}, {}]").decode()
_BAD_CALLBACKS = b'[[], {}, {"errbacks": [17], "chord": 5}]'
_HEADERS = {"task": "chaos.work", "id": "an id", "lang": "py"}


def message(**changes: Any) -> bytes:
    """Return a message that would run, but for *changes*: `headers` and `properties` are merged."""
    properties: dict[str, Any] = {
        "delivery_info": {"exchange": "", "routing_key": "celery", "priority": 0},
        "delivery_tag": "x",
        "body_encoding": "base64",
    }
    whole: dict[str, Any] = {
        "body": _BODY,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _HEADERS,
        "properties": properties | changes.pop("properties", {}),
    }
    return json.dumps(whole | changes).encode()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pickled() -> bytes:
    body = encoded(pickle.dumps(((), {}, {})))
    return message(**{"content-type": "application/x-python-serialize", "body": body})


def test_unreadable_messages_are_dead_letters_with_their_bytes(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=1)
    strange = [
        b"\xff\x00 not even text",
        b"not JSON",
        b"[]",
        b'{"body": "", "properties": {}}',
        pickled(),
        message(body="! 9 bytes"),
        message(body=17),
        message(body=encoded(b"[" * 100_000)),
        message(body=encoded(b"[1]"), headers={"id": "no name"}),
        message(headers=None),
        message(headers={**_HEADERS, "eta": "soon"}),
        message(headers={**_HEADERS, "expires": "never"}),
        message(properties={"body_encoding": "rot13"}),
        message(properties={"delivery_info": None}),
        message(headers={**_HEADERS, "task": None}),
        message(headers=["task"]),
        # Who tells its waiters looks into these, too.
        message(headers={**_HEADERS, "eta": "soon"}, body=encoded(b"[[], {}, 5]")),
        message(headers={**_HEADERS, "eta": "soon"}, body=encoded(_BAD_CALLBACKS)),
    ]
    scene.client.lpush("celery", *strange)
    known = scene.send("work")
    wait_until(lambda: scene.store.count_dead() == len(strange), 20, scene.logs)
    wait_until(lambda: not scene.store.unreported(), 20, scene.logs)
    counts = scene.sum_up("unreadable messages", [known])
    assert not counts.faults
    letters = scene.store.dead_letters()
    assert sorted(letter.body for letter in letters) == sorted(strange)
    assert all(letter.reason for letter in letters)
    assert worker.is_running()
    assert scene.ledger.started() == {known}


def test_a_bomb_is_a_dead_letter_and_takes_no_memory(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=1)
    before = psutil.Process(worker.pid).memory_info().rss
    bomb = message(
        body=encoded(zlib.compress(bytes(300_000_000))),
        headers={**_HEADERS, "compression": "application/x-gzip"},
    )
    scene.client.lpush("celery", bomb)
    known = scene.send("work")
    wait_until(lambda: scene.store.count_dead() == 1, 20, scene.logs)
    counts = scene.sum_up("compressed message", [known])
    assert not counts.faults
    (letter,) = scene.store.dead_letters()
    assert letter.body == bomb
    assert "16,777,216 bytes" in letter.reason
    assert worker.is_running()
    assert psutil.Process(worker.pid).memory_info().rss - before < 60_000_000


def test_a_message_that_ends_its_worker_on_delivery_is_dead_after_three_workers(
    scene: Scene,
) -> None:
    hostile = message(headers={**_HEADERS, "task": ["unhashable"]})
    scene.client.lpush("celery", hostile)
    for _ in range(3):
        assert scene.fleet.start(slots=1).exit_code() == 1
    scene.fleet.ready(slots=1)
    (letter,) = scene.store.dead_letters()
    assert letter.body == hostile
    known = [scene.send("work") for _ in range(3)]
    assert not scene.sum_up("message that ends its worker", known).faults
