"""curl, as somebody at a shell uses it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from client_site import Site
from gate import Gate

JSON = ("-H", "Content-Type: application/json")

# In CI it must be there.
pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None and os.environ.get("CI") != "true", reason="curl is not installed"
)


def curl(*words: str) -> str:
    command = ["curl", "-sS", "--max-time", "30", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=40).stdout


def parts(answer: str) -> tuple[str, Any]:
    """Take what `curl -i` prints apart: the headers, and the body as JSON."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    return head, json.loads(body)


def test_a_stream_is_watched_to_its_end_and_then_curl_ends(site: Site, gate: Gate) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=2)
    url = f"{site.address}/tasks/{task_id}/events"
    command = ["curl", "-sSN", "--max-time", "30", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        ids = (line.strip() for line in watching.stdout if line.startswith("id: "))
        seen = [next(ids)]
        for _ in range(2):
            gate.let()
            seen.append(next(ids))
        seen += ids
        assert watching.wait(10) == 0
    assert seen == ["id: 1", "id: 2", "id: 3", "id: 4"]


def test_a_watch_is_resumed_and_after_the_end_there_is_nothing(site: Site) -> None:
    task_id = site.submit("clients.flood", events=5, size=1)
    site.ended(task_id)
    url = f"{site.address}/tasks/{task_id}/events"
    again = curl("-N", "-H", "Last-Event-ID: 4", url)
    numbers = [line for line in again.splitlines() if line.startswith("id: ")]
    assert numbers == ["id: 5", "id: 6", "id: 7"]
    code = ("-o", "-", "-w", "%{http_code}")
    assert curl(*code, "-H", "Last-Event-ID: 7", url) == "204"


def test_a_task_is_sent_and_waited_for(site: Site) -> None:
    url = f"{site.address}/tasks"
    head, sent = parts(curl("-i", *JSON, "-d", '{"size": 3}', f"{url}/clients.fill"))
    assert head.startswith("HTTP/1.1 202")
    assert f"Location: {sent['links']['self']}" in head
    head, shown = parts(
        curl("-i", "-H", "Prefer: wait=10", f"{site.address}{sent['links']['self']}")
    )
    assert head.startswith("HTTP/1.1 200")
    assert "Preference-Applied: wait=10" in head
    assert (shown["state"], shown["result"]) == ("SUCCESS", "xxx")


def test_a_task_is_cancelled_with_a_reason(site: Site, gate: Gate) -> None:
    task_id = site.submit("clients.walk", gate=gate.path, steps=2)
    url = f"{site.address}/tasks/{task_id}"
    head, cancelled = parts(curl("-i", "-X", "DELETE", *JSON, "-d", '{"reason": "too slow"}', url))
    assert head.startswith("HTTP/1.1 202")
    assert cancelled["cancellation"]["reason"] == "too slow"
    gate.let(2)
    ended = site.ended(task_id)
    assert ended["state"] == "REVOKED"
    assert ended["error"]["message"].endswith("too slow")
