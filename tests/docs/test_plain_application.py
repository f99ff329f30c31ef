"""The plain Celery application of the reliability page has what the page promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from document import BROKER, blocks, files

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

RELIABILITY = Path(__file__).parents[2] / "docs" / "explanation" / "reliability.md"
WaitUntil = Callable[..., None]

#: What a reader adds; and a lease that a test can wait for.
ADDED = """

import os
import signal
import time
from pathlib import Path

app.conf.broker_transport_options = {"lease_s": 3.0, "renew_s": 0.5}
started = Path("started")


@app.task
def add(x, y):
    return x + y


@app.task(bind=True)
def nap(self):
    is_first = not started.exists()
    started.open("a").write(f"{self.request.id}\\n")
    if is_first:
        time.sleep(300)
    return "rested"


@app.task(bind=True)
def poison(self):
    started.open("a").write(f"{self.request.id}\\n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class Plain:
    """The application in a folder of its own, and its workers."""

    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def started(self) -> list[str]:
        """The ids of runs, in the order in which they began."""
        path = self.folder / "started"
        return path.read_text().split() if path.exists() else []

    def worker(self, pool: str = "prefork") -> subprocess.Popen[bytes]:
        words = ("celery", "-A", "plain", "worker", "-P", pool, "-c", "1", "--without-mingle")
        with (self.folder / "log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def ask(self, code: str) -> str:
        """Run *code* beside the application; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", f"from plain import *\n{code}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.log}"
        return done.stdout.strip()

    def end(self) -> None:
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@pytest.fixture
def plain(tmp_path: Path, redis_url: str) -> Iterator[Plain]:
    [block] = [block for block in blocks(RELIABILITY) if block.section == "Without Flask"]
    [file] = files(block)
    assert BROKER in file.text
    (tmp_path / file.path).write_text(file.text.replace(BROKER, redis_url) + ADDED)
    (tmp_path / "log").touch()
    plain = Plain(tmp_path)
    yield plain
    plain.end()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_its_tasks_run_have_results_and_stay_revoked(
    plain: Plain, redis_url: str, pool: str
) -> None:
    revoked = plain.ask("one = nap.delay()\none.revoke()\nprint(one.id)")
    worker = plain.worker(pool)
    assert plain.ask("print(add.delay(2, 3).get(timeout=30))") == "5"
    assert plain.ask(f"print(app.AsyncResult({revoked!r}).state)") == "REVOKED"
    assert plain.started == []
    with redis.Redis.from_url(redis_url) as client:
        assert client.zcard("celeriac:1:workers") == 1
    worker.terminate()
    assert worker.wait(30) == 0, plain.log
    assert "celeriac-redis" not in plain.log


def test_what_ran_on_a_killed_worker_runs_again(plain: Plain, wait_until: WaitUntil) -> None:
    worker = plain.worker()
    id_ = plain.ask("print(nap.delay().id)")
    wait_until(lambda: plain.started == [id_], 30)
    worker.kill()
    worker.wait()
    plain.worker()
    assert plain.ask(f"print(app.AsyncResult({id_!r}).get(timeout=40))") == "rested"
    assert plain.started == [id_, id_]


def test_a_task_that_kills_its_process_is_a_dead_letter_and_its_waiter_is_told(
    plain: Plain, redis_url: str
) -> None:
    plain.worker()
    told = plain.ask(
        "result = poison.delay()\n"
        "print(result.id)\n"
        "try:\n"
        "    result.get(timeout=50)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)"
    )
    id_, failure = told.splitlines()
    assert failure.startswith("TaskIsDead The task 'plain.poison' is a dead letter")
    assert plain.started == [id_] * 3
    with redis.Redis.from_url(redis_url) as client:
        [letter] = MessageStore(client, Layout()).dead_letters()
    assert id_.encode() in letter.body
    assert letter.attempts == 3
    assert plain.ask("print(add.delay(2, 3).get(timeout=30))") == "5"


def test_its_worker_refuses_a_server_that_evicts(plain: Plain, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        before = client.config_get("maxmemory-policy")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert plain.worker().wait(30) == os.EX_CONFIG, plain.log
        finally:
            client.config_set("maxmemory-policy", before["maxmemory-policy"])
    [said] = [line for line in plain.log.splitlines() if "CRITICAL" in line]
    assert "allkeys-lru" in said
    assert "Set maxmemory-policy noeviction" in said
    assert "Traceback" not in plain.log
