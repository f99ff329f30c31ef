"""Run `flask celery up` for real on a small project, and read what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

APP = """
from flask import Flask
from flask_celeriac import Celeriac

celeriac = Celeriac()


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config["CELERY_BEAT_SCHEDULE"] = {
        "often": {"task": "app.tasks.greet", "schedule": 1.0, "args": ["beat"]}
    }
    celeriac.init_app(app)

    @app.get("/greet")
    def greet():
        from app.tasks import greet

        return greet.delay("web").get(timeout=5)

    @app.get("/sleep")
    def sleep():
        from app.tasks import sleep

        return sleep.delay().id

    return app
"""

TASKS = """
import subprocess
import sys
import time

from app import celeriac


@celeriac.task
def greet(who: str) -> str:
    print("greeted by", who)
    return f"hello {who}"


@celeriac.task
def sleep() -> None:
    # Where the guard can find it, even a child that left the process group has to end.
    child = subprocess.Popen(["sleep", "300"], start_new_session=sys.platform == "linux")
    print(f"asleep {child.pid}")
    time.sleep(300)
"""


def make_project(folder: Path) -> Path:
    """Write a small Flask project and return its folder."""
    project = folder / "my project"
    (project / "app").mkdir(parents=True)
    (project / "app" / "__init__.py").write_text(APP)
    (project / "app" / "tasks.py").write_text(TASKS)
    return project


class Up:
    """A running `flask celery up`; killed, with what it started, at the end of a `with` block."""

    def __init__(self, project: Path, *options: str, **environ: str) -> None:
        self.lines: list[str] = []
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CELER", "FLASK"))}
        command = [sys.executable, "-m", "flask", "--app", "app", "celery", "up", *options]
        self.process = subprocess.Popen(
            command,
            cwd=project,
            env={**inherited, "PYTHONWARNINGS": "ignore", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.finish()

    def finish(self, timeout_s: float = 15.0) -> int:
        """Wait for the end and return the exit code."""
        returncode = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return returncode

    def stop(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds that the end took."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        return self.finish(), time.monotonic() - began_s

    def wait_for(self, pattern: str, *, after: int = 0, timeout_s: float = 20.0) -> re.Match[str]:
        """Wait for a line that matches, beginning with line *after*."""
        deadline = time.monotonic() + timeout_s
        while True:
            for line in self.lines[after:]:
                match = re.search(pattern, line)
                if match:
                    return match
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n" + "\n".join(self.lines)
            assert self._reader.is_alive(), f"ended without {pattern!r}:\n" + "\n".join(self.lines)
            time.sleep(0.02)

    def wait_until_ready(self) -> str:
        """Return the address of the web server."""
        return self.wait_for(r"Ready(?:: (http://\S+))?  \(Ctrl-C")[1] or ""

    def get(self, path: str) -> str:
        """Ask the web server."""
        with urllib.request.urlopen(self.wait_until_ready() + path, timeout=15) as answer:
            return answer.read().decode()

    def family(self) -> dict[psutil.Process, str]:
        """Return the command line of each process below this one."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return {child: " ".join(child.cmdline()) for child in below}


def is_gone(process: psutil.Process) -> bool:
    """Say whether a process has ended; another may have its number by now."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def one_of(family: dict[psutil.Process, str], is_meant: Callable[[str], bool]) -> psutil.Process:
    """Return the process of which the command line is meant; parents come before children."""
    return next(process for process, command in family.items() if is_meant(command))
