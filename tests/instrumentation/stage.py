"""Our application and the plain one, beside each other, with all their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).parent
KINDS = ("ours", "plain")
_OURS = ("flask", "--app", "observed", "celery")
_PLAIN = ("celery", "-A", "observed:celery")


@dataclass
class Stage:
    """One kind of application on an empty database, seen by one tool."""

    kind: str
    tool: str
    url: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        with redis.Redis.from_url(self.url) as client:
            client.flushdb()

    @property
    def seen(self) -> list[dict[str, Any]]:
        """What the tool has seen so far, in all processes."""
        path = self.folder / "seen"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def command(self, *words: str) -> None:
        """Start a command of the application's program: a worker, or beat."""
        self.start(*(_OURS if self.kind == "ours" else _PLAIN), *words)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", *words],
                env={
                    **os.environ,
                    "OBSERVED_KIND": self.kind,
                    "OBSERVED_TOOL": self.tool,
                    "OBSERVED_URL": self.url,
                    "OBSERVED_FILE": str(self.folder / "seen"),
                    "CELERIAC_STATE_DIR": str(self.folder / "state"),
                    "PYTHONPATH": str(HERE),
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def worker(self, pool: str, *options: str, slots: int = 2) -> None:
        quiet = ("-l", "info", "--without-mingle", "--without-gossip")
        self.command("worker", "-P", pool, "-c", str(slots), *quiet, *options)

    def end(self) -> None:
        """End all; what a worker runs is finished first."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def stages(tool: str, server_url: str, folder: Path) -> Iterator[dict[str, Stage]]:
    """Yield one stage of each kind; whatever they started has ended afterwards."""
    with ExitStack() as stack:
        found = {}
        for number, kind in enumerate(KINDS):
            url = f"{server_url.rpartition('/')[0]}/{number}"
            found[kind] = Stage(kind, tool, url, folder / kind)
            stack.callback(found[kind].end)
        yield found


def observe(tool: str, pool: str, server_url: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Let a worker of each kind do what its sender sends; returns what *tool* saw."""
    with stages(tool, server_url, folder) as both:
        for stage in both.values():
            stage.worker(pool)
        for stage, sender in [(s, s.start("observed")) for s in both.values()]:
            assert sender.wait(60) == 0, stage.log
    return {kind: stage.seen for kind, stage in both.items()}
