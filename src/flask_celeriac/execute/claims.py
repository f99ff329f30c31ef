"""What a worker does about the claims it has on our Redis transport."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from redis.exceptions import RedisError

from flask_celeriac.transport.redis.channel import Channel
from flask_celeriac.transport.redis.claimant import Claimant
from flask_celeriac.transport.redis.claimants import Kept, forget
from flask_celeriac.transport.redis.keys import claim_of
from flask_celeriac.transport.redis.store import MessageStore

from . import green_signals
from .dead import report
from .farewell import Farewell
from .flushing import Flushing
from .lookout import runs_on_loop
from .sharing import Sharing

#: Seconds for the loop to turn; a longer silence needs a task that explains it.
LOOP_TURN_S = 10.0
#: Seconds after which a worker whose loop is silent without a reason is ended.
HUNG_S = 60.0
EXIT_HUNG = 70
# What was about to be given to the pool when the connection was lost is there by then.
_START_S = 5.0
_TICK_S = 2.0
_LEAVE_S = 3.0

#: A constant of `celery.bootsteps` that its stubs leave out.
_RUN: int = bootsteps.RUN  # type: ignore[attr-defined]

logger = logging.getLogger(__name__)


class Claims(bootsteps.StartStopStep):
    """Keeps claims through lost connections, and gives back at the end what was not done."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    label = "Claims"

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._kept: Kept | None = None
        self._farewell: Farewell | None = None
        self._flushing: Flushing | None = None
        self._sharing: Sharing | None = None
        self._turned_s = time.monotonic()
        self._ill_s = 0.0
        self._looked_s = time.monotonic()

    @property
    def has_begun(self) -> bool:
        """Whether messages come by our transport."""
        return self._kept is not None

    def start(self, consumer: Any) -> None:
        """Take charge of the claims, also after the connection was made anew."""
        channel = consumer.task_consumer.channel
        if not isinstance(channel, Channel):
            return
        consumer.connection.transport.on_cancelled = state.revoked.update
        self._turned_s = time.monotonic()
        consumer.timer.call_repeatedly(_TICK_S, self._turn)
        if self._kept is None or not self._kept.claimant.is_of_this_process:
            self._begin(consumer, channel.kept)
        else:
            self._give_back_unstarted(consumer, self._kept)
        if self._farewell is not None and self._farewell.has_begun:
            consumer.call_soon(self._farewell.take_no_more)
        green_signals.defer(consumer.controller)

    def _begin(self, consumer: Any, kept: Kept) -> None:
        self._kept = kept
        kept.claimant.is_lasting = True
        kept.keeper.is_well = lambda: self._is_well(consumer)
        kept.keeper.on_parked = lambda store: _take_parked(consumer, kept.claimant, store)
        kept.keeper.on_dead = lambda _store: consumer.call_soon(self._report, consumer)
        if consumer.hub is not None:
            self._flushing = Flushing(kept.claimant)
        if _has_prefetch_of_its_own(consumer):
            kept.claimant.hand.ahead_s = 0.0
        if kept.claimant.hand.ahead_s:
            self._sharing = Sharing(kept.claimant)
        self._farewell = Farewell(consumer, kept.claimant, self._leave_in_thread)
        atexit.register(self._leave)

    def _turn(self) -> None:
        self._turned_s = time.monotonic()

    def shutdown(self, consumer: Any) -> None:  # noqa: ARG002
        """Give back what did not end; comes after the pool was stopped."""
        self._leave()

    def exit_with_tasks(self, consumer: Any) -> None:
        """Give everything back and end the process: nothing else ends a task in a thread, and
        Celery acknowledges a greenlet that it killed.

        Returns only where messages do not come by our transport.
        """
        if self._kept is None:
            return
        # Called by a signal's handler: what it interrupted may hold a lock that leaving needs.
        leaving = threading.Thread(target=self._leave, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_S)
        signals.worker_shutdown.send(sender=consumer.controller)
        logging.shutdown()
        os._exit(0)

    def _leave(self) -> None:
        if self._farewell is not None:
            self._farewell.stop_clock()
        if self._flushing is not None:
            self._flushing.stop()
        if self._sharing is not None:
            self._sharing.stop()
        kept, self._kept = self._kept, None
        if kept is None or not kept.claimant.is_of_this_process:
            return
        atexit.unregister(self._leave)
        forget(kept)
        _give_back_all(kept, kept.claimant.store)

    def _leave_in_thread(self) -> bool:
        """Give back all while the loop or a task still runs; False when that is done already."""
        kept, self._kept = self._kept, None
        if kept is None:
            return False
        forget(kept)
        _give_back_all(kept, kept.claimant.new_store())
        return True

    def _give_back_unstarted(self, consumer: Any, kept: Kept) -> None:
        """What waits for a rate limit is forgotten when the connection is lost."""
        claimant = kept.claimant
        waiting = claimant.held - claimant.hand.numbers - _numbers(state.active_requests)

        def give_back() -> None:
            started = _numbers(state.active_requests) | _numbers(state.reserved_requests)
            forgotten = (waiting - started) & claimant.held
            if forgotten:
                claimant.give_back(sorted(forgotten), is_next=True)

        if waiting:
            consumer.timer.call_after(_START_S, give_back)

    def _is_well(self, consumer: Any) -> bool:
        """Asked by the keeper's thread: may the lease be renewed? Ends a process that hangs."""
        now_s = time.monotonic()
        since_look_s, self._looked_s = now_s - self._looked_s, now_s
        if self._does_loop_turn(consumer, now_s):
            self._ill_s = 0.0
            return True
        # A process that was stopped and goes on has not been ill all the time.
        self._ill_s += min(since_look_s, LOOP_TURN_S)
        if self._ill_s >= HUNG_S:
            logger.critical("The event loop has not turned for %d s: exit.", self._ill_s)
            logging.shutdown()
            os._exit(EXIT_HUNG)
        return False

    def _does_loop_turn(self, consumer: Any, now_s: float) -> bool:
        if now_s - self._turned_s < LOOP_TURN_S or consumer.connection is None:
            return True
        if consumer.blueprint.state != _RUN:
            return True  # it ends, and tasks may take their time
        return runs_on_loop(consumer.controller) and bool(state.active_requests)

    def _report(self, consumer: Any) -> None:
        channel = consumer.task_consumer and consumer.task_consumer.channel
        if isinstance(channel, Channel):
            queues = {queue.name for queue in consumer.task_consumer.queues}
            report(consumer.app, channel.store, queues)


def _has_prefetch_of_its_own(consumer: Any) -> bool:
    """Whether a multiplier was chosen, or that nothing waits in a worker."""
    is_chosen = consumer.controller.prefetch_multiplier != 1
    return is_chosen or bool(consumer.app.conf.worker_disable_prefetch)


def _take_parked(consumer: Any, claimant: Claimant, store: MessageStore) -> None:
    """Let parked messages be claimed whose tasks are known here; others do not know them."""
    known = tuple(task for task in store.parked_tasks() if task in consumer.app.tasks)
    if known and not claimant.parked_tasks:
        logger.info("Parked messages can run now: %s", ", ".join(known))
    claimant.parked_tasks = known


def _give_back_all(kept: Kept, store: MessageStore) -> None:
    try:
        count = kept.claimant.leave(store)
    except (RedisError, OSError) as error:
        logger.warning("Others take what was not done when the lease has ended: %s", error)
        return
    if count:
        logger.warning("Gave back %d messages that were not done.", count)


def _numbers(requests: Iterable[Any]) -> frozenset[int]:
    """Return the numbers of the claims of *requests*."""
    claims = (claim_of(request.message.delivery_tag) for request in tuple(requests))
    return frozenset(claim[1] for claim in claims if claim)
