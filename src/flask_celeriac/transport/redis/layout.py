"""How keys are named, and what a message may cost: the same for all who share messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .keys import VERSION, namespace

#: Steps of kombu's priorities, the first served first.
STEPS = (0, 3, 6, 9)
SEPARATOR = "\x06\x16"
#: Starts that end with the end of their process, after which a message becomes a dead letter.
MOST_STARTS = 3
TOKEN_S = 600.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How the keys of one application are named, and what its messages may cost."""

    prefix: str = ""
    separator: str = SEPARATOR
    steps: Sequence[int] = STEPS
    most_starts: int = MOST_STARTS
    version: int = VERSION
    namespace: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace", namespace(self.prefix, self.version))

    def ready_key(self, queue: str, step: int = 0) -> str:
        """Return the list of ready messages, as kombu names it."""
        return f"{self.prefix}{queue}{self.separator}{step}" if step else f"{self.prefix}{queue}"

    def bell_key(self, queue: str) -> str:
        """Return the list on which an idle consumer waits."""
        return f"{self.namespace}bell:{queue}"

    def call_key(self, caller: str) -> str:
        """Return the list by which one consumer alone is called."""
        return f"{self.namespace}call:{caller}"

    def fixed(self) -> tuple[str, str, str]:
        """Return what every script is given first."""
        return self.namespace, self.prefix, self.separator

    def claim_arguments(
        self,
        incarnation: str,
        lease_s: float,
        limit: int,
        room: int,
        last: int,
        queues: Mapping[str, bool],
        tasks: Sequence[str],
        *,
        is_idle: bool,
        slots: int | None,
    ) -> list[Any]:
        """Return key and arguments of the script `claim`; see `MessageStore.claim`."""
        steps = ",".join(str(step) for step in self.steps)
        pairs = [word for queue, keeps in queues.items() for word in (queue, int(keeps))]
        taking = [incarnation, to_ms(lease_s), limit, room, int(is_idle)]
        running = "" if slots is None else slots
        return [*self.fixed(), *taking, running, last, steps, len(tasks), *tasks, *pairs]


def to_ms(seconds: float) -> int:
    """Return whole milliseconds."""
    return round(seconds * 1000)
