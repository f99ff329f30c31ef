"""Start workers together, after what killed ones were running was given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .child import Child, State
from .terminal import Terminal

_LIVING = (State.RUNNING, State.STOPPING)


class Workers:
    """The workers of one `up`.

    Args:
        children: All of them.
        give_back: Called when none of them lives; returns the number of tasks given back.
    """

    def __init__(
        self, children: Sequence[Child], terminal: Terminal, give_back: Callable[[], int]
    ) -> None:
        self._children = children
        self._terminal = terminal
        self._give_back = give_back
        for child in children:
            child.may_start = self._may_start

    def give_back(self) -> None:
        """Give back what nobody runs any more; nothing when a worker lives."""
        if any(child.state in _LIVING for child in self._children):
            return
        try:
            count = self._give_back()
        except Exception as error:
            self._terminal.warn(f"Running tasks could not be given back yet: {error}")
            return
        if count:
            tasks = "1 task was" if count == 1 else f"{count} tasks were"
            self._terminal.say(f"{tasks} cut short and given back")

    def _may_start(self) -> bool:
        if any(child.state is State.STOPPING for child in self._children):
            return False
        self.give_back()
        return True
