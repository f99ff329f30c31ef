"""One program that is kept running: started, found ready, restarted, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import IO

from flask_celeriac.embedded import GuardedProcess

from .backoff import Backoff
from .banner import Banner
from .program import Program
from .terminal import Terminal

_LONGEST_LINE_BYTES = 64 * 1024
# A program whose words of readiness do not come (it logs elsewhere) counts as ready after this.
_SILENT_READY_S = 20.0
_AFTER_BAD_CHANGE_S = 30.0


class State(Enum):
    """Where a child is in its life."""

    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"
    """It ended by itself, and is started again at a known time."""
    STOPPED = "stopped"


class Child:
    """Keeps one program running. All methods are for one thread, and none of them waits."""

    def __init__(self, program: Program, terminal: Terminal, environ: Mapping[str, str]) -> None:
        self.program = program
        self.state = State.STOPPED
        self._terminal = terminal
        self._environ = environ
        self._backoff = Backoff()
        self._process: GuardedProcess | None = None
        self._output: threading.Thread | None = None
        self._ready = threading.Event()
        self._was_ready = False
        self._is_after_change = False
        self._is_restart = False
        self._at_s = 0.0
        self.may_start: Callable[[], bool] = lambda: True
        """Asked before each start; after a no, again a moment later."""
        self.gives_up: Callable[[], bool] = lambda: False
        """Asked when the program ended by itself: is it to stay stopped?"""
        self.failed_starts = 0
        """How many runs, one after the other up to now, ended before they were ready."""
        self.has_been_ready = False
        """Whether any run was ready."""
        self.returncode: int | None = None
        """How the last run ended: exit code, or minus the number of a signal."""

    @property
    def is_ready(self) -> bool:
        """Whether the present run said that it is ready, or is old enough to be taken for it."""
        return self._was_ready

    def start(self) -> None:
        """Start the program, now or as soon as it may."""
        if not self.may_start():
            self.state = State.WAITING
            self._at_s = time.monotonic()
            return
        self._ready = threading.Event()
        self._was_ready = False
        self._at_s = time.monotonic()
        self.state = State.RUNNING
        try:
            self._process = GuardedProcess(
                [*self.program.command],
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            self._process = None
            self._start_again_later(f"can not be started ({error.strerror})", 0.0)
            return
        self._follow(self._process)

    def tick(self) -> None:
        """Look after the program: to be called a few times a second."""
        now_s = time.monotonic()
        if self.state is State.WAITING and now_s >= self._at_s:
            self.start()
        elif self.state is State.STOPPING:
            self._go_on_stopping(now_s)
        elif self.state is State.RUNNING:
            self._look(now_s)

    def restart(self) -> None:
        """Stop the program in its own way, and start it with the code as it is now."""
        self._backoff.reset()
        self._is_after_change = True
        if self.state in (State.WAITING, State.STOPPED):
            self.start()
        else:
            self._is_restart = True
            self._begin_to_stop()

    def stop(self, number: int | None = None) -> None:
        """Begin to stop the program for good, by signal *number* or the one that it names."""
        self._is_restart = False
        if self.state is State.WAITING:
            self.state = State.STOPPED
        elif self.state is not State.STOPPED:
            self._begin_to_stop(number)

    def send_signal(self, number: int) -> None:
        """Pass a signal on to the program, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the program and all it started, at once."""
        self._is_restart = False
        if self._process is not None:
            self._process.end()
        if self.state is State.WAITING:
            self.state = State.STOPPED
        elif self.state is State.RUNNING:
            self.state = State.STOPPING

    def _begin_to_stop(self, number: int | None = None) -> None:
        if self.state is not State.STOPPING:
            self.state = State.STOPPING
            self._at_s = time.monotonic()
            self.send_signal(self.program.stop_signal if number is None else number)

    def _go_on_stopping(self, now_s: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            self._finish_output()
            self.returncode = None if process is None else process.poll()
            self.state = State.STOPPED
            if self._is_restart:
                self._is_restart = False
                self.start()
            return
        if now_s - self._at_s >= self.program.stop_limit_s:
            process.end()

    def _look(self, now_s: float) -> None:
        process = self._process
        returncode = None if process is None else process.poll()
        if returncode is not None:
            self._finish_output()
            if self._ready.is_set():
                self._note_ready()
            self.returncode = returncode
            self.failed_starts = 0 if self._was_ready else self.failed_starts + 1
            self._start_again_later(describe_end(returncode), now_s - self._at_s)
        elif not self._was_ready:
            if self._ready.is_set():
                self._note_ready()
                self._is_after_change = False
                if self.program.ready_text:
                    self._terminal.write(self.program.name, self.program.ready_text)
            elif now_s - self._at_s >= _SILENT_READY_S:
                self._note_ready()

    def _note_ready(self) -> None:
        self._was_ready = self.has_been_ready = True
        self.failed_starts = 0

    def _start_again_later(self, what: str, ran_s: float) -> None:
        if self.gives_up():
            self._terminal.say(f"{self.program.name} {what}", colour="red", is_bold=True)
            self.state = State.STOPPED
            return
        wait_s = self._backoff.after(ran_s)
        hint = f"starts again in {wait_s:.0f} s"
        if self._is_after_change and not self._was_ready:
            wait_s = _AFTER_BAD_CHANGE_S
            hint = f"starts again at the next save, or in {wait_s:.0f} s"
        self._terminal.say(f"{self.program.name} {what}; {hint}", colour="red", is_bold=True)
        self.state = State.WAITING
        self._at_s = time.monotonic() + wait_s

    def _follow(self, process: GuardedProcess) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        arguments = (process.stdout, self._ready)
        self._output = threading.Thread(target=self._pass_on, args=arguments, daemon=True)
        self._output.start()
        if self.program.probe is not None:
            threading.Thread(target=self._probe, args=(process, self._ready), daemon=True).start()

    def _pass_on(self, output: IO[bytes], ready: threading.Event) -> None:
        banner = Banner()
        name, ready_line = self.program.name, self.program.ready_line
        with output:
            while raw := output.readline(_LONGEST_LINE_BYTES):
                line = raw.decode(errors="replace").rstrip("\r\n")
                if self.program.hidden_word and self.program.hidden_word in line:
                    continue
                for shown in banner.strip(line):
                    self._terminal.write(name, shown)
                if ready_line is not None and ready_line.search(line):
                    ready.set()

    def _probe(self, process: GuardedProcess, ready: threading.Event) -> None:
        probe = self.program.probe
        while probe is not None and process.poll() is None:
            if probe():
                ready.set()
                return
            time.sleep(0.05)

    def _finish_output(self) -> None:
        if self._output is not None:
            # The last words first: everything that could write is gone, so this is short.
            self._output.join(0.5)


def describe_end(returncode: int) -> str:
    """Say how a program ended: "ended with exit code 3", "was killed by SIGKILL"."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def child_environ() -> dict[str, str]:
    """Return the environment of every child."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WERKZEUG_")}
    return {**inherited, "CELERIAC_UP": "1", "PYTHONUNBUFFERED": "1"}
