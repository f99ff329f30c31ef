"""Keep several workers of one command running until a signal, and end with all of them.

`python -m flask_celeriac.cli.supervise.crew --names NAME,NAME ... -- COMMAND` runs COMMAND once
for each node name. `flask celery worker --processes` becomes this program: it has not loaded
the application, so it costs little memory and has none of its threads and connections.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial

from flask_celeriac.execute.beside import PROCESSES

from .child import Child, State, describe_end
from .program import WORKER_READY, Program
from .roll import Roll
from .terminal import Terminal

_TICK_S = 0.1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_MOST_FAILED_STARTS = 3
# Wrong options or an unsafe server: the next start would end in the same way.
_HOPELESS_CODES = (2, os.EX_USAGE, os.EX_CONFIG)


class Crew:
    """Workers that are started again when they die, and end together.

    Args:
        children: All of them; none is started yet.
        roll: Tells health probes who should be there.
    """

    def __init__(self, children: Sequence[Child], terminal: Terminal, roll: Roll) -> None:
        self._children = children
        self._terminal = terminal
        self._roll = roll
        self._signals: list[int] = []
        self._is_ready = False
        for child in children:
            child.gives_up = partial(self._is_hopeless, child)

    def run(self) -> int:
        """Start all workers and return when all have ended.

        Returns:
            0 when all ended with 0 after a signal (Celery's ends with 1 after SIGINT); else the
            exit code of the first that did not, or of the one that can not start.
        """
        with self._signals_noted():
            for child in self._children:
                child.start()
            number = 0
            while not (number := self._stop_signal()) and not self._lost():
                self._look_around()
                time.sleep(_TICK_S)
            code = self._end(number) if number else self._give_up()
        self._roll.close()
        return code

    def _look_around(self) -> None:
        for child in self._children:
            child.tick()
        self._roll.note()
        if not self._is_ready and all(child.is_ready for child in self._children):
            self._is_ready = True
            self._terminal.say("All workers are ready.", colour="green", is_bold=True)

    def _stop_signal(self) -> int:
        """Return the next signal that asks for the end, else 0; others are passed on."""
        while self._signals:
            number = self._signals.pop(0)
            if number in _STOP_SIGNALS:
                # Celery's worker starts anew on a hang-up, and we are without a terminal now.
                return signal.SIGTERM if number == signal.SIGHUP else number
            for child in self._children:
                if child.is_ready:
                    child.send_signal(number)
        return 0

    def _lost(self) -> list[Child]:
        return [child for child in self._children if child.state is State.STOPPED]

    def _is_hopeless(self, child: Child) -> bool:
        """A worker that never was ready will not be; one that was, has hope while others run."""
        most = 1 if child.returncode in _HOPELESS_CODES else _MOST_FAILED_STARTS
        if child.has_been_ready:
            return all(other.failed_starts >= _MOST_FAILED_STARTS for other in self._children)
        return child.failed_starts >= most

    def _give_up(self) -> int:
        child = self._lost()[0]
        code = child.returncode or 0
        count = child.failed_starts
        times = "it" if count == 1 else f"{count} times it"
        self._terminal.say(
            f"{child.program.name} can not start: {times} {describe_end(code)} before it was "
            "ready; its lines above say why. All workers stop.",
            colour="red",
            is_bold=True,
        )
        self._end(signal.SIGTERM)
        return _exit_code(code) or 1

    def _end(self, number: int) -> int:
        """Pass the first signal and later ones on, and wait as long as the workers take."""
        # A worker that is just starting knows no order yet, and ends by the signal itself.
        grown = [child for child in self._children if child.is_ready]
        for child in self._children:
            child.stop(number)
        self._roll.is_stopping = True
        name = signal.Signals(number).name
        self._terminal.say(f"{name}: all workers end (the next signal is passed on as well)")
        while any(child.state is not State.STOPPED for child in self._children):
            self._look_around()
            if again := self._stop_signal():
                for child in self._children:
                    child.send_signal(again)
            time.sleep(_TICK_S)
        codes = [_exit_code(child.returncode or 0) for child in grown]
        code = next((code for code in codes if code), 0)
        self._terminal.say("All workers have ended.")
        return code

    @contextlib.contextmanager
    def _signals_noted(self) -> Iterator[None]:
        # Under nohup a hang-up is to be ignored. SIGUSR1 asks Celery's worker for its stacks.
        numbers = [n for n in _STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        for number in (*numbers, signal.SIGUSR1):
            signal.signal(number, lambda number, _: self._signals.append(number))
        yield


def _exit_code(returncode: int) -> int:
    """Return what a shell would say."""
    return returncode if returncode >= 0 else 128 - returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line that `launch` made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", required=True, type=lambda names: names.split(","))
    parser.add_argument("--state-dir")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    names = {f"worker-{n}": name for n, name in enumerate(options.names, 1)}
    terminal = Terminal(names, own_name="main")
    roll = Roll(names.values(), options.state_dir, terminal)
    environ = {**os.environ, PROCESSES: str(len(names)), "PYTHONUNBUFFERED": "1"}
    children = [
        Child(_program(name, node, options.command, roll), terminal, environ)
        for name, node in names.items()
    ]
    terminal.say(f"{len(names)} workers: {', '.join(names.values())}", is_bold=True)
    return Crew(children, terminal, roll).run()


def _program(name: str, node: str, command: Sequence[str], roll: Roll) -> Program:
    return Program(
        name=name,
        command=[*command, f"--hostname={node}"],
        stop_limit_s=math.inf,
        ready_line=WORKER_READY,
        probe=lambda: roll.has_looked(node),
    )


if __name__ == "__main__":
    sys.exit(main())
