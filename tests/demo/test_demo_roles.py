"""What the containers would do, as processes: the compose file's own commands and environment."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from celery import Celery
from celery.states import READY_STATES

from demo_processes import DEMO, RUN_SH, Process, Processes, environment, free_port, get, until
from flask_celeriac.embedded import EmbeddedServer

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEMO / "docker-compose.yml").read_text())[
    "services"
]


def substituted(text: str, given: dict[str, str]) -> str:
    """Put *given* in as compose does: `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)


@dataclass
class Composition:
    """The services of the compose file, as processes of this machine."""

    processes: Processes
    redis_url: str
    web: str = ""

    def environ(self, service: str) -> dict[str, str]:
        given = {"CELERY_BROKER_URL": self.redis_url, "CELERY_RESULT_BACKEND": self.redis_url}
        declared = SERVICES[service]["environment"]
        return {key: substituted(value, given) for key, value in declared.items()}

    def up(self, service: str, name: str, *more: str, **environ: str) -> Process:
        """Start one container's process: a folder for /tmp of its own, and *more* words for what
        would differ between containers by itself (host names, addresses)."""
        own = self.processes.scratch / name
        own.mkdir()
        command = [RUN_SH, *SERVICES[service]["command"], *more]
        return self.processes.start(command, TMPDIR=str(own), **self.environ(service), **environ)

    def is_healthy(self, service: str, name: str) -> bool:
        """Run the service's health check as the container of *name* would."""
        _, python, *words = SERVICES[service]["healthcheck"]["test"]
        assert python == "python"
        words = [word.replace("http://127.0.0.1:5000", self.web) for word in words]
        environ = environment(TMPDIR=str(self.processes.scratch / name), **self.environ(service))
        done = subprocess.run(
            [sys.executable, *words], env=environ, capture_output=True, timeout=30, check=False
        )
        return done.returncode == 0

    def wait_until_healthy(self, service: str, name: str) -> None:
        until(lambda: self.is_healthy(service, name), f"{name} healthy")

    def start_task(self, name: str, **arguments: Any) -> str:
        url = f"{self.web}/api/v1/tasks/app.tasks.{name}"
        answer = requests.post(url, json=arguments, timeout=20)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def run_of(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(
            f"{self.web}/api/v1/tasks/{task_id}", timeout=20
        ).json()
        return found

    def workers_of(self, count: int) -> set[str]:
        """Run *count* quick tasks, and tell which workers did them."""
        ids = [self.start_task("log", message=str(number)) for number in range(count)]
        until(lambda: all(self.run_of(id_)["state"] in READY_STATES for id_ in ids), "all finished")
        with Celery(backend=self.redis_url, set_as_current=False) as results:
            return {results.backend.get_task_meta(task_id)["worker"] for task_id in ids}


@pytest.fixture
def composition(tmp_path: Path, redis_server: EmbeddedServer) -> Iterator[Composition]:
    """`docker compose up --scale worker=2`: redis, flask, beat and two workers."""
    redis = EmbeddedServer(tmp_path / "redis")
    redis.start()
    made = Composition(Processes(DEMO, tmp_path, environment()), redis.url)
    port = str(free_port())
    made.web = f"http://127.0.0.1:{port}"
    made.up("flask", "flask", FLASK_RUN_HOST="127.0.0.1", FLASK_RUN_PORT=port)
    yield made
    made.processes.kill_all()
    redis.stop()


@pytest.mark.chaos
@pytest.mark.slow
def test_of_two_workers_one_is_killed_and_the_other_goes_on(
    composition: Composition, tmp_path: Path
) -> None:
    first = composition.up("worker", "first", "--hostname", "first@demo")
    second = composition.up("worker", "second", "--hostname", "second@demo")
    beat = composition.up("beat", "beat", "--schedule", str(tmp_path / "beat" / "schedule"))
    for service, name in [("worker", "first"), ("worker", "second"), ("beat", "beat")]:
        composition.wait_until_healthy(service, name)
    composition.wait_until_healthy("flask", "flask")
    until(lambda: len(composition.workers_of(8)) == 2, "both workers had tasks")

    first.kill()
    assert not composition.is_healthy("worker", "first")
    assert composition.workers_of(12) == {"second@demo"}
    hello = get(f"{composition.web}/api/v1/hello-world")
    assert hello is not None
    assert hello.json() == {"info": "hello world"}
    assert composition.is_healthy("worker", "second")

    def minute_job() -> Any:
        return requests.get(f"{composition.web}/api/v1/minute-job", timeout=20).json()["last"]

    assert until(minute_job, "beat's job ran", within_s=75)["message"] == "log every 1 minutes"

    third = composition.up("worker", "third", "--hostname", "third@demo")
    composition.wait_until_healthy("worker", "third")
    until(lambda: "third@demo" in composition.workers_of(8), "a new worker takes part")
    assert [third.stop(), second.stop(), beat.stop()] == [0, 0, 0]


@pytest.mark.slow
def test_a_stopped_worker_finishes_its_task_within_the_grace_period(
    composition: Composition,
) -> None:
    """`docker compose stop`: SIGTERM, and the tasks at hand are done."""
    worker = composition.up("worker", "only", "--concurrency", "1", "--hostname", "only@demo")
    composition.wait_until_healthy("worker", "only")
    task_id = composition.start_task("calc", n=1)
    until(lambda: composition.run_of(task_id)["state"] == "STARTED", "calc started")
    worker.popen.send_signal(signal.SIGTERM)
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert worker.popen.wait(grace_s) == 0
    run = composition.run_of(task_id)
    assert run["state"] in ("SUCCESS", "RETRY", "FAILURE"), run
