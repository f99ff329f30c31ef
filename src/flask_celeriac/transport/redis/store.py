"""The messages in Redis: published, claimed, settled, given back. Each call is one script.

What is kept aside, or asked for by people, is in `aside`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis import Redis

from . import scripts
from .aside import Aside
from .layout import TOKEN_S, Layout, to_ms
from .line import Line
from .outcome import Ending, Outcome
from .replies import Claimed, Renewed, claimed
from .waiting import NOT_WAITING, Waiting

_KILLED = "its process ended while it ran, {most} times"


class MessageStore(Aside):
    """The messages of one application in one Redis database.

    Args:
        client: Must add no key prefix and decode nothing.
        layout: How keys are named.
        line: Runs `finish`, `publish` and `publish_many` where these are called by one thread at a
            time.

    Every method raises `redis.exceptions.RedisError` where the server does not answer or refuses;
    it may then have done its work or not. All but `publish`, `publish_many` and `claim` are safe
    to repeat; the first two are with a token.
    """

    def __init__(self, client: Redis, layout: Layout, line: Line | None = None) -> None:
        super().__init__(client, layout)
        self._run_publish = line.run if line else self._run_script
        self._run_finish = line.run_once if line else self._run_script

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        step: int = 0,
        delay_s: float = 0.0,
        token: str = "",
        token_s: float = TOKEN_S,
    ) -> bool:
        """Add one message.

        Args:
            queue: Without key prefix; has no line break.
            body: Stored and given to consumers byte for byte.
            step: One of the layout's priority steps.
            delay_s: Seconds before it is ready.
            token: Of this publish; a second one with it adds nothing. Empty for none.
            token_s: Seconds for which the token is remembered.

        Returns:
            False when the token had been seen.
        """
        return self._publish(queue, [body], step, delay_s, token, token_s)

    def publish_many(
        self,
        queue: str,
        bodies: Sequence[bytes],
        *,
        step: int = 0,
        delay_s: float = 0.0,
        token: str = "",
        token_s: float = TOKEN_S,
    ) -> bool:
        """Add messages in their order, all or none.

        Args:
            bodies: 1 to 1000; else as :meth:`publish`.

        Returns:
            False when the token had been seen; nothing was added then.
        """
        return self._publish(queue, bodies, step, delay_s, token, token_s)

    def _publish(
        self,
        queue: str,
        bodies: Sequence[bytes],
        step: int,
        delay_s: float,
        token: str,
        token_s: float,
    ) -> bool:
        fixed = queue, step, to_ms(delay_s), token, to_ms(token_s)
        return bool(self._run_publish("publish", *self.layout.fixed(), *fixed, *bodies))

    def claim(
        self,
        incarnation: str,
        queues: Mapping[str, bool],
        limit: int,
        *,
        lease_s: float,
        room: int | None = None,
        tasks: Sequence[str] = (),
        last: int = 0,
        is_idle: bool = False,
        slots: int | None = None,
    ) -> Claimed:
        """Move up to *limit* messages from *queues* into the claims of *incarnation*.

        Taking and writing down are one command, so a crash can not fall between them. The lease
        is renewed. Of messages that ended two processes, one at a time is given to an incarnation.

        Args:
            incarnation: Names one process, for as long as it lives.
            queues: In the order in which they are served. False: what is taken need not be
                settled and is gone.
            limit: 0 to 1000.
            lease_s: Seconds from now until the claims may be taken away; above 0.
            room: How many can begin at once; of what waits beyond that, only a share is taken,
                the same as for each other process with a lease. None: as many as *limit*.
            tasks: Names of tasks of which parked messages in *queues* are taken too.
            last: The greatest number of a claim that *incarnation* ever had; those to come are
                greater, also on a server that forgot its latest writes.
            is_idle: Whether to say, when there is nothing, that somebody waits; see
                `is_other_idle`.
            slots: How many claims of *incarnation* may have begun, those of the lowest numbers:
                for its end no others are blamed. None: as said before, or all of them.
        """
        arguments = self.layout.claim_arguments(
            incarnation,
            lease_s,
            limit,
            limit if room is None else room,
            last,
            queues,
            tasks,
            is_idle=is_idle,
            slots=slots,
        )
        return claimed(scripts.run(self.client, "claim", *arguments))

    def is_other_idle(self, incarnation: str, queues: Iterable[str]) -> bool:
        """Tell whether another than *incarnation* who takes from *queues* waits for messages.

        It found nothing in the last two seconds, and said so after everybody else.
        """
        keys = [f"{self.layout.namespace}idle:{queue}" for queue in queues]
        idle = self.client.mget(keys) if keys else ()
        return any(name is not None and name != incarnation.encode() for name in idle)

    def renew(self, incarnation: str, *, lease_s: float) -> Renewed:
        """Let the claims of *incarnation* be its own for *lease_s* more seconds.

        Others' leases are said to have expired only where they had the chance to renew them: not
        for half a lease after the server was away.
        """
        expired, parked, unreported, *numbers = self._run("renew", incarnation, to_ms(lease_s))
        claims = frozenset(int(number) for number in numbers)
        return Renewed(claims, bool(expired), bool(parked), bool(unreported))

    def settle(self, incarnation: str, numbers: Iterable[int]) -> int:
        """End claims whose messages are done with.

        Returns:
            How many of them *incarnation* still had; the others were given to somebody else, and
            nothing changed for them.
        """
        endings = self.finish(incarnation, [(number, None) for number in numbers])
        return sum(ending is Ending.ENDED for ending in endings)

    def finish(
        self,
        incarnation: str,
        owed: Iterable[tuple[int, Outcome | None]],
        waiting: Waiting = NOT_WAITING,
    ) -> list[Ending]:
        """End claims, storing what their tasks left; without the claim nothing is stored.

        An outcome and the end of its claim are one step. A SUCCESS that is stored already is kept.

        Args:
            owed: Numbers of claims, and outcomes where there are any.
            waiting: Who is to be called for the next message, if *incarnation* has no claim left.

        Returns:
            What became of each.
        """
        arguments: list[Any] = [waiting.caller, len(waiting.queues), *waiting.queues]
        for number, outcome in owed:
            arguments += (
                (number, outcome.key, outcome.value, outcome.expires_s)
                if outcome
                else (number, "", "", 0)
            )
        answer = self._run_finish("finish", *self.layout.fixed(), incarnation, *arguments)
        return [Ending(code) for code in answer]

    def give_back(
        self,
        incarnation: str,
        numbers: Iterable[int],
        *,
        is_next: bool,
        was_delivered: bool = True,
    ) -> int:
        """Make claimed messages ready again, without counting an attempt.

        Args:
            is_next: Taken next, or after all that wait.
            was_delivered: Whether somebody may have begun with them; then the next one is told.
        """
        side = "front" if is_next else "back"
        return int(self._run("give_back", incarnation, side, int(was_delivered), *numbers))

    def leave(self, incarnation: str) -> int:
        """Give back all that *incarnation* has, to be taken next; it takes no more.

        Claims and renewals in its name that arrive after that bring nothing.
        """
        return self._in_portions("leave", incarnation)

    def leases(self) -> dict[str, float]:
        """Return the seconds that each process's lease has left; 0 or less when it has ended."""
        seconds, microseconds = self.client.time()
        now_s = seconds + microseconds / 1_000_000
        ends = self.client.zrange(f"{self.layout.namespace}workers", 0, -1, withscores=True)
        return {name.decode(): end_ms / 1000 - now_s for name, end_ms in ends}

    def defer(self, incarnation: str, number: int, delay_s: float) -> bool:
        """Let a claimed message wait for *delay_s* seconds."""
        return bool(self._run("defer", incarnation, number, to_ms(delay_s)))

    def crash(self, incarnation: str, number: int) -> bool | None:
        """Say that the process that ran a claimed message has ended.

        Returns:
            True when it became a dead letter, False when it is ready again, None when it was
            no claim of *incarnation* any more.
        """
        most = self.layout.most_starts
        outcome = self._run("crash", incarnation, number, most, _KILLED.format(most=most))
        return None if outcome < 0 else bool(outcome)

    def reject(self, incarnation: str, number: int, reason: str) -> bool:
        """Make a claimed message a dead letter."""
        return bool(self._run("reject", incarnation, number, reason))

    def reap(self, limit: int = 100) -> tuple[int, list[int]]:
        """Make ready again what processes have whose lease ended.

        Returns:
            How many claims were taken away, and the numbers of those that became dead letters.
        """
        most = self.layout.most_starts
        count, *dead = self._run("reap", limit, most, _KILLED.format(most=most))
        return int(count), [int(number) for number in dead]

    def park(self, incarnation: str, number: int, task: str) -> bool:
        """Keep a claimed message until somebody who knows its *task* claims it."""
        return bool(self._run("park", incarnation, number, task))

    def export(self) -> int:
        """Move all that Celery's own transport would not find into the ready lists.

        That is what is delayed, parked, suspected, or claimed by processes whose lease has
        ended. Dead letters and cancellations stay. Processes that still work take the messages
        from there again.

        Returns:
            How many messages were moved; what became a dead letter meanwhile was not.
        """
        count = 0
        while (reaped := self.reap())[0] > 0:
            count += reaped[0] - len(reaped[1])
        count += self._in_portions("export", after=self.suspected())
        for queue in self._queues_with("bell"):
            self.client.delete(self.layout.bell_key(queue))
        return count
