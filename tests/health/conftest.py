"""Real workers and beats, and the probe that watches them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from relay import Relay
from watched import Watched

HERE = Path(__file__).parent


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Watched]]:
    """Start `celery -A plain <role> <options>`; it is killed when the test ends."""
    started: list[Watched] = []

    def run(role: str, *options: str, url: str = redis_url, **environment: str) -> Watched:
        state, log = tmp_path / "state", tmp_path / f"log-{len(started)}"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "plain:app", role, "-l", "info", *options],
                env={
                    **os.environ,
                    "BROKER_URL": url,
                    "CELERIAC_STATE_DIR": str(state),
                    "PYTHONPATH": str(HERE),
                    **environment,
                },
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(Watched(process, role, log, state))
        return started[-1]

    yield run
    for watched in started:
        with suppress(ProcessLookupError):
            os.killpg(watched.process.pid, signal.SIGKILL)
        watched.process.wait()


@pytest.fixture
def relayed_url(redis_url: str) -> str:
    """The broker's URL by way of a port on which nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    return redis_url.replace(_place(redis_url), f"127.0.0.1:{port}")


@pytest.fixture
def open_relay(redis_url: str, relayed_url: str) -> Iterator[Callable[[], Relay]]:
    """Begin to listen on that port, as often as it was closed."""
    opened: list[Relay] = []

    def open_one() -> Relay:
        port = int(_place(relayed_url).rpartition(":")[2])
        opened.append(Relay(port, _place(redis_url)))
        return opened[-1]

    yield open_one
    for relay in opened:
        relay.close()


def _place(url: str) -> str:
    return url.rpartition("@")[2].partition("/")[0]


@pytest.fixture
def send(redis_url: str) -> Callable[..., str]:
    """Send a task of the plain app by name; returns its id."""
    from celery import Celery

    client = Celery("client", broker=redis_url, set_as_current=False)

    def send_one(name: str, *args: object, **options: object) -> str:
        return str(client.send_task(f"plain.{name}", args, retry=False, **options).id)

    return send_one
