"""One side of the comparison: a worker and a web process on one application."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis

from flask_celeriac.transport.redis.keys import claims_key, namespace

from .applications.settings import GIVEN, TOLD, TRANSPORT
from .processor import ProcessorClock

_ROOT = Path(__file__).parents[1]
_START_WITHIN_S = 60.0
_DRAIN_WITHIN_S = 120.0
_STOP_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.003
_QUEUE = "celery"
#: Where kombu's Redis transport keeps what is taken and not yet acknowledged.
_UNACKED = "unacked"
#: The application's module and `CELERIAC_TRANSPORT` of each side.
_APPLICATIONS = {
    "plain": ("plain", ""),
    "kombu": ("celeriac", "kombu"),
    "celeriac": ("celeriac", "celeriac"),
}


class SideError(RuntimeError):
    """A process of the benchmark failed; the message holds what it said last."""


class Side:
    """Starts both processes; stops them at the end of the `with` block.

    Attributes:
        settings: What the processes ended up with, by their role: "worker", "client".
        redis: A client on the side's database; no process of the side has a part in it.
        worker_pid: Of the process that was started as the worker.
        worker, client: Clocks of the processor time that the processes use.

    Args:
        name: "plain", "kombu" or "celeriac".
        url: The Redis database for messages and results.
        folder: For logs; exists.
        pool: Celery's name of the pool.
        given: Settings for each role, to which the addresses are added.
    """

    def __init__(
        self,
        name: str,
        url: str,
        folder: Path,
        *,
        pool: str,
        concurrency: int,
        loglevel: str,
        given: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.name = name
        module, self._transport = _APPLICATIONS[name]
        self.settings: dict[str, dict[str, Any]] = {}
        self._module = f"benchmarks.applications.{module}"
        self._folder = folder
        self._places = {"broker_url": url, "result_backend": url}
        self._given = given
        self._pool = ["--pool", pool, "--concurrency", str(concurrency), "--loglevel", loglevel]
        self.redis = redis.Redis.from_url(url)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.redis.close)
            self._worker = self._start_worker(stack)
            self._client = self._start_client(stack)
            self.worker = ProcessorClock(self._worker.pid)
            self.client = ProcessorClock(self._client.pid)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, act: str, **arguments: Any) -> dict[str, Any]:
        """Let the client do *act*, a method of `benchmarks.client.Client`.

        Raises:
            SideError: The client failed.
        """
        assert self._client.stdin is not None
        self._client.stdin.write(json.dumps({"act": act, **arguments}) + "\n")
        self._client.stdin.flush()
        return self._read_answer()

    def hold(self) -> None:
        """Stop the worker where it is, so that what is sent waits in the queue."""
        self._worker.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        """Let the worker go on; nothing if it was not held."""
        self._worker.send_signal(signal.SIGCONT)

    def discard_waiting(self) -> None:
        """Delete what waits in the queue."""
        self.redis.delete(_QUEUE)

    def wait_until_drained(self) -> None:
        """Return when every message has been taken, run and acknowledged.

        Raises:
            SideError: Not within two minutes.
        """
        deadline = time.monotonic() + _DRAIN_WITHIN_S
        while self.redis.llen(_QUEUE) or self.redis.hlen(self._taken_key):
            if time.monotonic() > deadline or self._worker.poll() is not None:
                raise SideError(f"{self.name}: not drained.\n{self._last_words('worker')}")
            time.sleep(_LOOK_EVERY_S)

    def _start_worker(self, stack: ExitStack) -> subprocess.Popen[str]:
        told = self._folder / f"{self.name}.json"
        told.unlink(missing_ok=True)
        command = ["-m", "celery", "-A", f"{self._module}:celery_app", "worker", *self._pool]
        process = self._start("worker", command, stack, {TOLD: str(told)}, {})
        self.worker_pid = process.pid
        deadline = time.monotonic() + _START_WITHIN_S
        while not told.exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise SideError(f"{self.name}: no worker.\n{self._last_words('worker')}")
            time.sleep(0.01)
        self.settings["worker"] = json.loads(told.read_text())
        self._taken_key = self._find_taken_key(deadline)
        return process

    def _find_taken_key(self, deadline: float) -> str:
        """Return where the worker's transport keeps what is taken and not yet acknowledged."""
        while self._transport == "celeriac":
            for name in self.redis.zrange(f"{namespace()}workers", 0, -1):
                # A web process has no claims, and the database had no other worker that lives.
                if f".{self.worker_pid}." in name.decode():
                    return claims_key("", name.decode())
            if time.monotonic() > deadline:
                raise SideError(f"{self.name}: no lease.\n{self._last_words('worker')}")
            time.sleep(0.01)
        return _UNACKED

    def _start_client(self, stack: ExitStack) -> subprocess.Popen[str]:
        command = ["-m", "benchmarks.client", self._module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._client = process = self._start("client", command, stack, {}, pipes)
        self.settings["client"] = self._read_answer()["settings"]
        return process

    def _start(
        self,
        role: str,
        command: list[str],
        stack: ExitStack,
        environment: Mapping[str, str],
        pipes: Mapping[str, Any],
    ) -> subprocess.Popen[str]:
        environment = {
            **environment,
            GIVEN: json.dumps({**self._given.get(role, {}), **self._places}),
            TRANSPORT: self._transport,
            "CELERIAC_STATE_DIR": str(self._folder / "state"),
            "PYTHONHASHSEED": "0",
        }
        log = stack.enter_context((self._folder / f"{self.name}-{role}.log").open("w"))
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=_ROOT,
            env={**os.environ, **environment},
            text=True,
            **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **pipes},
        )
        stack.callback(_stop, process)
        return process

    def _read_answer(self) -> dict[str, Any]:
        assert self._client.stdout is not None
        line = self._client.stdout.readline()
        if not line:
            raise SideError(f"{self.name}: the client failed.\n{self._last_words('client')}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self, role: str) -> str:
        return (self._folder / f"{self.name}-{role}.log").read_text()[-4000:]


def _stop(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
