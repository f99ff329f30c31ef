"""Run `flask celery ...` on the shop, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class CommandLine:
    """Starts commands with one environment, and ends them all."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return Path(self.environment["CELERIAC_STATE_DIR"])

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "shop", "celery", *words],
            env={**self.environment, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *command: str, **environment: str) -> Started:
        log = self.folder / f"log-{len(self.started)}"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return Started(process, log)

    def flask(self, *words: str, **environment: str) -> Started:
        return self.start("flask", "--app", "shop", "celery", *words, **environment)

    def is_healthy(self, role: str) -> bool:
        command = [sys.executable, "-m", "flask_celeriac.health", role]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def end(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class Started:
    """A command that runs until it is told to stop."""

    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, words: str, seconds: float = 20) -> None:
        wait_until(lambda: words in self.log.read_text(), seconds, self.log.read_text)

    def wait_for_match(self, pattern: str, seconds: float = 20) -> None:
        found = re.compile(pattern)
        wait_until(lambda: bool(found.search(self.log.read_text())), seconds, self.log.read_text)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=30)


def wait_until(
    is_true: Callable[[], bool], seconds: float = 20, explain: Callable[[], str] = str
) -> None:
    deadline_s = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline_s, explain()
        time.sleep(0.1)
