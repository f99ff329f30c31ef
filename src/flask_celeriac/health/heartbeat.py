"""The thread that keeps a process's state file fresh, whatever the process is doing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask_celeriac.native_thread import NativeThread

from .state_file import StateFile

#: Seconds between two writes: five fit into the ten after which a probe calls a process dead.
PERIOD_S = 2.0


class Heartbeat:
    """Writes a state file every `PERIOD_S` seconds from a thread of the operating system.

    A greenlet would fall silent while a task computes, so under gevent and eventlet the
    thread is made with the unpatched primitives. For the same reason it takes no lock and
    logs nothing; *facts* must only read plain attributes. It ends the heartbeat by returning
    None. An extension in C that holds the interpreter lock for ten seconds does silence it.
    """

    def __init__(self, file: StateFile, facts: Callable[[], Mapping[str, Any] | None]) -> None:
        self._file = file
        self._facts = facts
        self._is_stopped = False
        self._pid = os.getpid()
        self._thread = NativeThread(self._run)

    def start(self) -> None:
        """Write the first time, then go on in the background.

        Raises:
            OSError: The file can not be written; no thread was started.
        """
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Remove the file and end the thread; safe to repeat, and in a forked child."""
        if os.getpid() == self._pid:
            self._is_stopped = True
            self._thread.stop()
            self._file.remove()

    def _run(self, thread: NativeThread) -> None:
        while not self._is_stopped and thread.rest(PERIOD_S):
            # What goes wrong (a full disk) shows as a state file that grows old.
            with suppress(Exception):
                self._beat()
        self._file.remove()

    def _beat(self) -> None:
        facts = None if self._is_stopped else self._facts()
        if facts is None:
            self._is_stopped = True
        else:
            self._file.write({**facts, "beat_s": time.monotonic()})
