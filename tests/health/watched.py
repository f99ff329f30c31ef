"""A worker or beat of the plain app that is watched by the probe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Watched:
    """A process of `celery -A plain`, and its health."""

    process: subprocess.Popen[str]
    role: str
    log: Path
    state: Path

    def probe(self) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "flask_celeriac.health", self.role, "--state-dir", self.state],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.returncode, done.stdout

    def wait_until(self, code: int, seconds: float, words: str = "") -> float:
        """Return how many seconds it took until the probe's exit code was *code*."""
        before_s = time.monotonic()
        while time.monotonic() - before_s < seconds:
            seen, text = self.probe()
            if seen == code and words in text:
                return time.monotonic() - before_s
            time.sleep(0.2)
        raise AssertionError(
            f"never {code} {words!r}: {self.probe()}\n{self.log.read_text()[-3000:]}"
        )

    def stays_healthy(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            assert self.probe()[0] == 0, self.probe()
            time.sleep(0.5)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=30)
