"""Who waits for a task that was just sent listens himself, and for others meanwhile."""

from __future__ import annotations

import gc
import random
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery, states
from celery.exceptions import TimeoutError as CeleryTimeoutError

from flask_celeriac.declare.result import AsyncResult
from flask_celeriac.record.listener import Listener

Wait = Callable[..., None]


class Getter(threading.Thread):
    """Waits for one result in a thread of its own."""

    def __init__(self, result: Any, timeout: float = 20) -> None:
        super().__init__(daemon=True)
        self._result, self._timeout = result, timeout
        self.got: list[Any] = []

    def run(self) -> None:
        try:
            self.got.append(self._result.get(timeout=self._timeout))
        except Exception as error:
            self.got.append(type(error))

    def end(self) -> Any:
        self.join(20)
        return self.got[0]


@pytest.fixture
def listener(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener at rest, whose thread does nothing for a while if it is not called.

    So whoever is left unheard stays it.
    """
    monkeypatch.setattr("flask_celeriac.record.listener.TICK_S", 30.0)
    monkeypatch.setattr("flask_celeriac.record.listener._LEADS_S", 15.0)
    app.backend.store_result("first", 1, states.SUCCESS)
    assert app.AsyncResult("first").get(timeout=10) == 1
    listener = app.backend.result_consumer.registry.listener
    yield listener
    # It is shared by all tests of this process.
    listener._called.set()


@pytest.fixture
def rests(listener: Listener, wait_until: Wait) -> Callable[[], None]:
    return lambda: wait_until(lambda: not listener._turn.locked())


@pytest.fixture
def lead(app: Celery, listener: Listener, rests: Callable[[], None], wait_until: Wait) -> Any:
    """Let a thread wait for a result of this name, and listen for all."""

    def lead(name: str, timeout: float = 20) -> Getter:
        rests()
        getter = Getter(just_sent(app, name), timeout)
        getter.start()
        wait_until(lambda: listener._leader == getter.ident and is_listened_to(app, name))
        return getter

    return lead


def just_sent(app: Celery, name: str, new_for_s: float = 20.0) -> AsyncResult[Any]:
    result: AsyncResult[Any] = AsyncResult(name, app=app, backend=app.backend)
    result.sent_at_s = time.monotonic() + new_for_s
    return result


def is_listened_to(app: Celery, name: str) -> bool:
    # The channel may be there from earlier: what comes by it is for those who are noted.
    audience = app.backend.result_consumer.registry.listener._audience
    key = f"celery-task-meta-{name}"
    is_noted = not audience.has_notes and key.encode() in audience._watched
    return is_noted and bool(app.backend.client.pubsub_channels(key))


def store(app: Celery, name: str, value: Any = 1) -> None:
    app.backend.store_result(name, value, states.SUCCESS)


def test_a_quick_result_comes_without_the_thread(
    app: Celery, listener: Listener, lead: Any, rests: Callable[[], None]
) -> None:
    for n in range(5):
        getter = lead(f"a{n}")
        listener._called.clear()
        store(app, f"a{n}", n)
        assert getter.end() == n
        rests()
        assert not listener._called.is_set()
    assert app.backend.result_consumer.registry._watches == {}


def test_a_result_that_has_come_is_let_go_of(
    app: Celery, listener: Listener, rests: Callable[[], None], wait_until: Wait
) -> None:
    def answer(name: str) -> None:
        wait_until(lambda: is_listened_to(app, name))
        store(app, name)

    def wait(name: str) -> weakref.ref[Any]:
        rests()
        answerer = threading.Thread(target=answer, args=(name,))
        answerer.start()
        result = just_sent(app, name)
        assert result.get(timeout=20) == 1
        answerer.join()
        return weakref.ref(result)

    results = [wait(f"a{n}") for n in range(5)]
    gc.collect()
    assert [result() for result in results] == [None] * 5
    assert len(listener._audience._unread) <= 1


def test_who_leads_serves_others_and_leaves_them_to_the_thread(
    app: Celery, listener: Listener, lead: Any, wait_until: Wait
) -> None:
    leader = lead("a")
    others = [Getter(just_sent(app, name)) for name in ("b", "c")]
    for other in others:
        other.start()
    wait_until(lambda: is_listened_to(app, "b") and is_listened_to(app, "c"))
    store(app, "b", "first")
    assert others[0].end() == "first"
    assert listener._leader == leader.ident
    store(app, "a", "own")
    assert leader.end() == "own"
    store(app, "c", "after")
    assert others[1].end() == "after"


def test_who_leads_leaves_to_the_thread_what_may_last(
    app: Celery, listener: Listener, lead: Any, wait_until: Wait
) -> None:
    leader = lead("a")
    # Of an older task the result may be there, and reading it may last.
    other = Getter(app.AsyncResult("d"))
    other.start()
    called_back: list[Any] = []
    app.AsyncResult("e").then(lambda result: called_back.append(result.result))
    wait_until(lambda: is_listened_to(app, "d") and is_listened_to(app, "e"))
    wait_until(lambda: listener._leader is None)
    store(app, "a", "own")
    assert leader.end() == "own"
    store(app, "d", "after")
    assert other.end() == "after"
    store(app, "e", "called")
    wait_until(lambda: called_back == ["called"])


def test_who_leads_until_his_time_is_over_leaves_nobody_unheard(
    app: Celery, lead: Any, wait_until: Wait
) -> None:
    leader = lead("a", timeout=0.5)
    same, other = Getter(just_sent(app, "a")), Getter(just_sent(app, "b"))
    same.start()
    other.start()
    wait_until(lambda: is_listened_to(app, "b"))
    assert leader.end() is not None
    assert issubclass(leader.got[0], CeleryTimeoutError)
    store(app, "a", 1)
    store(app, "b", 2)
    assert (same.end(), other.end()) == (1, 2)


@pytest.mark.parametrize("turn", ["_lead", "_listen"])
def test_who_comes_at_the_end_of_a_turn_is_heard(
    app: Celery,
    listener: Listener,
    rests: Callable[[], None],
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    turn: str,
) -> None:
    original, called_back = getattr(listener, turn), []

    def listen_and_add(*args: Any) -> Any:
        done = original(*args)
        monkeypatch.setattr(listener, turn, original)
        app.AsyncResult("late").then(lambda result: called_back.append(result.result))
        return done

    rests()
    monkeypatch.setattr(listener, turn, listen_and_add)
    getter = Getter(just_sent(app, "a") if turn == "_lead" else app.AsyncResult("a"))
    getter.start()
    wait_until(lambda: is_listened_to(app, "a"))
    store(app, "a")
    assert getter.end() == 1
    store(app, "late", 2)
    wait_until(lambda: called_back == [2])


def test_what_came_while_nobody_waited_is_not_for_who_comes_next(
    app: Celery, client: redis.Redis, lead: Any, rests: Callable[[], None]
) -> None:
    getter = lead("a")
    store(app, "a", "first")
    assert getter.end() == "first"
    rests()
    # The channel is left together with others, later.
    assert client.publish("celery-task-meta-a", app.backend.encode({"status": "x"})) >= 1
    client.delete("celery-task-meta-a")
    getter = lead("a")
    store(app, "a", "second")
    assert getter.end() == "second"


def test_two_that_wait_for_the_same_object_both_get_it(
    app: Celery, listener: Listener, rests: Callable[[], None], wait_until: Wait
) -> None:
    rests()
    result = just_sent(app, "a")
    first, second = Getter(result, 1), Getter(result)
    first.start()
    wait_until(lambda: listener._leader == first.ident)
    second.start()
    first.join(20)
    store(app, "a", 5)
    assert second.end() == 5


def test_what_lasts_longer_is_brought_by_the_thread(
    app: Celery, listener: Listener, rests: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_celeriac.record.listener._LEADS_S", 0.01)
    rests()
    getter = Getter(just_sent(app, "a", new_for_s=0.0))
    getter.start()
    time.sleep(0.1)
    assert listener._leader is None
    store(app, "a", 3)
    assert getter.end() == 3


def test_a_connection_that_is_lost_meanwhile_is_made_anew(
    app: Celery, client: redis.Redis, lead: Any, wait_until: Wait
) -> None:
    getter = lead("a")
    with client.pipeline() as pipe:
        pipe.client_kill_filter(_type="pubsub")
        pipe.set("celery-task-meta-a", app.backend.encode({"status": "SUCCESS", "result": 7}))
        pipe.execute()
    assert getter.end() == 7
    other = Getter(app.AsyncResult("b"))
    other.start()
    wait_until(lambda: is_listened_to(app, "b"))
    store(app, "b", 8)
    assert other.end() == 8


class _Interrupted(BaseException):
    pass


@pytest.mark.parametrize("error", [_Interrupted, ValueError])
def test_an_interruption_leaves_no_half_read_connection(
    app: Celery, listener: Listener, rests: Callable[[], None], error: type[BaseException]
) -> None:
    rests()

    def interrupt(*_: Any) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        # An error of the connection, which this looks like, is the thread's to mend.
        with pytest.raises((error, CeleryTimeoutError)):
            just_sent(app, "a").get(timeout=1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert listener._leader is None
    getter = Getter(app.AsyncResult("b"))
    getter.start()
    store(app, "b", 2)
    assert getter.end() == 2


def test_the_handler_of_a_signal_may_wait_while_its_thread_listens(
    app: Celery, listener: Listener, rests: Callable[[], None]
) -> None:
    rests()
    got: list[Any] = []

    def handle(*_: Any) -> None:
        assert listener._leader == threading.get_ident()
        store(app, "inner", 1)
        got.append(app.AsyncResult("inner").get(timeout=10))
        store(app, "outer", 2)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        got.append(just_sent(app, "outer").get(timeout=20))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert got == [1, 2]


def test_nobody_is_left_unheard_when_many_lead_in_turn(
    app: Celery, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_celeriac.record.listener._LEADS_S", 0.002)
    wrong: list[Any] = []

    def wait_often(who: int) -> None:
        choose = random.Random(who)
        for n in range(400):
            name = f"r{who}.{n}"
            result = just_sent(app, name, new_for_s=choose.choice([0.0, 0.001, 0.01]))
            after_s = choose.choice([0.0, 0.0003, 0.001, 0.003])
            timer = threading.Timer(after_s, store, (app, name, n))
            timer.start()
            try:
                got = result.get(timeout=15)
            except CeleryTimeoutError:
                got = "left unheard"
            if got != n:
                wrong.append((name, got))
                return

    threads = [threading.Thread(target=wait_often, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert wrong == []
    assert listener.is_running
