"""Parked, purged, exported and cancelled: what waits for something else than a worker."""

from __future__ import annotations

import pytest

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

DAY_MS = 86400_000


def bodies(found):
    return [delivery.body for delivery in found.deliveries]


def names_of_keys(store):
    """The first word of each key in the namespace."""
    known = store.layout.namespace
    keys = (key.decode() for key in store.client.keys("*"))
    return {key.removeprefix(known).partition(":")[0] for key in keys if key.startswith(known)}


@pytest.fixture
def parked(store, claim):
    """Parked messages of two tasks, from two queues."""
    for number in range(4):
        store.publish("q", b"q%d" % number, step=3)
        store.publish("other", b"other%d" % number)
    for number, delivery in enumerate(claim(queues="q other").deliveries):
        task = "last" if number == 7 else "unknown"
        assert store.park("one", delivery.number, task)
        assert not store.park("one", delivery.number, task)


@pytest.mark.usefixtures("parked")
def test_parked_messages_are_counted_by_task(store, claim) -> None:
    assert store.parked() == {"last": 1, "unknown": 7}
    assert claim(queues="q other").deliveries == ()


@pytest.mark.usefixtures("parked")
def test_parked_messages_are_taken_in_their_order_by_who_knows_their_task(store, claim) -> None:
    assert bodies(claim(queues="q", tasks=["unknown"])) == [b"q0", b"q1", b"q2"]
    assert store.parked() == {"last": 1, "unknown": 4}
    found = claim(queues="q other none", tasks=["unknown", "last"])
    assert bodies(found) == [b"other0", b"other1", b"other2", b"other3", b"q3"]
    assert store.parked() == {}


@pytest.mark.usefixtures("parked")
def test_no_more_parked_messages_become_ready_than_are_taken(store, claim) -> None:
    found = [bodies(claim(limit=2, queues="q other", tasks=["unknown"])) for _ in range(5)]
    assert [len(each) for each in found] == [2, 2, 2, 1, 0]
    assert store.size("q") == store.size("other") == 0
    assert store.parked() == {"last": 1}


@pytest.mark.usefixtures("parked")
def test_what_is_ready_with_a_better_priority_comes_before_what_was_parked(store, claim) -> None:
    store.publish("q", b"first")
    store.publish("q", b"behind", step=3)
    assert bodies(claim(limit=3, tasks=["unknown"])) == [b"first", b"q0", b"q1"]
    assert bodies(claim(tasks=["unknown"])) == [b"q2", b"behind"]


def test_what_is_parked_behind_much_of_other_queues_is_reached(store, claim) -> None:
    for number in range(150):
        store.publish("other", b"%d" % number)
    store.publish("q", b"behind")
    for queue in ("other", "q"):
        for delivery in claim(limit=200, queues=queue).deliveries:
            store.park("one", delivery.number, "unknown")
    assert [bodies(claim(tasks=["unknown"])) for _ in range(2)] == [[], [b"behind"]]
    assert store.parked() == {"unknown": 150}


def test_naming_a_task_of_which_nothing_is_parked_changes_nothing(store, claim) -> None:
    store.publish("q", b"ready")
    assert bodies(claim(tasks=["none"])) == [b"ready"]
    assert store.parked() == {}


def fill(store, queue):
    """Have one message suspected, one dead, one parked and one ready."""

    def take():
        return store.claim("one", {queue: True}, 10, lease_s=600).deliveries[0].number

    body = queue.encode()
    store.publish(queue, body + b" suspect")
    for _ in range(2):
        store.crash("one", take())
    store.publish(queue, body + b" parked", step=9)
    store.publish(queue, body + b" dead")
    suspect, dead, parked = (
        delivery.number
        for delivery in store.claim("one", {queue: True}, 10, lease_s=600).deliveries
    )
    store.give_back("one", [suspect], is_next=True)
    store.reject("one", dead, "why")
    store.park("one", parked, "task")
    store.publish(queue, body + b" ready")


def test_a_purge_deletes_what_waits_in_one_queue(store, claim) -> None:
    kept = {}
    for queue in ("q", "other"):
        store.publish(queue, b"claimed from " + queue.encode())
        kept[queue] = claim(queues=queue).deliveries[0].number
        fill(store, queue)
        for step in (3, 6, 9):
            store.publish(queue, b"ready", step=step)
        store.publish(queue, b"delayed", delay_s=60)

    assert store.size("q") == 4
    assert store.purge("q") == 7
    assert store.purge("q") == 0
    assert store.size("q") == 0
    assert (store.size("other"), store.parked(), store.count_dead()) == (4, {"task": 1}, 2)
    assert store.settle("one", kept.values()) == 2
    assert store.purge("other") == 7
    assert store.parked() == {}


def delay_many(store, queue, count):
    for start in range(0, count, 500):
        bodies = [b"%d" % number for number in range(start, start + 500)]
        store.publish_many(queue, [queue.encode() + body for body in bodies], delay_s=60)


def test_a_purge_finds_all_that_is_delayed_among_many(store) -> None:
    delay_many(store, "q", 4000)
    delay_many(store, "other", 3000)
    store.publish("q", b"ready")
    assert store.purge("q") == 4001
    assert store.purge("q") == 0
    assert store.client.zcard(f"{store.layout.namespace}delayed") == 3000
    assert store.purge("other") == 3000


