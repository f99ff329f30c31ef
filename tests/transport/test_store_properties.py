"""Whatever happens in whatever order, every message is in one place, and none is lost."""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha1

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.outcome import Ending, Outcome
from flask_celeriac.transport.redis.store import MessageStore
from flask_celeriac.transport.redis.waiting import Waiting

INCARNATIONS = ("one", "two", "three")
QUEUES = ("q", "other")
STEPS = (0, 9)
TASKS = ("known", "unknown")
#: On each server. More of them are run by hand: `STORE_EXAMPLES=3000 make test ARGS=...`.
EXAMPLES = int(os.environ.get("STORE_EXAMPLES", "60"))

incarnations = st.sampled_from(INCARNATIONS)
queues = st.sampled_from(QUEUES)
ASKED = (("q",), ("other",), ("q", "other"), ("other", "q"))
asked = st.sampled_from(ASKED)
limits = st.integers(1, 3)


def outcome_of(incarnation, number):
    name = b"%s:%d" % (incarnation.encode(), number)
    return Outcome(b"outcome:" + name, name, 0, store=bool, tell_late=bool)


class Messages(RuleBasedStateMachine):
    """A model that knows what was accepted, settled and deleted; where the rest is, Redis says.

    The time of Redis is not changed: what is due, and which lease has ended, is brought about by
    scores in the past.
    """

    client: Redis
    claims = Bundle("claims")  # (incarnation, number, body), also of claims taken away

    @initialize(count=st.integers(0, 6))
    def begin(self, count):
        self.client.flushdb()
        self.store = MessageStore(self.client, Layout(prefix="p:", steps=STEPS))
        self.ns = self.store.layout.namespace
        self.published, self.settled, self.deleted = set(), Counter(), set()
        self.tokens, self.outcomes = set(), {}
        self.is_mixed = False  # an export, while processes live, puts suspects among the ready
        for number in range(count):
            self.publish(QUEUES[number % 3 % 2], STEPS[0], "", False)

    # What producers do.

    @rule(
        queue=queues,
        step=st.sampled_from(STEPS),
        token=st.sampled_from(["", "", "", "a", "b", "c"]),
        is_delayed=st.booleans(),
    )
    def publish(self, queue, step, token, is_delayed):
        body = b"%d\n" % len(self.published)
        delay_s = 600.0 if is_delayed else 0.0
        is_new = self.store.publish(queue, body, step=step, delay_s=delay_s, token=token)
        assert is_new == (not token or token not in self.tokens)
        if is_new:
            self.published.add(body)
            self.tokens.add(token)

    # What a living consumer does.

    @rule(
        target=claims,
        incarnation=incarnations,
        queues=asked,
        limit=limits,
        tasks=st.sets(st.sampled_from(TASKS)),
    )
    def claim(self, incarnation, queues, limit, tasks):
        wanted, before = dict.fromkeys(queues, True), self.store.parked()
        found = self.store.claim(
            incarnation, wanted, limit, lease_s=600, tasks=sorted(tasks)
        ).deliveries
        assert len(found) <= limit
        left = self.store.parked()
        assert all(0 <= before[task] - left.get(task, 0) <= limit for task in before)
        assert {task: before[task] for task in before if task not in tasks}.items() <= left.items()
        assert {delivery.queue for delivery in found} <= set(queues)
        return multiple(*((incarnation, d.number, d.body) for d in found))

    @rule(taken=claims)
    def settle(self, taken):
        incarnation, number, body = taken
        if self.is_held(taken):
            self.settled[body] += 1
            assert self.store.settle(incarnation, [number]) == 1
        else:
            assert self.store.settle(incarnation, [number]) == 0

    @rule(
        incarnation=incarnations,
        numbers=st.lists(st.integers(1, 12), max_size=3),
        waits_for=st.sampled_from([(), *ASKED]),
    )
    def finish(self, incarnation, numbers, waits_for):
        """End claims with what their tasks leave: stored just when the claim was there."""
        held = self.client.hgetall(f"{self.ns}claims:{incarnation}")
        owed = [(number, outcome_of(incarnation, number)) for number in numbers]
        endings = self.store.finish(incarnation, owed, Waiting(incarnation, waits_for))
        for (number, outcome), ending in zip(owed, endings, strict=True):
            entry = held.pop(b"%d" % number, None)
            assert ending is (Ending.LATE if entry is None else Ending.ENDED)
            if entry is not None:
                self.settled[entry.split(b"\n", 2)[2]] += 1
                self.outcomes[outcome.key] = outcome.value

    @rule(incarnation=incarnations)
    def settle_all(self, incarnation):
        held = self.client.hgetall(f"{self.ns}claims:{incarnation}")
        assert self.store.settle(incarnation, [int(number) for number in held]) == len(held)
        self.settled.update(entry.split(b"\n", 2)[2] for entry in held.values())

    @rule(taken=claims, is_next=st.booleans())
    def give_back(self, taken, is_next):
        count = int(self.is_held(taken))
        assert self.store.give_back(taken[0], [taken[1]], is_next=is_next) == count

    @rule(taken=claims, is_due=st.booleans())
    def defer(self, taken, is_due):
        wanted = self.is_held(taken)
        assert self.store.defer(taken[0], taken[1], 0.0 if is_due else 600.0) == wanted

    @rule(taken=claims)
    def reject(self, taken):
        wanted = self.is_held(taken)
        assert self.store.reject(taken[0], taken[1], "why") == wanted

    @rule(taken=claims, task=st.sampled_from(TASKS))
    def park(self, taken, task):
        wanted = self.is_held(taken)
        assert self.store.park(taken[0], taken[1], task) == wanted

    @rule(taken=claims)
    def crash(self, taken):
        wanted = self.is_held(taken)
        assert (self.store.crash(taken[0], taken[1]) is not None) == wanted

    @rule(incarnation=incarnations)
    def leave(self, incarnation):
        held = self.client.hlen(f"{self.ns}claims:{incarnation}")
        assert self.store.leave(incarnation) == held

    # What time does.

    @rule(incarnation=incarnations)
    def end_lease(self, incarnation):
        self.client.zadd(f"{self.ns}workers", {incarnation: 1}, xx=True)

    @rule(incarnation=incarnations)
    def kill(self, incarnation):
        """End a lease, and let the others see it at once."""
        self.end_lease(incarnation)
        self.store.reap()
        assert not self.client.exists(f"{self.ns}claims:{incarnation}")

    @rule(incarnation=incarnations, queues=asked, limit=limits, times=st.integers(1, 3))
    def die_of_what_it_takes(self, incarnation, queues, limit, times):
        for _ in range(times):
            self.store.claim(incarnation, dict.fromkeys(queues, True), limit, lease_s=600)
            self.kill(incarnation)

    @rule()
    def make_due(self):
        self.client.eval(
            "for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do"
            " redis.call('ZADD', KEYS[1], 1, entry) end",
            1,
            f"{self.ns}delayed",
        )

    @rule()
    def forget_attempts(self):
        self.client.delete(f"{self.ns}attempts")

    # What others do.

    @rule(limit=limits)
    def reap(self, limit):
        count, dead = self.store.reap(limit)
        assert len(dead) <= count <= limit

    @rule(data=st.data())
    @precondition(lambda self: self.store.count_dead())
    def replay(self, data):
        letter = data.draw(st.sampled_from(self.store.dead_letters()))
        assert self.store.replay([letter.number, letter.number]) == 1

    @rule(data=st.data())
    @precondition(lambda self: self.store.count_dead())
    def discard(self, data):
        letter = data.draw(st.sampled_from(self.store.dead_letters()))
        assert self.store.discard([letter.number]) == 1
        self.deleted.add(letter.body)

    @rule(queue=queues)
    @precondition(lambda self: self.is_rare())
    def purge(self, queue):
        waiting = [
            body
            for place, name, body in self.places()
            if name == queue and place in ("ready", "delayed", "suspected", "parked")
        ]
        assert self.store.purge(queue) == len(waiting)
        self.deleted.update(waiting)

    @rule()
    @precondition(lambda self: self.is_rare())
    def export(self):
        self.store.export()
        self.is_mixed = True
        assert {place for place, _, _ in self.places()} <= {"ready", "claimed", "dead"}

    def teardown(self):
        """See to it that no message was in a place that nothing leads out of."""
        if not hasattr(self, "store"):
            return
        for incarnation in INCARNATIONS:
            self.end_lease(incarnation)
        while self.store.reap()[0]:
            pass
        self.make_due()
        for name in ("last", *INCARNATIONS):
            while found := self.store.claim(
                name, dict.fromkeys(QUEUES, True), 9, lease_s=600, tasks=TASKS
            ).deliveries:
                assert self.store.settle(name, [d.number for d in found]) == len(found)
        assert {place for place, _, _ in self.places()} <= {"dead"}

    # What is always true.

    @invariant()
    def every_message_is_in_one_place(self):
        found = Counter(body for _, _, body in self.places())
        found.update(self.settled)
        found.update(self.deleted)
        assert found == Counter(self.published)

    @invariant()
    def an_incarnation_has_one_suspect_at_most_and_it_is_its_claim(self):
        for incarnation, number in self.client.hgetall(f"{self.ns}suspect").items():
            assert self.client.hexists(b"%sclaims:%s" % (self.ns.encode(), incarnation), number)
        attempts = self.client.hgetall(f"{self.ns}attempts")
        for incarnation in INCARNATIONS:
            entries = self.client.hvals(f"{self.ns}claims:{incarnation}")
            bodies = [entry.split(b"\n", 2)[2] for entry in entries]
            tried = [int(attempts.get(sha1(body).hexdigest().encode(), 0)) for body in bodies]
            assert self.is_mixed or sum(count > 1 for count in tried) <= 1

    @invariant()
    def an_outcome_is_there_when_its_claim_ended_by_it(self):
        stored = {key: self.client.get(key) for key in self.client.keys("outcome:*")}
        assert stored == self.outcomes

    @invariant()
    def whoever_has_a_claim_has_a_lease(self):
        known = f"{self.ns}claims:"
        holders = {key.decode().removeprefix(known) for key in self.client.keys(f"{known}*")}
        workers = self.client.zrange(f"{self.ns}workers", 0, -1)
        assert holders <= {name.decode() for name in workers}

    @invariant()
    def dead_letters_and_parked_messages_are_listed(self):
        listed = {b"%sdead:%s" % (self.ns.encode(), n) for n in self.members("dead")}
        assert set(self.client.keys(f"{self.ns}dead:*")) == listed
        assert set(self.store.unreported()) <= {int(n) for n in self.members("dead")}
        known = f"{self.ns}parked:"
        names = {key.decode().removeprefix(known) for key in self.client.keys(f"{known}*")}
        assert set(self.store.parked()) == names

    @invariant()
    def a_bell_holds_one_token_at_most(self):
        for queue in QUEUES:
            assert self.client.llen(self.store.layout.bell_key(queue)) <= 1

    def is_rare(self):
        """What empties a place would otherwise leave nothing to be tried."""
        return len(self.published) % 5 == 4

    def members(self, name):
        return self.client.zrange(f"{self.ns}{name}", 0, -1)

    def is_held(self, taken):
        return bool(self.client.hexists(f"{self.ns}claims:{taken[0]}", str(taken[1])))

    def places(self):
        """Every message in Redis: place, queue, body."""
        client, ns, found = self.client, self.ns, []
        for queue in QUEUES:
            for step in STEPS:
                key = self.store.layout.ready_key(queue, step)
                found += [("ready", queue, body) for body in client.lrange(key, 0, -1)]
        entries = [("delayed", entry) for entry in self.members("delayed")]
        for name in INCARNATIONS:
            entries += [("claimed", entry) for entry in client.hvals(f"{ns}claims:{name}")]
        for place, key in (("suspected", "suspects"), ("parked", "parked")):
            for list_ in client.keys(f"{ns}{key}:*"):
                entries += [(place, entry) for entry in client.lrange(list_, 0, -1)]
        for place, entry in entries:
            queue, _, body = entry.split(b"\n", 2)
            found.append((place, queue.decode(), body))
        for number in self.members("dead"):
            letter = self.store.dead_letter(int(number))
            found.append(("dead", letter.queue, letter.body))
        return found


def test_every_message_is_in_one_place_whatever_happens(server) -> None:
    with Redis.from_url(server) as client:
        client.flushdb()
        machine = type("MessagesThere", (Messages,), {"client": client})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
