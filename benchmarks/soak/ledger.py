"""What happened, in a file that outlives every process that is killed.

Each line is one JSON object, written with one `write` to a file that is open for appending, so
that lines of many processes never mix. Times are of the monotonic clock, which all processes of a
machine share.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Environment of all processes: Celery's settings as JSON, the folder of the soak, and the name of
#: this start of a worker.
SETTINGS, FOLDER, WORKER = "SOAK_SETTINGS", "SOAK_FOLDER", "SOAK_WORKER"
LEDGER_NAME = "ledger.jsonl"


class Ledger:
    """Appends to the ledger at *path*; may be used by several threads, and after a fork."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, **facts: Any) -> None:
        """Append that *what* happened now."""
        line = json.dumps({"what": what, "at": time.monotonic(), **facts})
        os.write(self._fd, line.encode() + b"\n")


class Reader:
    """Reads what was added to the ledger at *path* since the last time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of all lines that are complete."""
        while True:
            at = self._file.tell()
            line = self._file.readline()
            if not line.endswith(b"\n"):
                self._file.seek(at)
                return
            yield json.loads(line)
