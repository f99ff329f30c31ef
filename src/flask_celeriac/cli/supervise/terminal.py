"""Lines of several programs in one terminal, each with the name of its program before it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from typing import TextIO

import click

_COLOURS = {
    "up": "bright_white",
    "main": "bright_white",
    "web": "cyan",
    "beat": "magenta",
    "redis": "red",
}
_WORKER_COLOURS = ("green", "yellow", "blue")


class Terminal:
    """Writes whole lines, from any thread.

    Colours only on a terminal, and not when NO_COLOR is set (Source: https://no-color.org).
    When nobody reads any more, lines are dropped and `is_gone` says so.

    Args:
        names: Every name that will be used; they are aligned.
        own_name: Before the lines of the supervisor itself.
    """

    def __init__(
        self, names: Iterable[str], stream: TextIO | None = None, *, own_name: str = "up"
    ) -> None:
        self._stream = stream or sys.stdout
        self._own_name = own_name
        self._width = max(map(len, [own_name, *names]))
        self._has_colours = _has_colours(self._stream)
        self._lock = threading.Lock()
        self.is_gone = False

    def say(self, text: str, *, colour: str | None = None, is_bold: bool = False) -> None:
        """Write a line of the supervisor itself."""
        if self._has_colours and (colour or is_bold):
            text = click.style(text, fg=colour, bold=is_bold or None)
        self.write(self._own_name, text)

    def warn(self, text: str) -> None:
        """Write a line of the supervisor itself that asks for attention."""
        self.say(text, colour="yellow")

    def write(self, name: str, text: str) -> None:
        """Write a line of the program *name*."""
        prefix = f"{name:<{self._width}} |"
        if self._has_colours:
            prefix = click.style(prefix, fg=_colour_of(name))
        with self._lock:
            try:
                self._stream.write(f"{prefix} {text}\n")
                self._stream.flush()
            except UnicodeEncodeError:
                self._stream.write(
                    f"{prefix} {text.encode('ascii', 'backslashreplace').decode()}\n"
                )
                self._stream.flush()
            except (OSError, ValueError):
                self.is_gone = True


def _colour_of(name: str) -> str:
    number = name.removeprefix("worker").lstrip("-")
    if name.startswith("worker"):
        return _WORKER_COLOURS[(int(number or 1) - 1) % len(_WORKER_COLOURS)]
    return _COLOURS.get(name, "white")


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
