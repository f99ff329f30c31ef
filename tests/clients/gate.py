"""Lets a task go on step by step, without a server that could be lost meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


class Gate:
    """A named pipe; each byte in it is one step of the task `walk`.

    Attributes:
        path: What the task is to be given.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        # Also for reading, so that it opens before the task is there.
        self._end: int | None = os.open(path, os.O_RDWR)

    def let(self, steps: int = 1) -> None:
        """Let the task take so many steps."""
        assert self._end is not None
        os.write(self._end, b"." * steps)

    def close(self) -> None:
        """End the task, if it still walks."""
        if self._end is not None:
            os.close(self._end)
            self._end = None
