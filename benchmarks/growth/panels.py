"""What may make a task dearer: one panel each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .claimants import Claimants
from .gauge import Reading
from .ours import Route, finish, take, walk
from .place import Place, private_server
from .scale import Scale
from .stock import Stock

_SOME = 1_000
_IN_EACH = 10
_FAR_S = 36_000.0
_NEAR_S = 0.001
_BATCH = 10

Visit = Callable[[], dict[str, Reading]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One thing that grows.

    Attributes:
        name: For people and files.
        axis: What is counted.
        prepare: Makes a point of one size in a database; returns what is measured there.
        sizes: The smallest first.
    """

    name: str
    axis: str
    prepare: Callable[[Place, int, Scale], Visit]
    sizes: Sequence[int]

    def measure(self, scale: Scale) -> dict[int, list[dict[str, Reading]]]:
        """Visit all points in turn; return the readings of each, by round."""
        found: dict[int, list[dict[str, Reading]]] = {size: [] for size in self.sizes}
        with self._points(scale) as visits:
            for number in range(1 + scale.rounds):
                order = [*visits] if number % 2 else [*reversed(visits)]
                for size in order:
                    reading = visits[size]()
                    if number:  # connections, scripts and caches: not counted
                        found[size].append(reading)
        return found

    @contextmanager
    def _points(self, scale: Scale) -> Iterator[dict[int, Visit]]:
        with private_server() as server:
            places = {size: server.place(i) for i, size in enumerate(self.sizes)}
            yield {size: self._point(place, size, scale) for size, place in places.items()}

    def _point(self, place: Place, size: int, scale: Scale) -> Visit:
        visit = self.prepare(place, size, scale)
        place.settle()
        return visit


def panels(scale: Scale) -> list[Panel]:
    """Return all that one process can measure."""
    return [
        Panel("waiting", "messages that wait", _waiting, scale.waiting),
        Panel("claimants", "processes with leases", _claimants, scale.claimants),
        Panel("existing queues", "queues, one consumed", _existing, scale.existing),
        Panel("consumed queues", "queues, all consumed", _consumed, scale.consumed),
        Panel("delayed", "messages due in ten hours", _delayed, scale.delayed),
        # With a server of its own: what Lua has collected after it would burden what comes next.
        Panel("purge", "messages of others, due in ten hours", _purge, scale.delayed),
    ]


def _waiting(place: Place, size: int, scale: Scale) -> Visit:
    place.fill("growth", size)
    stock = Stock(place, "growth", ["growth"])
    return lambda: walk(place, Route(), scale.tasks) | stock.walk(scale.tasks)


def _claimants(place: Place, size: int, scale: Scale) -> Visit:
    claimants = Claimants(place, size)
    place.fill("growth", _SOME)
    return lambda: claimants.visit(scale.tasks) | walk(place, Route(), scale.tasks)


def _existing(place: Place, size: int, scale: Scale) -> Visit:
    for number in range(size):
        place.fill(f"growth-{number}", _IN_EACH)
    queue = f"growth-{size - 1}"
    stock = Stock(place, queue, [queue])
    return lambda: walk(place, Route(queue, [queue]), scale.tasks) | stock.walk(scale.tasks)


def _consumed(place: Place, size: int, scale: Scale) -> Visit:
    """Messages in all queues; and beside them as many queues, with messages in the last alone."""
    busy, quiet, empty = (
        [f"{name}-{number}" for number in range(size)] for name in ("busy", "quiet", "empty")
    )
    for queue in (*busy, quiet[-1]):
        place.fill(queue, _IN_EACH)
    stock = Stock(place, quiet[-1], quiet)
    routes = Route(busy[0], busy, empty), Route(quiet[-1], quiet, empty)

    def visit() -> dict[str, Reading]:
        found, in_last = (walk(place, route, scale.tasks) for route in routes)
        last = {f"{name}, last queue": in_last[name] for name in ("claim", "claim of 10")}
        return found | last | stock.walk(scale.tasks)

    return visit


def _delayed(place: Place, size: int, scale: Scale) -> Visit:
    place.fill("growth", size, delay_s=_FAR_S)
    place.fill("growth", _SOME)
    return lambda: walk(place, Route(), scale.tasks) | _short_delays(place, scale.tasks)


def _purge(place: Place, size: int, _: Scale) -> Visit:
    place.fill("growth", size, delay_s=_FAR_S)
    return lambda: {"purge": place.gauge.read(lambda: place.store.purge("empty"), 1)}


def _short_delays(place: Place, count: int) -> dict[str, Reading]:
    """Delay tasks for a moment; they are claimed, and others, once they are due."""
    store = place.store

    def delay() -> None:
        store.publish("growth", next(place.bodies), delay_s=_NEAR_S)

    numbers: list[int] = []

    def claim() -> None:
        found = take(place, ["growth"], _BATCH)
        numbers.extend(delivery.number for delivery in found.deliveries)

    found = {
        "publish, delayed": place.gauge.read(delay, count),
        "claim of 10, due": place.gauge.read(claim, count // _BATCH, _BATCH),
    }
    finish(place, numbers)
    return found
