"""The state file in which a supervisor tells health probes who should be there."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import suppress

from flask_celeriac.health.state_file import StateFile, StateFolder, is_alive, named_folder, pid_of

from .terminal import Terminal

_PERIOD_S = 2.0
_LOOK_S = 0.25


class Roll:
    """Writes a state file every two seconds: the workers by node name, and when each was well.

    Args:
        workers: Node names.
        state_dir: Folder of state files; None for the one of the environment, or the default.
        terminal: Told when the file can not be written; the workers run all the same.
    """

    def __init__(self, workers: Iterable[str], state_dir: str | None, terminal: Terminal) -> None:
        self._folder = named_folder(state_dir)
        self._well_s: dict[str, float | None] = dict.fromkeys(workers)
        self._wrote_s = -math.inf
        self._file: StateFile | None = None
        self.is_stopping = False
        try:
            self._file = StateFile("supervisor", self._folder)
        except OSError as error:
            terminal.warn(f"No state file, so a health probe may not miss a worker: {error}")

    def note(self) -> None:
        """Note who is well, and write it when it is time: to be called a few times a second."""
        now_s = time.monotonic()
        if self._file is None or now_s - self._wrote_s < _PERIOD_S:
            return
        self._wrote_s = now_s
        self._well_s.update({name: now_s for name in self._at_work() if name in self._well_s})
        state = "stopping" if self.is_stopping else "running"
        # What goes wrong (a full disk) shows as a file that grows old.
        with suppress(OSError):
            self._file.write({"state": state, "beat_s": now_s, "workers": self._well_s})

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.remove()

    def has_looked(self, worker: str) -> bool:
        """Say, after a moment, whether the worker with this node name has looked for work.

        For workers whose log goes elsewhere, or says little.
        """
        time.sleep(_LOOK_S)
        return worker in self._at_work()

    def _at_work(self) -> set[str]:
        """Return the node names of the workers that live and have looked for work."""
        found: set[str] = set()
        with suppress(OSError), StateFolder(self._folder) as folder:
            for file_name in folder.names("worker"):
                facts = folder.read(file_name) or {}
                if facts.get("look_s") is not None and is_alive(pid_of(file_name)):
                    found.add(str(facts.get("name")))
        return found
