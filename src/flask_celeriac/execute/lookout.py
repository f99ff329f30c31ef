"""Whether a worker really looks for work: a process that exists may consume nothing.

A look succeeds when the event loop answers and one of these is true:

- there is nothing to look for: all slots are busy, or no more messages may be prefetched;
- the queues that the worker consumes from are empty;
- messages wait there, and the worker took some since the last look.

The depth is asked over a connection of the lookout's own, so that a consumer whose connection
went silent is noticed. An idle worker that leaves messages in its queue look after look is ill:
a broker hands a waiting consumer the first message at once.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from celery import signals
from celery.worker import state

from flask_celeriac.transport.probe import BrokerProbe

#: Seconds between two looks. With the 30 s after which a probe gives up on a worker, one that
#: stops consuming is found out within 40 s.
PERIOD_S = 5.0
#: Seconds for the loop to answer; a loop without the hub turns every two seconds.
LOOP_ANSWER_S = 3.0

#: What became of messages that never reached a slot: they were taken, too.
_REFUSALS = (signals.task_unknown, signals.task_rejected, signals.task_revoked)


@dataclass(frozen=True, slots=True)
class LoopView:
    """What the event loop's own thread sees of its consumer."""

    is_connected: bool
    has_room: bool
    queues: tuple[str, ...]


class Lookout:
    """Looks, every `PERIOD_S` seconds, whether *worker* looks for work.

    Runs in a thread, which monkey patching makes a greenlet in green pools. Attributes are
    replaced, never changed, so that the heartbeat's thread may read them at any time.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._probe = BrokerProbe(worker.app)
        self._view: LoopView | None = None
        self._is_asked = False
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._refused = 0
        self._taken_before = self._taken()
        #: Monotonic seconds of the last look that succeeded, None before the first.
        self.look_s: float | None = None
        #: Why the last look failed, or "".
        self.why = ""
        self.queues: tuple[str, ...] = ()
        self._turned_s = time.monotonic()

    def start(self) -> None:
        """Look for the first time as soon as the loop turns, then go on in the background."""
        for signal in _REFUSALS:
            signal.connect(self._count_refusal)
        threading.Thread(target=self._run, name="celeriac-lookout", daemon=True).start()

    def stop(self) -> None:
        """End the background thread soon; safe to repeat."""
        self._ended.set()
        for signal in _REFUSALS:
            signal.disconnect(self._count_refusal)

    def _run(self) -> None:
        while not self._ended.is_set():
            why = self._look()
            if not self._ended.is_set():
                self.look_s = self.look_s if why else time.monotonic()
                self.why = why
                self._turned_s = time.monotonic()
            self._ended.wait(PERIOD_S if self.look_s else 0.5)
        self._probe.close()

    def is_stifled(self, now_s: float) -> bool:
        """Return whether a computing greenlet keeps even this lookout from running."""
        return is_green(self._worker) and now_s - self._turned_s > PERIOD_S + LOOP_ANSWER_S + 2

    def _look(self) -> str:
        """Look once; return why that failed, or ""."""
        taken, self._taken_before = self._taken_before, self._taken()
        if not self._does_loop_answer():
            return self._excuse()
        view = self._view
        if view is None or is_full(self._worker):
            return ""
        self.queues = view.queues
        if not view.is_connected:
            return "no connection to the broker"
        if not view.queues:
            return "consumes from no queue"
        if not view.has_room and _has_messages(self._worker):
            return ""
        return self._compare(view.queues, taken)

    def _does_loop_answer(self) -> bool:
        if not self._is_asked:
            self._is_asked = True
            self._answered.clear()
            self._worker.consumer.call_soon(self._answer)
        return self._answered.wait(LOOP_ANSWER_S)

    def _answer(self) -> None:
        """Runs on the event loop's thread."""
        self._view = view_of(self._worker.consumer)
        self._is_asked = False
        self._answered.set()

    def _excuse(self) -> str:
        """The loop is silent: fine only where tasks run on it, or while it reconnects."""
        if is_full(self._worker):
            if runs_on_loop(self._worker) or self._worker.consumer.connection is None:
                return ""
        elif self._worker.consumer.connection is None:
            return "no connection to the broker"
        return "the event loop does not answer"

    def _compare(self, queues: tuple[str, ...], taken_before: tuple[int, ...]) -> str:
        try:
            depths = self._probe.depths(queues)
        except OSError as error:
            return f"the broker does not answer ({error.__cause__.__class__.__name__})"
        waiting = {queue: depth for queue, depth in depths.items() if depth}
        if not waiting or self._taken() != taken_before:
            return ""
        counts = ", ".join(f"{depth} in {queue!r}" for queue, depth in waiting.items())
        return f"messages wait ({counts}) and slots are free, but none is taken"

    def _taken(self) -> tuple[int, ...]:
        """Numbers that change whenever messages are taken."""
        consumer = getattr(self._worker, "consumer", None)
        return (
            sum(state.total_count.values()),
            len(state.requests),
            _limited(consumer) if consumer else 0,
            self._refused,
        )

    def _count_refusal(self, **_: Any) -> None:
        self._refused += 1


def view_of(consumer: Any) -> LoopView:
    """Read *consumer*'s state; to be called on the event loop's thread."""
    tasks, connection = consumer.task_consumer, consumer.connection
    if tasks is None or connection is None:
        return LoopView(False, True, ())
    # Of several consumers of such a queue only one gets messages: its depth says nothing here.
    shared = [
        queue.name
        for queue in tasks.queues
        if not (queue.queue_arguments or {}).get("x-single-active-consumer")
    ]
    return LoopView(bool(connection.connected), _has_room(consumer, tasks), tuple(shared))


def _has_room(consumer: Any, tasks: Any) -> bool:
    qos = getattr(tasks.channel, "qos", None)
    if qos is not None and hasattr(qos, "can_consume"):
        return bool(qos.can_consume())
    limit = consumer.qos.value if consumer.qos else 0
    return not limit or len(state.requests) + _limited(consumer) < limit


def _limited(consumer: Any) -> int:
    """Messages that wait for their task's rate limit."""
    return sum(len(bucket.contents) for bucket in list(consumer.task_buckets.values()) if bucket)


def _has_messages(worker: Any) -> bool:
    """Whether something explains a full prefetch; a lost acknowledgement does not."""
    return bool(state.requests) or _limited(worker.consumer) > 0


def slots(worker: Any) -> int:
    """Return how many tasks can run at once."""
    try:
        return int(worker.pool.num_processes or 0)
    except AttributeError:  # not made yet, or stopped already
        return 0


def busy(worker: Any) -> int:
    """Return how many of them run, or are on their way to a slot."""
    return min(len(state.reserved_requests), slots(worker))


def is_full(worker: Any) -> bool:
    """Return whether every slot is busy."""
    return 0 < slots(worker) <= len(state.reserved_requests)


def is_green(worker: Any) -> bool:
    """Return whether tasks are greenlets (gevent, eventlet)."""
    return bool(getattr(worker.pool, "is_green", False))


def runs_on_loop(worker: Any) -> bool:
    """Return whether a running task keeps the event loop from turning (solo and green pools)."""
    return is_green(worker) or type(worker.pool).__module__.endswith(".solo")
