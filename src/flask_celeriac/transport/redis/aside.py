"""What waits in Redis for something else than a free slot, and what people ask of queues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from redis import Redis

from . import scripts
from .layout import Layout
from .replies import DeadLetter, dead_letter

_PORTION = 1000


class Aside:
    """Parked messages, dead letters, cancellations, and whole queues; a part of `MessageStore`."""

    def __init__(self, client: Redis, layout: Layout) -> None:
        # The stubs of redis-py allow for clients that decode.
        self.client: Any = client
        self.layout = layout
        self._run_script = partial(scripts.run, client)

    def parked_tasks(self) -> list[str]:
        """Return the names of tasks with parked messages."""
        return sorted(name.decode() for name in self._members("parked"))

    def parked(self) -> dict[str, int]:
        """Return the names of tasks with parked messages, and how many each has."""
        return {
            name: self.client.llen(f"{self.layout.namespace}parked:{name}")
            for name in self.parked_tasks()
        }

    def dead_letters(self, start: int = 0, limit: int = 100) -> list[DeadLetter]:
        """Return dead letters, the youngest first."""
        ns = self.layout.namespace
        numbers = self.client.zrevrange(f"{ns}dead", start, start + limit - 1)
        with self.client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hgetall(f"{ns}dead:{int(number)}")
            found = zip(numbers, pipe.execute(), strict=True)
        return [dead_letter(int(number), fields) for number, fields in found if fields]

    def dead_letter(self, number: int) -> DeadLetter | None:
        """Return one dead letter; None when there is none of that number."""
        found = self.client.hgetall(f"{self.layout.namespace}dead:{number}")
        return dead_letter(number, found) if found else None

    def count_dead(self) -> int:
        """Return how many dead letters there are."""
        return int(self.client.zcard(f"{self.layout.namespace}dead"))

    def unreported(self) -> list[int]:
        """Return the numbers of dead letters whose waiters were not told yet."""
        return sorted(int(number) for number in self._members("unreported"))

    def report(self, number: int) -> None:
        """Say that the waiters of a dead letter were told."""
        self.client.srem(f"{self.layout.namespace}unreported", number)

    def replay(self, numbers: Iterable[int]) -> int:
        """Make dead letters ready again, as if they had never been tried."""
        return int(self._run("replay", *numbers))

    def discard(self, numbers: Iterable[int]) -> int:
        """Delete dead letters for good."""
        return int(self._run("discard", *numbers))

    def cancel(self, task_id: str) -> None:
        """Let the task *task_id* not start any more, whatever is restarted; kept for 30 days."""
        self._run("cancel", task_id)

    def cancelled(self) -> set[str]:
        """Return the ids of all cancelled tasks."""
        ids = self.client.zrange(f"{self.layout.namespace}cancelled", 0, -1)
        return {id_.decode() for id_ in ids}

    def size(self, queue: str) -> int:
        """Return how many messages of *queue* are ready."""
        with self.client.pipeline(transaction=False) as pipe:
            for step in self.layout.steps:
                pipe.llen(self.layout.ready_key(queue, step))
            return sum(pipe.execute())

    def has_ready(self, queue: str) -> bool:
        """Return whether any message of *queue* is ready; asks the server once."""
        keys = [self.layout.ready_key(queue, step) for step in self.layout.steps]
        return bool(self.client.exists(*keys))

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue*: ready, delayed, suspected and parked.

        Delayed messages are looked at in portions, so that the server answers others meanwhile.

        Returns:
            How many messages were deleted. Claimed ones and dead letters stay.
        """
        total, cursor, seen = 0, b"0", b""
        while True:
            cursor, count, seen = self._run("purge_delayed", queue, cursor, seen, _PORTION)
            total += int(count)
            if cursor == b"0":
                break
        # After those: what has become due meanwhile is ready.
        steps = ",".join(str(step) for step in self.layout.steps)
        return total + int(self._run("purge", queue, steps))

    def suspected(self) -> list[str]:
        """Return the queues with messages that are taken one at a time; looks at all keys."""
        return self._queues_with("suspects")

    def _queues_with(self, name: str) -> list[str]:
        """Return the queues that have a key of this name."""
        known = f"{self.layout.namespace}{name}:"
        found = self.client.scan_iter(match=f"{_literally(known)}*", count=1000)
        return [key.decode().removeprefix(known) for key in found]

    def _in_portions(self, name: str, *before: Any, after: Sequence[Any] = ()) -> int:
        """Run a script that takes a limit until it does less than that."""
        total, limit = 0, 100
        while True:
            count = int(self._run(name, *before, limit, *after))
            total += count
            if count < limit:
                return total

    def _members(self, name: str) -> set[bytes]:
        found: set[bytes] = self.client.smembers(f"{self.layout.namespace}{name}")
        return found

    def _run(self, name: str, *arguments: Any) -> Any:
        return self._run_script(name, *self.layout.fixed(), *arguments)


def _literally(text: str) -> str:
    """Return the pattern that matches *text* alone."""
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)
