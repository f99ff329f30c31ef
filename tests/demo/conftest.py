"""The demo and what it needs, for its tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from demo_processes import DEMO, RUN_SH, Processes, broker, environment
from flask_celeriac.embedded import EmbeddedServer


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes in the demo's folder, in production, and ends them after the test."""
    started = Processes(DEMO, tmp_path, environment(CELERIAC_STATE_DIR=str(tmp_path / "state")))
    yield started
    started.kill_all()


@pytest.fixture(scope="package")
def demo_server(
    redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """The running demo's own server.

    `redis_server` is asked for only because it says what happens where there is no binary.
    """
    server = EmbeddedServer(tmp_path_factory.mktemp("demo-server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def running_demo(
    demo_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a demo in production, with a worker."""
    scratch = tmp_path_factory.mktemp("running-demo")
    url = demo_server.url
    environ = environment(FLASK_ENV="production", CELERIAC_STATE_DIR=str(scratch), **broker(url))
    started = Processes(DEMO, scratch, environ)
    try:
        started.worker(RUN_SH, "celery-worker", "--concurrency", "4", "--hostname", "one@demo")
        yield started.web(RUN_SH, "flask")
    finally:
        started.kill_all()


@pytest.fixture
def running_demo_celery(demo_server: EmbeddedServer, running_demo: str) -> Iterator[Celery]:
    """Another program that sends tasks to the running demo."""
    celery = Celery(broker=demo_server.url, backend=demo_server.url, set_as_current=False)
    yield celery
    celery.close()


@pytest.fixture
def ask_demo() -> Callable[..., Any]:
    """Evaluates an expression in a new Python in the demo's folder, and gives its value."""

    def ask(expression: str, *, folder: Path = DEMO, **more: str) -> Any:
        code = f"import json, os, service; print(json.dumps({expression}))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def own_server(redis_server: EmbeddedServer, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that the test may start and stop."""
    server = EmbeddedServer(tmp_path / "own-server")
    yield server
    server.stop()
