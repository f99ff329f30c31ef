"""One system at work: a server, workers and a sending process of its own."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.processor import ProcessorClock
from flask_celeriac.embedded import EmbeddedServer

from .catalogue import PROCESSES, System
from .processes import Running, SystemFailure, started

_ANSWER_WITHIN_S = 180.0
_DRAIN_WITHIN_S = 180.0
_LOOK_EVERY_S = 0.01
#: Results that are looked for at once: in the order in which they were sent.
_LOOK_AT = 500


class Session:
    """A system whose workers run, and are warm.

    Attributes:
        system: What runs.
        python: The interpreter of its environment.
        url: The server's.
        folder: For logs.
        environment: Of all its processes.
        about: What the sending process says of the system.
        workers: Its workers, or their parents.
    """

    def __init__(self, system: System, python: Path, server: EmbeddedServer, folder: Path) -> None:
        self.system = system
        self.python = python
        self.url = server.url
        self.folder = folder
        self.environment = {
            "PEERS_URL": server.url,
            "PEERS_FLAVOUR": system.flavour,
            "CELERIAC_STATE_DIR": str(folder / "state"),
            "PYTHONWARNINGS": "ignore",
        }
        self._redis = redis.Redis.from_url(server.url)
        # Rewriting the file would fall into one system's measure and not into another's.
        self._redis.config_set("auto-aof-rewrite-percentage", 0)
        self._server_pid = server.pid
        self.about: dict[str, Any] = {}
        self.workers: list[Running] = []

    def start(self, stack: ExitStack) -> None:
        """Start workers and sender, which end with *stack*, and let tasks run on all processes."""
        for number in range(self.system.times):
            words = self.system.command.format(number=number, url=self.url).split()
            log = self.folder / f"worker-{number}.log"
            worker = started([self.python, *words], log, self.environment)
            self.workers.append(stack.enter_context(worker))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command: list[str | Path] = [
            self.python,
            "-m",
            "benchmarks.peers.client",
            self.system.module,
        ]
        sender = started(command, self.folder / "client.log", self.environment, pipes)
        self._client = stack.enter_context(sender)
        self.about = self._read_answer()
        self.ask("warm_up", processes=PROCESSES)

    def ask(self, act: str, **arguments: Any) -> dict[str, Any]:
        """Let the sender do *act*, a method of `benchmarks.peers.client.Client`.

        Raises:
            SystemFailure: It failed, or did not answer in three minutes.
        """
        assert self._client.process.stdin is not None
        self._client.process.stdin.write(json.dumps({"act": act, **arguments}) + "\n")
        self._client.process.stdin.flush()
        return self._read_answer()

    def hold(self) -> None:
        """Stop the workers where they are, so that what is sent waits."""
        for worker in self.workers:
            worker.hold()

    def release(self) -> None:
        """Let the workers go on."""
        for worker in self.workers:
            worker.release()

    def wait_until_done(self, keys: Sequence[str]) -> None:
        """Return when no message is left and the results of *keys* are kept.

        While messages are left there is one short question to Redis each time: what it costs is in
        the server's time.

        Raises:
            SystemFailure: Not within three minutes, or a worker has ended.
        """
        deadline, outstanding = time.monotonic() + _DRAIN_WITHIN_S, [*keys]
        while (left := self.count_left()) or outstanding:
            first = outstanding[:_LOOK_AT]
            if not left and self.count_kept(first) == len(first):
                del outstanding[:_LOOK_AT]
                continue
            if time.monotonic() > deadline:
                raise SystemFailure(
                    f"{left} messages left, up to {len(outstanding)} results missing: "
                    + self.workers[0].last_words()
                )
            for worker in self.workers:
                worker.require_alive()
            time.sleep(_LOOK_EVERY_S)

    def count_kept(self, keys: Sequence[str]) -> int:
        """Return how many of the results of *keys*, at most some thousand, are kept."""
        return int(self._redis.eval(self.about["kept"], 0, *keys))

    def count_left(self) -> int:
        """Return how many messages are not yet done, as well as Redis shows it."""
        return int(self._redis.eval(self.about["left"], 0))

    def clocks(self) -> tuple[list[ProcessorClock], ProcessorClock]:
        """Return clocks of the processor time of the workers, and of the server."""
        assert self._server_pid is not None
        workers = [ProcessorClock(worker.process.pid) for worker in self.workers]
        return workers, ProcessorClock(self._server_pid)

    def _read_answer(self) -> dict[str, Any]:
        stdout = self._client.process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], _ANSWER_WITHIN_S)[0]:
            raise SystemFailure("no answer of the sender: " + self._client.last_words())
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "ended"}
        if "error" in answer:
            words = [self._client.last_words(), *(each.last_words() for each in self.workers)]
            raise SystemFailure("\n".join([f"sender: {answer['error']}", *filter(None, words)]))
        return answer


@contextmanager
def running(system: System, python: Path, folder: Path) -> Iterator[Session]:
    """Start *system* on a new server, and end both with the `with` block.

    Raises:
        SystemFailure: It did not start, or not in as many processes as it should.
    """
    folder.mkdir()
    with EmbeddedServer(folder / "redis") as server, ExitStack() as stack:
        session = Session(system, python, server, folder)
        session.start(stack)
        yield session
