"""Keep all programs running until somebody wants the end, then stop them in order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .changes import Changes, first_syntax_error
from .child import Child, State
from .keeper import ServerKeeper
from .terminal import Terminal
from .workers import Workers

_TICK_S = 0.1
_STOP_TICK_S = 0.02
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The whole end takes less than ten seconds: workers have until the first, all until the second.
_WORKERS_UNTIL_S = 9.0
_ALL_UNTIL_S = 9.8
# Web and beat are given this long each before those behind them are told to stop as well.
_STEP_S = 0.25
# Workers without a task end within this time.
_PATIENCE_S = 2.8


class Supervisor:
    """Runs children until a signal.

    Args:
        children: In the order in which they are stopped.
        keeper: The embedded server, if there is one; it stops last.
        workers: Told when all have ended, if what they were running is to be given back here.
        changes: What was saved; None without reload.
        ready_text: Said once, when every child was ready.
    """

    def __init__(
        self,
        children: Sequence[Child],
        terminal: Terminal,
        *,
        keeper: ServerKeeper | None = None,
        workers: Workers | None = None,
        changes: Changes | None = None,
        ready_text: str = "Ready",
    ) -> None:
        self._children = children
        self._terminal = terminal
        self._keeper = keeper
        self._workers = workers
        self._changes = changes
        self._ready_text: str | None = ready_text
        self._signals: list[int] = []
        self._told_problem: str | None = None

    def run(self) -> int:
        """Start all children and return when everything has ended.

        Returns:
            The exit code: 0 after an orderly end, 130 when the second Ctrl-C cut it short.
        """
        with self._signals_noted():
            for child in self._children:
                child.start()
            while not self._signals and not self._terminal.is_gone:
                self._look_around()
                time.sleep(_TICK_S)
            return self._stop()

    def _look_around(self) -> None:
        is_server_elsewhere = self._keeper is not None and self._keeper.tick()
        for child in self._children:
            if is_server_elsewhere:
                child.restart()
            child.tick()
        if self._changes is not None:
            self._follow_changes(self._changes)
        if self._ready_text and all(child.is_ready for child in self._children):
            self._terminal.say(self._ready_text, colour="green", is_bold=True)
            self._ready_text = None

    def _follow_changes(self, changes: Changes) -> None:
        if changes.problem and changes.problem != self._told_problem:
            self._told_problem = changes.problem
            self._terminal.warn(changes.problem)
        files = changes.take()
        affected = [child for child in self._children if child.program.is_restarted_on_change]
        if not files or not affected:
            return
        names = ", ".join(child.program.name for child in affected)
        mistake = first_syntax_error(files)
        if mistake is not None:
            self._terminal.say(mistake, colour="red", is_bold=True)
            self._terminal.warn(f"Until the next save the former code goes on in {names}.")
            return
        self._terminal.say(f"{_shown(files)} changed: {names} restart")
        for child in affected:
            child.restart()

    def _stop(self) -> int:
        self._terminal.say("Stopping ... (Ctrl-C again: at once)", is_bold=True)
        began_s = time.monotonic()
        if self._changes is not None:
            self._changes.stop()
        heard = len(self._signals)
        for position, child in enumerate(self._children):
            child.stop()
            is_followed_by_other_kind = position < self._count_before_workers()
            limit_s = time.monotonic() + (_STEP_S if is_followed_by_other_kind else 0.0)
            self._wait_for([child], limit_s, heard)
        self._wait_for(self._children, began_s + _PATIENCE_S, heard)
        if not self._have_stopped(self._children) and len(self._signals) == heard:
            self._terminal.say("Running tasks may end; what takes longer is given back ...")
        self._wait_for(self._children, began_s + _WORKERS_UNTIL_S, heard)
        for child in self._children:
            child.kill()
        self._wait_for(self._children, time.monotonic() + 1.0, len(self._signals))
        if self._workers is not None:
            self._workers.give_back()
        if self._keeper is not None:
            self._keeper.server.stop()
        is_cut_short = len(self._signals) > heard
        self._terminal.say("Stopped at once." if is_cut_short else "Everything has stopped.")
        return 130 if is_cut_short else 0

    def _count_before_workers(self) -> int:
        return sum(not child.program.name.startswith("worker") for child in self._children)

    def _wait_for(self, children: Sequence[Child], until_s: float, heard: int) -> None:
        """Wait until all *children* have ended, the time is over, or one more signal came."""
        while len(self._signals) <= heard and time.monotonic() < until_s:
            for child in self._children:
                child.tick()
            if self._have_stopped(children):
                return
            time.sleep(_STOP_TICK_S)

    def _have_stopped(self, children: Sequence[Child]) -> bool:
        return all(child.state is State.STOPPED for child in children)

    @contextlib.contextmanager
    def _signals_noted(self) -> Iterator[None]:
        # Whatever hangs, even the terminal: with this process gone, the guards end all the rest.
        by_force = threading.Timer(_ALL_UNTIL_S, os._exit, [1])
        by_force.daemon = True

        def note(number: int, _: object) -> None:
            self._signals.append(number)
            if len(self._signals) == 1:
                by_force.start()

        # Under nohup a hang-up is to be ignored.
        numbers = [n for n in _STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            by_force.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)


def _shown(files: set[Path]) -> str:
    here = Path.cwd()
    names = [
        str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
        for file in sorted(files)
    ]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
