"""P14: what a worker does not know or can not read is kept."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

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


def message(content_type: str, encoding: str, body: str, **headers: Any) -> bytes:
    properties = {
        "delivery_info": {"exchange": "", "routing_key": "celery"},
        "delivery_tag": "x",
        "body_encoding": "base64",
    }
    parts = {"content-type": content_type, "content-encoding": encoding, "headers": headers}
    return json.dumps({"body": body, "properties": properties, **parts}).encode()


def test_unreadable_messages_are_dead_letters_with_their_bytes(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=1)
    call = base64.b64encode(pickle.dumps(((), {}, {}))).decode()
    strange = [
        b"\xff\x00 not even text",
        b"not JSON",
        b'{"body": "", "properties": {}}',
        message("application/x-python-serialize", "binary", call, task="chaos.work", id="pickled"),
        message("application/json", "utf-8", "!!! not base64", task="chaos.work", id="broken"),
        message("application/json", "utf-8", base64.b64encode(b"{").decode(), task="t", id="cut"),
        message("application/json", "utf-8", base64.b64encode(b"{}").decode(), id="no name"),
    ]
    scene.client.lpush("celery", *strange)
    known = scene.send("work")
    wait_until(lambda: scene.store.count_dead() == len(strange), 20, scene.logs)
    counts = scene.sum_up("unreadable messages", [known])
    assert not counts.faults
    letters = scene.store.dead_letters()
    assert sorted(letter.body for letter in letters) == sorted(strange)
    assert all(letter.reason for letter in letters)
    assert worker.is_running()
    assert "pickled" not in scene.ledger.started()