def test_a_purge_of_a_queue_without_delays_looks_at_none(store, monkeypatch) -> None:
    delay_many(store, "other", 3000)
    calls = []
    run = store._run_script

    def counted(name, *arguments):
        calls.append(name)
        return run(name, *arguments)

    monkeypatch.setattr(store, "_run_script", counted)
    before = scanned(store)
    assert store.purge("q") == 0
    assert (calls, scanned(store)) == (["purge_delayed", "purge"], before)
    assert store.purge("other") == 3000
    assert scanned(store) > before
    after = scanned(store)
    assert store.purge("other") == 0
    assert scanned(store) == after


def scanned(store):
    found = store.client.info("commandstats").get("cmdstat_zscan", {"calls": 0})
    return found["calls"]


def test_what_is_delayed_during_a_purge_is_found_by_the_next(store, monkeypatch) -> None:
    delay_many(store, "q", 3000)
    run = store._run_script
    publish = store.publish

    def with_another(name, *arguments):
        answer = run(name, *arguments)
        if name == "purge_delayed":
            monkeypatch.undo()
            publish("q", b"another", delay_s=60)
        return answer

    monkeypatch.setattr(store, "_run_script", with_another)
    deleted = store.purge("q")
    assert deleted + store.purge("q") == 3001


def test_a_message_that_was_deferred_is_purged_as_well(store, claim) -> None:
    store.publish("q", b"one")
    store.defer("one", claim().deliveries[0].number, 60)
    assert store.purge("q") == 1


def test_an_export_leaves_nothing_that_a_stock_worker_would_not_find(
    store, claim, end_lease, let_die
) -> None:
    store.publish("q", b"suspect", token="t")
    let_die(2)
    for body in (b"parked", b"dead", b"claimed"):
        store.publish("q", body, step=6)
    for delivery in claim("two", queues="q").deliveries:
        if delivery.body == b"parked":
            store.park("two", delivery.number, "task")
        if delivery.body == b"dead":
            store.reject("two", delivery.number, "why")
    for number in range(249):
        store.publish("other", b"delayed %d" % number, step=9, delay_s=60)
    store.publish("q", b"delayed", delay_s=90)
    end_lease("two")
    for number in range(30):
        store.client.zadd(f"{store.layout.namespace}workers", {f"idle-{number}": 1})

    assert store.export() == 252
    assert names_of_keys(store) == {"dead", "unreported", "seq", "token"}
    assert {letter.body for letter in store.dead_letters()} == {b"dead", b"suspect"}
    assert (store.size("q"), store.size("other")) == (3, 249)
    assert store.export() == 0


def test_an_export_brings_every_suspect_and_every_parked_message(store, claim, let_die) -> None:
    for number in range(100):
        store.publish("q", b"%d" % number)
    for delivery in claim(limit=100).deliveries:
        store.park("one", delivery.number, f"task {delivery.number % 3}")
    store.leave("one")
    for number in range(3):
        store.publish("q*[1]", b"%d" % number)
    for _ in range(2):
        for delivery in claim("two", queues="q*[1]").deliveries:
            store.crash("two", delivery.number)
    store.leave("two")
    assert store.export() == 100 + 3
    assert names_of_keys(store) == {"left", "seq"}
    assert (store.size("q"), store.size("q*[1]")) == (100, 3)


def test_an_export_leaves_living_processes_what_they_have(store, claim, let_die) -> None:
    store.publish("q", b"1")
    let_die(2)
    [delivery] = claim().deliveries
    assert store.export() == 0
    assert store.settle("one", [delivery.number]) == 1


def test_an_export_touches_no_other_application(client) -> None:
    mine, other = (MessageStore(client, Layout(prefix=prefix)) for prefix in ("[ab]:", "a:"))
    for store in (mine, other):
        store.publish("q", b"1")
        for _ in range(2):
            found = store.claim("one", {"q": True}, 1, lease_s=60)
            store.crash("one", found.deliveries[0].number)
        store.leave("one")
    assert mine.export() == 1
    assert (mine.size("q"), other.size("q")) == (1, 0)
    assert client.exists(other.layout.bell_key("q"))


def test_what_was_exported_and_comes_back_is_not_under_suspicion(store, claim, let_die) -> None:
    store.publish("q", b"1")
    let_die(2)
    store.export()
    assert [(d.body, d.attempts) for d in claim().deliveries] == [(b"1", 0)]


def test_cancelled_tasks_are_known(store) -> None:
    store.cancel("one")
    store.cancel("two")
    assert store.cancelled() == {"one", "two"}


def test_a_cancellation_is_kept_for_thirty_days(store) -> None:
    key = f"{store.layout.namespace}cancelled"
    now = store.client.time()[0] * 1000
    store.cancel("new")
    store.client.zadd(key, {"old": now - 31 * DAY_MS, "kept": now - 29 * DAY_MS})
    store.cancel("newer")
    assert store.cancelled() == {"new", "newer", "kept"}
    assert 29 * DAY_MS < store.client.pttl(key) <= 30 * DAY_MS


def test_the_size_is_that_of_the_ready_lists(store, claim) -> None:
    for step in (0, 3, 3, 9):
        store.publish("q", b"1", step=step)
    store.publish("q", b"1", delay_s=60)
    assert store.size("q") == 4
    claim(limit=1)
    assert store.size("q") == 3
