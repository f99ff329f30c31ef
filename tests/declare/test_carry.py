"""What the request knows travels with the task."""

from __future__ import annotations

import copy
import logging

import pytest
from celery import chain
from flask import g, request

from flask_celeriac import Celeriac
from flask_celeriac.errors import CarryError

celeriac = Celeriac()
celeriac.carry(
    "locale",
    dump=lambda: request.headers.get("Accept-Language"),
    load=lambda value: setattr(g, "locale", value),
)


@celeriac.task(bind=True, max_retries=1, default_retry_delay=0)
def speak(self, *_: object, retry: bool = False) -> list[str]:
    logging.getLogger("garden").warning("speaking")
    if retry and self.request.retries == 0:
        raise self.retry()
    return [g.get("locale"), g.get("request_id")]


@pytest.fixture
def app(make_app, wait_until_alone):
    wait_until_alone(celeriac)
    app = make_app(celeriac=celeriac)

    @app.post("/<how>")
    def view(how):
        ways = {
            "delay": lambda: speak.delay(),
            "retry": lambda: speak.delay(retry=True),
            "chain": lambda: chain(speak.s(), speak.s(), speak.si()).delay(),
            "by-name": lambda: app.extensions["celery"].send_task(speak.name),
            "eager": lambda: speak.apply(),
        }
        return {"seen": ways[how]().get(timeout=10)}

    return app


@pytest.fixture
def worker(app, run_worker):
    with run_worker(app):
        yield


@pytest.mark.parametrize("how", ["delay", "retry", "chain", "by-name", "eager"])
def test_values_and_the_request_id_travel(app, worker, how):
    headers = {"Accept-Language": "nl", "X-Request-ID": "abc-1"}
    response = app.test_client().post(f"/{how}", headers=headers)
    assert response.json == {"seen": ["nl", "abc-1"]}
    assert response.headers["X-Request-ID"] == "abc-1"


def test_a_request_without_an_id_gets_one(app, worker):
    response = app.test_client().post("/delay")
    locale, request_id = response.json["seen"]
    assert locale is None
    assert len(request_id) == 32
    assert response.headers["X-Request-ID"] == request_id


def test_an_id_that_could_forge_log_lines_is_not_taken(app, worker):
    response = app.test_client().post("/eager", headers={"X-Request-ID": "a b\x1b[31m"})
    assert len(response.headers["X-Request-ID"]) == 32


@pytest.fixture
def garden_log():
    """The records of the logger `garden`; a worker takes the root logger's handlers away."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("garden")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_log_records_of_both_sides_have_the_request_id(app, worker, garden_log):
    @app.get("/log")
    def log():
        logging.getLogger("garden").warning("asked")
        return {"seen": speak.delay().get(timeout=10)}

    app.test_client().get("/log", headers={"X-Request-ID": "abc-2"})
    assert {record.getMessage(): record.request_id for record in garden_log} == {
        "asked": "abc-2",
        "speaking": "abc-2",
    }


def test_an_application_may_put_its_own_id_on_a_record(app, garden_log):
    with app.test_request_context("/", headers={"X-Request-ID": "abc-3"}):
        logging.getLogger("garden").warning("mine", extra={"request_id": "own"})
        logging.getLogger("garden").warning("ours")
    assert [record.request_id for record in garden_log] == ["own", "abc-3"]
    shown = [logging.Formatter("%(request_id)s %(message)s").format(r) for r in garden_log]
    assert shown == ["own mine", "abc-3 ours"]
    assert [copy.copy(record).request_id for record in garden_log] == ["own", "abc-3"]


def test_a_task_sent_outside_any_request_has_an_id_of_its_own(app, worker):
    result = speak.delay()
    assert result.get(timeout=10) == [None, result.id]


@pytest.fixture
def make_carrying(make_eager_app):
    def make(dump, load=lambda value: None):
        own = Celeriac()
        own.carry("tenant", dump=dump, load=load)
        ran = []

        @own.task
        def act() -> None:
            ran.append(True)

        return make_eager_app(celeriac=own), act, ran

    return make


def test_a_value_that_is_not_json_is_an_error_and_nothing_is_sent(make_carrying):
    app, act, ran = make_carrying(dump=object)
    with app.test_request_context("/"), pytest.raises(CarryError, match=r"tenant.*JSON"):
        act.delay()
    assert not ran


def test_a_dump_that_fails_is_an_error_and_nothing_is_sent(make_carrying):
    app, act, ran = make_carrying(dump=lambda: {}["missing"])
    with app.test_request_context("/"), pytest.raises(CarryError, match=r"tenant.*KeyError"):
        act.delay()
    assert not ran


def test_a_load_that_fails_keeps_the_task_from_running(make_carrying):
    def load(value):
        raise LookupError("no such tenant")

    app, act, ran = make_carrying(dump=lambda: "acme", load=load)
    with (
        app.test_request_context("/"),
        pytest.raises(CarryError, match=r"tenant.*no such tenant"),
    ):
        act.delay()
    assert not ran


def test_one_name_carried_twice_is_an_error():
    own = Celeriac()
    own.carry("tenant", dump=str, load=print)
    with pytest.raises(CarryError, match=r"tenant.*twice"):
        own.carry("tenant", dump=str, load=print)
