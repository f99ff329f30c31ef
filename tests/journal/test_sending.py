"""Exposed tasks are written down when they are sent, with who sent them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from kombu.exceptions import OperationalError

from flask_celeriac import Celeriac
from flask_celeriac.errors import ArgumentsNotJSON
from flask_celeriac.record.journal.facts import Entry
from flask_celeriac.record.journal.find import journal_of


@pytest.fixture
def shop(redis_url: str) -> tuple[Celeriac, Flask]:
    """The extension, and the application: else nobody would hold that."""
    celeriac = Celeriac()

    @celeriac.expose()
    @celeriac.task(name="shop.mail")
    def mail(address: Any) -> None:
        """Never run here."""

    @celeriac.task(name="shop.hidden")
    def hidden() -> None:
        """Never run here."""

    app = Flask("shop")
    app.config.update(CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
    celeriac.init_app(app)
    return celeriac, app


@pytest.fixture
def celeriac(shop: tuple[Celeriac, Flask]) -> Celeriac:
    return shop[0]


@pytest.fixture
def app(shop: tuple[Celeriac, Flask]) -> Flask:
    return shop[1]


def entry_of(celeriac: Celeriac, id_: str) -> Entry | None:
    return journal_of(celeriac.celery).look(id_).entry


def test_the_owner_of_the_request_is_the_owner_of_the_task(celeriac: Celeriac, app: Flask) -> None:
    celeriac.owner(lambda request: request.headers.get("User"))
    with app.test_request_context(headers={"User": "ann"}):
        id_ = celeriac.celery.tasks["shop.mail"].delay("a@b").id
    entry = entry_of(celeriac, id_)
    assert entry is not None
    assert (entry.name, entry.owner) == ("shop.mail", "ann")


def test_outside_of_requests_a_task_has_no_owner(celeriac: Celeriac) -> None:
    celeriac.owner(lambda request: request.headers["User"])
    entry = entry_of(celeriac, celeriac.celery.tasks["shop.mail"].delay("a@b").id)
    assert entry is not None
    assert entry.owner is None


def test_an_id_that_the_sender_chose_is_kept(celeriac: Celeriac) -> None:
    task = celeriac.celery.tasks["shop.mail"]
    assert task.apply_async(("a@b",), {}, "chosen-1").id == "chosen-1"
    assert task.apply_async(("a@b",), task_id="chosen-2").id == "chosen-2"
    assert entry_of(celeriac, "chosen-1") is not None
    assert entry_of(celeriac, "chosen-2") is not None


def test_a_task_that_is_not_exposed_is_not_written_down(celeriac: Celeriac) -> None:
    assert entry_of(celeriac, celeriac.celery.tasks["shop.hidden"].delay().id) is None


def test_a_task_that_could_not_be_sent_is_forgotten(celeriac: Celeriac) -> None:
    task = celeriac.celery.tasks["shop.mail"]
    with pytest.raises(ArgumentsNotJSON):
        task.apply_async((object(),), task_id="odd")
    with pytest.raises(TypeError):
        task.apply_async((), task_id="odd")
    assert entry_of(celeriac, "odd") is None


def test_a_task_that_may_have_arrived_stays(
    celeriac: Celeriac, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = celeriac.celery.tasks["shop.mail"]
    monkeypatch.setattr(type(task), "_send_on", _fail)
    with pytest.raises(OperationalError):
        task.apply_async(("a@b",), task_id="perhaps")
    assert entry_of(celeriac, "perhaps") is not None


def _fail(*_: Any, **__: Any) -> None:
    raise OperationalError("lost")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"countdown": -1}, "countdown"),
        ({"terminate_after_s": -1}, "terminate_after_s"),
        ({"priority": [300]}, "priority"),
        ({"queue": [""]}, "queue"),
    ],
)
def test_a_wrong_option_is_named(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Celeriac().expose(**options)


def test_what_is_no_task_can_not_be_exposed() -> None:
    with pytest.raises(TypeError, match=r"@celeriac\.task"):
        Celeriac().expose()(len)
