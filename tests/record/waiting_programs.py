"""Programs that a test starts as processes of their own: `python waiting_programs.py NAME URL`."""

from __future__ import annotations

import os
import sys
import threading


def main(name: str, url: str) -> None:
    if name.endswith("greenlets"):
        from gevent import monkey

        monkey.patch_all()
    {"greenlets": greenlets, "quick_greenlets": quick_greenlets, "fork": fork,
     "fork_while_waiting": fork_while_waiting, "at_exit": at_exit,
     "left_waiting": left_waiting}[name](make_app(url))  # fmt: skip


def make_app(url: str):
    from celery import Celery

    from flask_celeriac.record.urls import ours

    return Celery("tests", set_as_current=False, broker=url, backend=ours(url))


def subscribed(app) -> int:
    from subscriptions import subscriptions

    return len(subscriptions(app.backend.client))


def wait_for_channels(app, count: int) -> None:
    import time

    from subscriptions import subscriptions

    deadline = time.monotonic() + 20
    while sum(subscriptions(app.backend.client)) != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def greenlets(app) -> None:
    """A hundred greenlets wait on one connection, and a callback is called."""
    import gevent

    called = []
    app.AsyncResult("then").then(lambda result: called.append(result.result))
    waiting = [
        gevent.spawn(lambda n=n: app.AsyncResult(f"g{n}").get(timeout=20)) for n in range(100)
    ]
    wait_for_channels(app, 101)
    print("subscribed", subscribed(app))
    gevent.joinall(
        [gevent.spawn(app.backend.store_result, f"g{n}", n, "SUCCESS") for n in range(100)]
    )
    app.backend.store_result("then", 1, "SUCCESS")
    gevent.joinall(waiting, timeout=20)
    wait_for_channels(app, 0)
    print("got", sum(each.value for each in waiting), called)


def quick_greenlets(app) -> None:
    """Greenlets that wait for what was just sent listen in turn, for each other."""
    import time

    import gevent

    from flask_celeriac.declare.result import AsyncResult

    def wait_often(who: int) -> int:
        right = 0
        for n in range(100):
            result = AsyncResult(f"q{who}.{n}", app=app, backend=app.backend)
            result.sent_at_s = time.monotonic()
            after_s = 0.0004 * (n % 7)
            gevent.spawn_later(after_s, app.backend.store_result, result.id, n, "SUCCESS")
            right += result.get(timeout=20) == n
        return right

    app.backend.store_result("warm", 1, "SUCCESS")
    app.AsyncResult("warm").get(timeout=5)
    waiting = [gevent.spawn(wait_often, who) for who in range(4)]
    gevent.joinall(waiting, timeout=30)
    print("got", [each.value for each in waiting])


def fork(app) -> None:
    """A child that inherits a listener at work starts its own; the parent's goes on."""
    app.backend.store_result("warm", 1, "SUCCESS")
    app.AsyncResult("warm").get(timeout=5)
    got = []
    thread = threading.Thread(target=lambda: got.append(app.AsyncResult("p").get(timeout=20)))
    thread.start()
    wait_for_channels(app, 1)
    app.backend.client.close()
    if (child := os.fork()) == 0:
        timer = threading.Timer(0.1, app.backend.store_result, ("c", "child", "SUCCESS"))
        timer.start()
        print("got", app.AsyncResult("c").get(timeout=20), flush=True)
        print("subscribed", subscribed(app), flush=True)
        os._exit(0)
    print("child ended with", os.waitpid(child, 0)[1], flush=True)
    app.backend.store_result("p", "parent", "SUCCESS")
    thread.join(20)
    print("got", *got)


def fork_while_waiting(app) -> None:
    """A child inherits locks that other threads hold, and results that it never waited for."""
    result = app.AsyncResult("a")
    result.then(lambda _: None)
    wait_for_channels(app, 1)
    registry = app.backend.result_consumer.registry
    with registry._lock, registry.listener._lock:
        child = os.fork()
        if child == 0:
            del result
            app.backend.store_result("b", "child", "SUCCESS")
            print("got", app.AsyncResult("b").get(timeout=20), flush=True)
            os._exit(0)
        print("child ended with", os.waitpid(child, 0)[1], flush=True)


def at_exit(app) -> None:
    """Where no thread can be started any more."""
    import atexit

    app.backend.store_result("a", 1, "SUCCESS")
    atexit.register(lambda: print("got", app.AsyncResult("a").get(timeout=5)))


def left_waiting(app) -> None:
    """The interpreter ends although somebody waits."""
    app.AsyncResult("never").then(print)
    threading.Thread(target=app.AsyncResult("never").get, daemon=True).start()
    wait_for_channels(app, 1)
    print("ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
