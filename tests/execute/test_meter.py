"""Progress that could not be told is told at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.errors import ResultBackendUnavailable
from flask_celeriac.execute.meter import Meter


class Journal:
    """Does not answer until it is told to."""

    is_there = False

    def __init__(self) -> None:
        self.told: list[Any] = []

    def progress(self, task_id: str, data: Any, request: Any) -> None:
        if not self.is_there:
            raise ResultBackendUnavailable("no")
        self.told.append(data["current"])


class Run:
    """A run of a task in a worker."""

    def __init__(self, task: Any) -> None:
        self.task, self.attachment, self.untold = task, None, None


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    made = Journal()
    monkeypatch.setattr("flask_celeriac.execute.meter.journal_of", lambda _: made)
    return made


@pytest.fixture
def meter() -> Iterator[Meter]:
    celeriac, app = Celeriac(), Flask("meter")
    app.config["CELERY_BROKER_URL"] = "memory://"
    celeriac.init_app(app)

    @celeriac.task(name="meter.task")
    def task() -> None: ...

    with app.app_context():
        known = celeriac.celery.tasks["meter.task"]
        known.push_request(id="1", called_directly=False)
        yield Meter.of(Run(known))  # type: ignore[arg-type]
        known.pop_request()


def test_what_was_not_told_is_kept_for_the_end(meter: Meter, journal: Journal) -> None:
    meter.tell(1.0, (3, 3, None, {}))
    untold = meter.untold()
    assert untold is not None
    assert untold["current"] == 3


def test_what_is_told_later_takes_its_place(meter: Meter, journal: Journal) -> None:
    meter.tell(1.0, (2, 3, None, {}))
    journal.is_there = True
    meter.tell(2.0, (3, 3, None, {}))
    assert (journal.told, meter.untold()) == ([3], None)


def test_of_too_much_one_warning_tells(
    meter: Meter, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.is_there = True
    for current in (1, 2):
        meter.tell(float(current), (current, 3, None, {"rows": "x" * 70_000}))
    (warning,) = caplog.records
    assert "meter.task adds 70,012 bytes" in warning.getMessage()
