"""Starts the roles of a demo as processes, as a person or a container would, and ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import requests

T = TypeVar("T")

DEMO = Path(__file__).parents[2] / "examples" / "flask-celery-demo"
RUN_SH = str(DEMO / "run.sh")
START_S = 40.0
#: Settings of this machine that would change what the demo does.
_OURS = ("CELERY", "CELERIAC", "FLASK", "GUNICORN", "PORT", "SECRET_KEY")


def until(look: Callable[[], T | None], what: str, within_s: float = START_S) -> T:
    """Look again until *look* gives something true, and return that.

    Raises:
        AssertionError: It did not within *within_s* seconds; says *what* was waited for.
    """
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what configures Flask or Celery, with *more*."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def broker(url: str) -> dict[str, str]:
    return {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}


def get(url: str, timeout_s: float = 20) -> requests.Response | None:
    """The answer, or None while nobody listens."""
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=timeout_s)
    return None


@dataclass
class Process:
    """A running role, in a process group of its own, with what it printed."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, within_s: float = START_S) -> None:
        def look() -> bool:
            assert self.popen.poll() is None, f"ended with {self.popen.returncode}:\n{self.output}"
            return text in self.output

        until(look, f"{text!r} in:\n{self.output}", within_s)

    def stop(self, within_s: float = 40) -> int:
        """Ask it to end, as `docker stop` does, and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within_s)

    def kill(self) -> None:
        """End it and its children at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)


@dataclass
class Processes:
    """All that was started from one folder."""

    folder: Path
    scratch: Path
    environ: Mapping[str, str] = field(default_factory=environment)
    _all: list[Process] = field(default_factory=list)

    def start(self, command: Sequence[str], **more: str) -> Process:
        log = self.scratch / f"{len(self._all)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._all.append(Process(popen, log))
        return self._all[-1]

    def web(self, *command: str, path: str = "/", **more: str) -> str:
        """Start a web role on a free port, wait until it answers *path*, return its address."""
        port = str(free_port())
        process = self.start(command, FLASK_RUN_HOST="127.0.0.1", FLASK_RUN_PORT=port, **more)
        address = f"http://127.0.0.1:{port}"

        def look() -> bool:
            assert process.popen.poll() is None, process.output
            return get(address + path) is not None

        until(look, f"{command} answers")
        return address

    def worker(self, *command: str, **more: str) -> Process:
        """Start a worker role, and wait until it is ready."""
        process = self.start([*command, "--loglevel", "INFO"], **more)
        process.wait_for(" ready.")
        return process

    def kill_all(self) -> None:
        for process in self._all:
            process.kill()
