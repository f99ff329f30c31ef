"""The process with the clients of all streams, as the runner sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.processes import Running, SystemFailure, started

from .place import Place


class Clients:
    """What it can be asked for."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def ask(self, act: str, **arguments: Any) -> dict[str, Any]:
        """Let it do *act*, a method of `stream_client.Client`."""
        self.begin(act, **arguments)
        return self.answer()

    def begin(self, act: str, **arguments: Any) -> None:
        """Let it do *act*, without waiting for the `answer`."""
        stdin = self._running.process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"act": act, **arguments}) + "\n")
        stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer; the client itself limits the time."""
        stdout = self._running.process.stdout
        assert stdout is not None
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "ended"}
        if "error" in answer:
            raise SystemFailure(f"clients: {answer['error']} {self._running.last_words()}".strip())
        return answer


@contextmanager
def started_clients(here: Place) -> Iterator[Clients]:
    """Start it, and end it with the `with` block."""
    command: list[str | Path] = [here.python, "-m", "benchmarks.http.stream_client"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(command, here.folder / "clients.log", here.environment, pipes) as running:
        yield Clients(running)
