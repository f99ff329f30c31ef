"""The way of a task through the transport of Flask-Celeriac: published, claimed, finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from flask_celeriac.transport.redis.outcome import Ending, Outcome
from flask_celeriac.transport.redis.replies import Claimed

from .gauge import Reading
from .place import Place

INCARNATION = "growth.0.0"
LEASE_S = 60.0
_BATCH = 10
_RESULT = '{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "task_id": "%s"}'
_KEPT_S = 86_400


@dataclass(frozen=True, slots=True)
class Route:
    """Who consumes what.

    Attributes:
        queue: Where messages go.
        consumed: All that are consumed together, in the order in which they are served.
        empty: As many others, in which there never is anything.
    """

    queue: str = "growth"
    consumed: Sequence[str] = ("growth",)
    empty: Sequence[str] = ("empty",)


def walk(place: Place, route: Route, count: int) -> dict[str, Reading]:
    """Let *count* tasks go all the way one by one, and *count* ten by ten.

    As many are taken as were put there, so that what waits stays as much.
    """
    found = {}
    for batch in (1, _BATCH):
        steps = _Steps(place, route, batch)
        calls, label = count // batch, f" of {batch}" if batch > 1 else ""
        found[f"publish{label}"] = place.gauge.read(steps.publish, calls, batch)
        found[f"claim{label}"] = place.gauge.read(steps.claim, calls, batch)
        steps.prepare()
        found[f"finish{label}"] = place.gauge.read(steps.finish, calls, batch)
        steps.forget()
    found["claim in vain"] = place.gauge.read(lambda: _claim_in_vain(place, route), count)
    return found


def take(place: Place, queues: Sequence[str], limit: int, who: str = INCARNATION) -> Claimed:
    """Claim *limit* messages.

    Raises:
        AssertionError: There were not so many.
    """
    found = place.store.claim(who, dict.fromkeys(queues, True), limit, lease_s=LEASE_S)
    if len(found.deliveries) != limit:
        raise AssertionError(f"{len(found.deliveries)} messages were claimed instead of {limit}")
    return found


def finish(place: Place, numbers: Sequence[int], who: str = INCARNATION) -> None:
    """End claims without a result.

    Raises:
        AssertionError: One of them was lost.
    """
    if place.store.settle(who, numbers) != len(numbers):
        raise AssertionError("a claim was lost")


class _Steps:
    """What is called again and again, and what it needs and leaves behind."""

    def __init__(self, place: Place, route: Route, batch: int) -> None:
        self._place, self._route, self._batch = place, route, batch
        self._taken: list[list[int]] = []
        self._owed: list[list[tuple[int, Outcome | None]]] = []
        self._keys: list[str] = []

    def publish(self) -> None:
        token = uuid4().hex
        self._keys.append(f"{self._place.store.layout.namespace}token:{token}")
        bodies = [next(self._place.bodies) for _ in range(self._batch)]
        self._place.store.publish_many(self._route.queue, bodies, token=token)

    def claim(self) -> None:
        found = take(self._place, self._route.consumed, self._batch)
        self._taken.append([delivery.number for delivery in found.deliveries])

    def prepare(self) -> None:
        """Make the results, as a worker has them when it acknowledges."""
        self._owed = [[(number, self._outcome()) for number in each] for each in self._taken]

    def finish(self) -> None:
        endings = self._place.store.finish(INCARNATION, self._owed.pop())
        if any(ending is not Ending.ENDED for ending in endings):
            raise AssertionError(f"claims ended as {endings}")

    def forget(self) -> None:
        """Delete results and tokens, which would make the database grow."""
        self._place.client.unlink(*self._keys)

    def _outcome(self) -> Outcome:
        id_ = str(uuid4())
        key = f"celery-task-meta-{id_}"
        self._keys.append(key)
        return Outcome(key.encode(), _RESULT % id_, _KEPT_S, store=_never, tell_late=_never)


def _claim_in_vain(place: Place, route: Route) -> None:
    empty = dict.fromkeys(route.empty, True)
    place.store.claim(INCARNATION, empty, _BATCH, lease_s=LEASE_S, is_idle=True)


def _never() -> None:
    raise AssertionError("a result must be stored at once")
