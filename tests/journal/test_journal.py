"""One contract for every journal: on Redis, and in whatever else Celery keeps results in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from celery import Celery

from flask_celeriac.errors import ResultBackendMissing, ResultBackendUnavailable
from flask_celeriac.record.journal.facts import Cancellation, Heard, NewEntry
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.record.journal.journal import Journal
from flask_celeriac.record.urls import ours


@pytest.fixture
def celery(redis_url: str) -> Iterator[Celery]:
    app = Celery("tests", set_as_current=False)
    app.conf.update(broker_url=redis_url, result_backend=ours(redis_url), result_expires=60)
    yield app
    app.close()


@pytest.fixture
def on_redis(celery: Celery) -> Journal:
    return journal_of(celery)


@pytest.fixture(params=["redis", "file"])
def journal(request: pytest.FixtureRequest, on_redis: Journal, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "redis":
        yield on_redis
        return
    app = Celery("tests", set_as_current=False)
    app.conf.update(broker_url="memory://", result_backend=f"file://{tmp_path}")
    yield journal_of(app)
    app.close()


@pytest.fixture
def task_id() -> str:
    return str(uuid4())


def wish(reason: str | None = "too slow", by: str | None = "ann") -> Cancellation:
    return Cancellation(datetime.now(UTC), reason, by)


def test_a_task_that_was_never_opened_is_unknown(journal: Journal, task_id: str) -> None:
    seen = journal.look(task_id)
    assert (seen.entry, seen.meta, seen.cancellation) == (None, None, None)


def test_a_task_that_is_sent_is_known_as_queued(journal: Journal, task_id: str) -> None:
    new = journal.open([NewEntry(task_id, "shop.mail", owner="ann")])
    entry = journal.look(task_id).entry
    assert new == {task_id}
    assert entry is not None
    assert (entry.name, entry.owner, entry.attempts) == ("shop.mail", "ann", 0)
    assert abs(datetime.now(UTC) - entry.queued_at) < timedelta(seconds=5)
    assert entry.started_at is entry.ended_at is None


def test_a_task_that_is_sent_again_keeps_its_owner(journal: Journal, task_id: str) -> None:
    journal.open([NewEntry(task_id, "shop.mail", owner="ann")])
    assert journal.open([NewEntry(task_id, "shop.mail", owner="bob")]) == set()
    entry = journal.look(task_id).entry
    assert entry is not None
    assert entry.owner == "ann"


def test_a_task_that_a_task_sends_has_the_owner_of_that(journal: Journal, task_id: str) -> None:
    child = str(uuid4())
    journal.open([NewEntry(task_id, "shop.mail", owner="ann")])
    journal.open([NewEntry(child, "shop.log", parent_id=task_id)])
    entry = journal.look(child).entry
    assert entry is not None
    assert entry.owner == "ann"


def test_what_was_not_sent_is_forgotten(journal: Journal, task_id: str) -> None:
    journal.open([NewEntry(task_id, "shop.mail")])
    journal.forget([task_id])
    assert journal.look(task_id).entry is None


def test_runs_are_counted_and_timed(journal: Journal, task_id: str) -> None:
    journal.open([NewEntry(task_id, "shop.mail")])
    journal.started(task_id)
    first = journal.look(task_id).entry
    journal.ended(task_id)
    journal.started(task_id)
    second = journal.look(task_id).entry
    journal.ended(task_id)
    last = journal.look(task_id).entry
    assert first is not None
    assert second is not None
    assert last is not None
    assert first.started_at == second.started_at == last.started_at is not None
    assert (first.attempts, second.attempts, last.attempts) == (1, 2, 2)
    assert second.ended_at is None
    assert last.ended_at is not None


def test_nothing_is_noted_of_a_task_that_was_never_opened(journal: Journal, task_id: str) -> None:
    journal.started(task_id)
    journal.ended(task_id, {"current": 1})
    assert journal.look(task_id).entry is None


def test_progress_is_the_state_and_is_kept(journal: Journal, task_id: str) -> None:
    journal.open([NewEntry(task_id, "shop.mail")])
    assert journal.progress(task_id, {"current": 1, "total": 2}) is None
    seen = journal.look(task_id)
    assert seen.meta is not None
    assert seen.meta["status"] == "PROGRESS"
    assert seen.entry is not None
    assert seen.entry.progress == seen.meta["result"] == {"current": 1, "total": 2}


def test_who_tells_of_progress_learns_that_the_task_is_cancelled(
    journal: Journal, task_id: str
) -> None:
    journal.cancel(task_id, wish())
    known = journal.progress(task_id, {"current": 1})
    assert known is not None
    assert str(known) == "cancelled by ann: too slow"


def test_the_first_cancellation_holds(journal: Journal, task_id: str) -> None:
    first = journal.cancel(task_id, wish("too slow", "ann"))
    second = journal.cancel(task_id, wish("for fun", "bob"))
    assert (second.reason, second.by) == ("too slow", "ann")
    assert journal.cancellation(task_id) == journal.look(task_id).cancellation == second
    assert abs(first.at - second.at) < timedelta(milliseconds=1)


def test_a_key_is_reserved_once(journal: Journal) -> None:
    key = uuid4().hex
    first = journal.reserve(key, "abc", 60)
    second = journal.reserve(key, "def", 60)
    journal.settle(key, 60)
    third = journal.reserve(key, "def", 60)
    assert (first.is_ours, first.memo) == (True, "abc")
    assert (second.is_ours, second.memo, second.is_done) == (False, "abc", False)
    assert (third.is_ours, third.memo, third.is_done) == (False, "abc", True)


def test_a_key_that_is_released_is_free(journal: Journal) -> None:
    key = uuid4().hex
    journal.reserve(key, "abc", 60)
    journal.release(key)
    assert journal.reserve(key, "def", 60).is_ours


def test_events_come_in_order_with_numbers_of_their_own(on_redis: Journal, task_id: str) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    on_redis.started(task_id)
    on_redis.progress(task_id, {"current": 1})
    on_redis.cancel(task_id, wish())
    on_redis.retried(task_id, {"retries": 1})
    on_redis.ended(task_id, {"current": 2})
    events = on_redis.events(task_id)
    assert not events.is_gap
    assert [(each.number, each.kind) for each in events.items] == [
        (1, "state"), (2, "progress"), (3, "state"), (4, "state"), (5, "progress"),
    ]  # fmt: skip
    assert [each.data.get("state") for each in events.items][::3] == ["STARTED", "RETRY"]
    assert [each.number for each in on_redis.events(task_id, after=3).items] == [4, 5]
    assert on_redis.events(task_id, after=5).items == ()
    entry = on_redis.look(task_id).entry
    assert entry is not None
    assert (entry.last_event, entry.progress) == (5, {"current": 2})


def test_a_cursor_that_is_too_old_or_never_was_is_a_gap(on_redis: Journal, task_id: str) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    for count in range(1005):
        on_redis.progress(task_id, {"current": count})
    assert len(on_redis.events(task_id, after=5).items) == 1000
    assert not on_redis.events(task_id, after=5).is_gap
    assert on_redis.events(task_id, after=4).is_gap
    assert on_redis.events(task_id, after=1006).is_gap


def test_who_follows_gets_fifty_events_at_once(on_redis: Journal, task_id: str) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    for count in range(120):
        on_redis.progress(task_id, {"current": count})
    portions = [on_redis.follow(task_id, after)[1] for after in (0, 50, 100, 120)]
    assert [len(events.items) for events in portions] == [50, 50, 20, 0]
    assert [events.is_cut for events in portions] == [True, True, False, False]
    assert not any(events.is_gap for events in portions)


def test_events_that_have_expired_are_a_gap(
    on_redis: Journal, task_id: str, redis_url: str
) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    on_redis.started(task_id)
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"celeriac:1:events:{task_id}")
    assert on_redis.events(task_id).is_gap
    assert not on_redis.events(task_id, after=1).is_gap


def test_all_that_is_kept_of_a_task_expires(
    on_redis: Journal, task_id: str, redis_url: str
) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail", due_in_s=1000)])
    on_redis.started(task_id)
    on_redis.cancel(task_id, wish())
    on_redis.reserve(task_id, "abc", 60)
    with redis.Redis.from_url(redis_url) as client:
        waiting = client.ttl(f"celeriac:1:task:{task_id}")
        on_redis.ended(task_id)
        on_redis.progress(task_id, {"current": 1})
        ended = client.ttl(f"celeriac:1:task:{task_id}")
        left = {key: client.ttl(key) for key in client.scan_iter()}
    assert 30 * 86400 < waiting <= 30 * 86400 + 1000
    assert 7 * 86400 < ended <= 7 * 86400 + 60
    assert len(left) == 5
    assert all(life > 0 for life in left.values())


def test_a_bell_rings_for_all_that_happens_and_when_nothing_can_be_missed(
    on_redis: Journal, celery: Celery, task_id: str
) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    with on_redis.listening(task_id) as bell:
        assert bell.wait(5), "it does not say that it listens"
        while bell.wait(0.1):
            pass
        for happens in (
            lambda: on_redis.started(task_id),
            lambda: on_redis.progress(task_id, {"current": 1}),
            lambda: celery.backend.store_result(task_id, 1, "SUCCESS"),
        ):
            threading.Thread(target=happens).start()
            assert bell.wait(5)
            while bell.wait(0.1):
                pass


def test_a_bell_brings_events_and_says_when_to_look(
    on_redis: Journal, celery: Celery, task_id: str
) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    with on_redis.listening(task_id) as bell:
        assert bell.wait(5)
        while bell.wait(0.1):
            pass
        assert bell.told() == Heard(), "what came before it listened is not known"
        assert bell.told() == Heard([], is_all=True)
        for current in (1, 2):
            on_redis.progress(task_id, {"current": current, "message": "a b\nc"})
        while bell.wait(0.1):
            pass
        assert bell.told() == Heard([*on_redis.events(task_id).items], is_all=True)
        celery.backend.store_result(task_id, "PROGRESS", "SUCCESS")
        assert bell.wait(5)
        assert bell.told() == Heard([], is_all=False), "no event tells of the result"


def test_who_does_not_take_what_a_bell_brings_sees_that_some_is_missing(
    on_redis: Journal, task_id: str
) -> None:
    on_redis.open([NewEntry(task_id, "shop.mail")])
    with on_redis.listening(task_id) as bell:
        while bell.wait(0.1):
            pass
        bell.told()
        for current in range(40):
            on_redis.progress(task_id, {"current": current})
        while bell.wait(0.1):
            pass
        numbers = [event.number for event in bell.told().events]
    assert numbers == [*range(numbers[0], 41)]
    assert 1 < numbers[0] < 40


def test_a_lost_server_is_named_as_such() -> None:
    app = Celery("tests", set_as_current=False)
    url = "redis://127.0.0.1:1/0"
    app.conf.update(broker_url=url, result_backend=ours(url))
    with pytest.raises(ResultBackendUnavailable, match="does not answer"):
        journal_of(app).look(str(uuid4()))
    app.close()


def test_without_a_result_backend_there_is_no_journal() -> None:
    app = Celery("tests", set_as_current=False, broker="memory://")
    with pytest.raises(ResultBackendMissing, match="CELERY_RESULT_BACKEND"):
        journal_of(app)
    app.close()
