"""`GET /<id>/events`: what comes, in which order, from where on, and how it ends."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

import pytest
import redis
from event_site import PREFIX, Site, in_background, numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_celeriac.api import events as events_view
from flask_celeriac.api import stream as stream_module
from flask_celeriac.api.slots import slots_of
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.record.journal.facts import Cancellation
from flask_celeriac.record.journal.on_redis import RedisJournal
from server_sent import Frame, frames_of

Wait = Callable[..., None]
NewSite = Callable[..., Site]


def open_streams(site: Site) -> int:
    return slots_of(site.app).taken


def test_all_that_happens_comes_in_order_and_then_the_end(site: Site) -> None:
    id_ = site.send()
    reading = site.reading(id_)
    site.run(id_, 3)
    frames = [frame for frame in reading.join() if frame.kind]
    assert [frame.kind for frame in frames] == ["state", *["progress"] * 3, "end"]
    assert numbers(frames) == [1, 2, 3, 4, 5]
    assert frames[0].data == {"state": "STARTED"}
    assert frames[2].data == {"current": 2, "total": 3}
    end = frames[-1].data
    assert end == site.client.get(f"{PREFIX}/{id_}").get_json()
    assert (end["state"], end["result"], end["links"]["self"]) == (
        "SUCCESS", "sent", f"{PREFIX}/{id_}",
    )  # fmt: skip


def test_a_stream_begins_with_what_is_kept_and_follows_what_comes(site: Site) -> None:
    id_ = site.send()
    site.journal.started(id_)
    site.journal.progress(id_, {"current": 1})
    reading = site.reading(id_)
    reading.wait_for(2)
    site.journal.retried(id_, {"retries": 1})
    reading.wait_for(3)
    site.journal.cancel(id_, Cancellation(datetime.now(UTC), "too slow", "ann"))
    reading.wait_for(4)
    site.end(id_, ValueError("no"), "FAILURE")
    frames = [frame for frame in reading.join() if frame.kind]
    assert [frame.kind for frame in frames] == ["state", "progress", "state", "state", "end"]
    assert frames[2].data == {"state": "RETRY", "retries": 1}
    wish = frames[3].data["cancellation"]
    assert (wish["reason"], wish["by"]) == ("too slow", "ann")
    assert wish == frames[4].data["cancellation"]
    assert frames[4].data["error"] == {"type": "ValueError", "message": "no"}


def test_progress_comes_without_a_question_to_redis(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, asked = site.send(), []
    site.journal.started(id_)
    reading = site.reading(id_)
    reading.wait_for(1)
    follow = RedisJournal.follow
    monkeypatch.setattr(RedisJournal, "follow", lambda *args: asked.append(args) or follow(*args))
    for current in range(20):
        site.journal.progress(id_, {"current": current})
        reading.wait_for(current + 2)
    # Of the subscription it may hear only now.
    assert len(asked) <= 2
    site.end(id_, "done")
    assert numbers([frame for frame in reading.join() if frame.kind]) == [*range(1, 23)]
    assert 1 <= len(asked) <= 3


def test_who_reads_slowly_misses_nothing(site: Site) -> None:
    id_ = site.send()
    frames = frames_of(site.open(id_).response)
    site.journal.started(id_)
    taken = [next(frames)]
    for current in range(100):
        site.journal.progress(id_, {"current": current})
        if current == 50:
            taken.append(next(frames))
    site.end(id_, "done")
    taken += frames
    assert numbers([frame for frame in taken if frame.kind]) == [*range(1, 103)]


def test_a_task_that_was_finished_before_gives_its_events_and_the_end(site: Site) -> None:
    id_ = site.send()
    site.run(id_, 2)
    assert numbers(site.frames(id_)) == [1, 2, 3, 4]


def test_a_browser_is_told_how_to_read_the_stream_and_when_to_come_again(site: Site) -> None:
    id_ = site.send()
    site.run(id_)
    response = site.open(id_)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert next(iter(response.response)) == b"retry: 2000\n\n"
    response.close()


def test_a_cursor_goes_on_after_it_by_header_or_by_query(site: Site) -> None:
    id_ = site.send()
    site.run(id_, 4)
    assert numbers(site.frames(id_, "3")) == [4, 5, 6]
    path = f"{PREFIX}/{id_}/events"
    by_query = site.client.get(f"{path}?last_event_id=4", buffered=False)
    assert numbers(frames_of(by_query.response)) == [5, 6]
    # The query stays in the address of an EventSource that comes again with its header.
    both = site.client.get(
        f"{path}?last_event_id=1", headers={"Last-Event-ID": "5"}, buffered=False
    )
    assert numbers(frames_of(both.response)) == [6]


@pytest.mark.parametrize("cursor", ["5", "6", "99"])
def test_who_has_the_end_is_sent_away_for_good(site: Site, cursor: str) -> None:
    id_ = site.send()
    site.run(id_)
    assert site.frames(id_)[-1].number == 5
    response = site.open(id_, cursor)
    assert (response.status_code, response.data) == (204, b"")
    assert open_streams(site) == 0


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 12), max_size=8), steps=st.integers(1, 40))
def test_a_stream_that_is_cut_anywhere_goes_on_without_a_gap(
    site: Site, cuts: list[int], steps: int
) -> None:
    id_ = site.send()
    worker = in_background(site.run, id_, steps)
    seen: list[Frame] = []
    for length in [*cuts, math.inf]:
        response = site.open(id_, str(seen[-1].number) if seen else None)
        if response.status_code == 204:
            break
        frames = (frame for frame in frames_of(response.response) if frame.kind)
        for count, frame in enumerate(frames, 1):
            seen.append(frame)
            if count == length:
                break
        response.close()
    worker.join()
    assert numbers(seen) == list(range(1, steps + 3))
    assert [frame.kind for frame in seen] == ["state", *["progress"] * steps, "end"]
    assert open_streams(site) == 0


def test_a_cursor_that_is_too_old_gets_a_reset_and_goes_on(site: Site) -> None:
    id_ = site.send()
    site.journal.started(id_)
    for step in range(1004):
        site.journal.progress(id_, {"current": step})
    reading = site.reading(id_, "3")
    reading.wait_for(1)
    site.journal.progress(id_, {"current": "new"})
    reading.wait_for(2)
    site.end(id_)
    reset, new, end = (frame for frame in reading.join() if frame.kind)
    assert (reset.kind, reset.number, reset.data["progress"]) == ("reset", 1005, {"current": 1003})
    assert (new.number, new.data) == (1006, {"current": "new"})
    assert (end.kind, end.number) == ("end", 1007)
    assert numbers(site.frames(id_, "6")) == [*range(7, 1008)]


def test_who_comes_without_a_cursor_gets_the_latest_thousand(site: Site) -> None:
    id_ = site.send()
    site.journal.started(id_)
    for step in range(1004):
        site.journal.progress(id_, {"current": step})
    site.end(id_)
    assert numbers(site.frames(id_)) == [*range(6, 1007)]


@pytest.mark.parametrize("cursor", ["x", "-1", "7" * 30, "1.5", "99"])
def test_a_cursor_that_never_was_gets_a_reset(site: Site, cursor: str) -> None:
    id_ = site.send()
    site.journal.started(id_)
    reading = site.reading(id_, cursor)
    reading.wait_for(1)
    site.end(id_)
    frames = [frame for frame in reading.join() if frame.kind]
    assert [(frame.kind, frame.number) for frame in frames] == [("reset", 1), ("end", 2)]
    assert frames[0].data["state"] == "STARTED"


@pytest.mark.parametrize("cursor", [None, "0"])
def test_when_no_event_is_kept_any_more_the_status_is_told(
    site: Site, redis_url: str, cursor: str | None
) -> None:
    id_ = site.send()
    site.run(id_)
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"celeriac:1:events:{id_}")
    frames = [frame for frame in site.frames(id_, cursor) if frame.kind]
    assert [(frame.kind, frame.number) for frame in frames] == [("reset", 4), ("end", 5)]


def test_silence_is_broken_by_heartbeats(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.05)
    response = site.open(site.send())
    frames = frames_of(response.response)
    assert [next(frames).comment for _ in range(3)] == [
        "retry: 2000", ": heartbeat", ": heartbeat",
    ]  # fmt: skip
    response.close()


def test_whoever_leaves_frees_the_place(site: Site) -> None:
    id_ = site.send()
    begun, not_begun, forgotten = site.open(id_), site.open(id_), site.open(id_)
    next(iter(begun.response))
    assert open_streams(site) == 3
    begun.close()
    assert open_streams(site) == 2
    not_begun.close()
    assert open_streams(site) == 1
    del forgotten
    gc.collect()
    assert open_streams(site) == 0


def test_head_opens_no_stream(site: Site) -> None:
    response = site.client.head(f"{PREFIX}/{site.send()}/events")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert open_streams(site) == 0


def test_no_more_streams_are_open_than_may_be(new_site: NewSite) -> None:
    site = new_site(CELERIAC_MAX_STREAMS=2)
    id_ = site.send()
    first, _second = site.open(id_), site.open(id_)
    refused = site.open(id_)
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    first.close()
    third = site.open(id_)
    assert third.status_code == 200
    third.close()


def test_a_server_that_answers_one_request_at_a_time_has_no_streams(
    new_site: NewSite, caplog: pytest.LogCaptureFixture
) -> None:
    site = new_site(TESTING=False)
    events_view._say_once.cache_clear()
    id_ = site.send()
    for _ in range(2):
        refused = site.open(id_)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
    assert caplog.text.count("--threads") == 1
    allowed = site.open(id_, multithread=True)
    assert allowed.status_code == 200
    allowed.close()


def test_there_is_no_stream_of_what_is_unknown_or_of_somebody_else(site: Site) -> None:
    id_ = site.send()
    site.celeriac.owner(lambda request: "bob")
    foreign, unknown = site.open(id_), site.open(str(uuid4()))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data == unknown.data
    assert open_streams(site) == 0


def test_the_request_is_over_while_its_stream_is_read(site: Site) -> None:
    over: list[bool] = []
    site.app.teardown_request(lambda error: over.append(True))
    id_ = site.send()
    response = site.open(id_)
    assert over == [True]
    site.run(id_)
    assert [frame.kind for frame in frames_of(response.response)][-1] == "end"


def test_numbers_that_json_does_not_know_are_null(site: Site) -> None:
    id_ = site.send()
    site.end(id_, {"mean": math.nan})
    assert site.frames(id_)[-1].data["result"] == {"mean": None}


def test_a_server_that_restarts_is_no_end_and_nothing_is_skipped(
    new_site: NewSite, own_server: EmbeddedServer, wait_until: Wait
) -> None:
    url = own_server.url
    site = new_site(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    id_ = site.send()
    site.journal.started(id_)
    readings = [site.reading(id_) for _ in range(5)]
    for reading in readings:
        reading.wait_for(1)
    own_server.stop()
    own_server.start()
    site.run(id_, 3)
    for reading in readings:
        assert numbers(reading.join(20)) == [1, 2, 3, 4, 5, 6]


def test_heartbeats_go_on_while_the_server_is_away(
    new_site: NewSite, own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.2)
    url = own_server.url
    site = new_site(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    id_ = site.send()
    site.journal.started(id_)
    response = site.open(id_)
    frames = frames_of(response.response)
    assert [next(frames).kind for _ in range(2)] == ["", "state"]
    own_server.stop()
    assert [next(frames).comment for _ in range(4)] == [": heartbeat"] * 4
    own_server.start()
    site.end(id_)
    assert [frame.kind for frame in frames][-1] == "end"


def test_a_server_that_has_lost_a_task_ends_its_stream(site: Site, redis_url: str) -> None:
    id_ = site.send()
    site.journal.started(id_)
    reading = site.reading(id_)
    reading.wait_for(1)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        client.client_kill_filter(_type="pubsub")
    assert reading.join() != []
    assert reading.kinds == ["state"]


# Where nothing can be pushed.


def test_without_push_the_same_comes_by_looking(slow_site: Site) -> None:
    id_ = slow_site.send()
    reading = slow_site.reading(id_)
    slow_site.journal.started(id_)
    reading.wait_for(1)
    slow_site.journal.progress(id_, {"current": 1})
    reading.wait_for(2)
    slow_site.journal.cancel(id_, Cancellation(datetime.now(UTC), "too slow"))
    reading.wait_for(3)
    slow_site.end(id_, "sent")
    frames = [frame for frame in reading.join() if frame.kind]
    assert [frame.kind for frame in frames] == ["state", "progress", "state", "end"]
    assert frames[0].data == {"state": "STARTED"}
    assert frames[1].data == {"current": 1}
    assert frames[2].data["cancellation"]["reason"] == "too slow"
    assert frames[3].data["result"] == "sent"
    assert all(before.number <= after.number for before, after in pairwise(frames))


@pytest.mark.parametrize("cursor", ["0", "7", "x"])
def test_without_push_any_cursor_gets_a_reset(slow_site: Site, cursor: str) -> None:
    id_ = slow_site.send()
    slow_site.journal.started(id_)
    reading = slow_site.reading(id_, cursor)
    reading.wait_for(1)
    slow_site.end(id_, "sent")
    frames = [frame for frame in reading.join() if frame.kind]
    assert [frame.kind for frame in frames] == ["reset", "end"]
    assert frames[0].data["state"] == "STARTED"


def test_without_push_who_has_the_end_is_sent_away_for_good(slow_site: Site) -> None:
    id_ = slow_site.send()
    slow_site.journal.started(id_)
    slow_site.end(id_, "sent")
    state, end = (frame for frame in slow_site.frames(id_) if frame.kind)
    assert slow_site.open(id_, str(end.number)).status_code == 204
    again = slow_site.frames(id_, str(state.number))
    assert [frame.kind for frame in again if frame.kind] == ["reset", "end"]
