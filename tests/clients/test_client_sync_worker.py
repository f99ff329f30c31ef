"""gunicorn with sync workers, which answer one request at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from client_site import HERE, Site, until
from gate import Gate

StartWeb = Callable[..., Site]
SYNC = "--workers 1 --worker-class sync"


@pytest.fixture
def sync_site(new_web: StartWeb) -> Site:
    return new_web(GUNICORN_CMD_ARGS=SYNC)


def test_streams_are_refused_and_everything_else_is_answered(sync_site: Site, gate: Gate) -> None:
    task_id = sync_site.submit("clients.walk", gate=gate.path, steps=1)
    refused = [sync_site.get(f"/tasks/{task_id}/events") for _ in range(3)]
    for response in refused:
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
    assert sync_site.health()["streams"] == 0
    gate.let()
    until(lambda: sync_site.ended(task_id)["result"] == 1)
    # Who has it all already needs no stream.
    assert sync_site.open(task_id, cursor=3).status_code == 204


def test_the_doctor_warns_of_them(clients_url: str) -> None:
    environment = {"CLIENTS_URL": clients_url, "PYTHONPATH": str(HERE)}
    asked = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "client_app:create_app", "celery", "doctor"],
        env={**os.environ, **environment, "GUNICORN_CMD_ARGS": SYNC},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "sync workers" in asked.stdout, asked.stdout + asked.stderr
