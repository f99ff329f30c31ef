"""Beat is told to end while it starts, by the service and the signal handlers of Celery."""

from __future__ import annotations

import shelve
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Service

from flask_celeriac.enqueue.schedule import Scheduler

NUMBERS = (signal.SIGTERM, signal.SIGINT)
MOMENTS = ("it opens its file", "nobody has it yet")


class TellingScheduler(Scheduler):
    """The first one that is made gets a signal at a moment of its start."""

    number: signal.Signals | None = None
    moment = ""
    made: list[TellingScheduler]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.persistence = self
        self.made.append(self)
        super().__init__(*args, **kwargs)
        self._tell("nobody has it yet")

    def open(self, filename: str, writeback: bool) -> shelve.Shelf[Any]:
        store = shelve.open(filename, writeback=writeback)  # noqa: SIM115 - the scheduler closes it
        self._tell("it opens its file")
        return store

    def _tell(self, moment: str) -> None:
        if self.number and self.moment == moment and self is self.made[0]:
            signal.raise_signal(self.number)


class Start:
    """What `celery beat` does, up to its first tick."""

    def __init__(self, folder: Path) -> None:
        self.file = str(folder / "schedule")
        self.state = folder / "state"
        self.made: list[TellingScheduler] = []

    def service(self, number: signal.Signals | None = None, moment: str = "") -> Service:
        celery = Celery("told", broker="memory://", set_as_current=False)
        celery.conf.beat_schedule = {"often": {"task": "celery.chain", "schedule": 60.0}}
        told = {"number": number, "moment": moment, "made": self.made}
        scheduler = type("ToldScheduler", (TellingScheduler,), told)
        service = Service(celery, schedule_filename=self.file, scheduler_cls=scheduler)
        Beat(app=celery).install_sync_handler(service)
        return service


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("CELERIAC_STATE_DIR", str(tmp_path / "state"))
    before = {number: signal.getsignal(number) for number in NUMBERS}
    start = Start(tmp_path)
    yield start
    for number, handler in before.items():
        signal.signal(number, handler)
    for beat in start.made:
        beat.close()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_beat_that_is_told_to_end_while_it_starts_stores_its_schedule_and_ends_in_order(
    start: Start, number: signal.Signals, moment: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        start.service(number, moment).start()
    assert ended.value.code is None
    assert len(start.made) == 1, "a second scheduler was set up within the first"
    with pytest.raises(ValueError, match="closed"):
        len(start.made[0].schedule)
    with shelve.open(start.file) as stored:
        assert "often" in stored["entries"]
    assert not list(start.state.iterdir())


def test_an_exit_that_is_lost_before_the_schedule_is_set_up_is_made_up_for(start: Start) -> None:
    service = start.service()
    make = service.get_scheduler

    def make_late() -> Any:
        service.get_scheduler = make
        with suppress(SystemExit):  # as Python does in a __del__
            signal.raise_signal(signal.SIGTERM)
        return make()

    service.get_scheduler = make_late
    with pytest.raises(SystemExit):
        service.start()
    for beat in start.made:
        with pytest.raises(ValueError, match="closed"):
            len(beat.schedule)


def test_an_exit_that_is_lost_comes_with_the_next_tick(start: Start) -> None:
    beat = start.service().scheduler
    with suppress(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        beat.tick()


def test_one_beat_after_another_gets_its_own_signals(start: Start) -> None:
    start.service().scheduler.close()
    beat = start.service().scheduler
    assert len(beat.schedule)
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(ValueError, match="closed"):
        len(beat.schedule)


def test_handlers_of_others_stay(start: Start) -> None:
    service, heard = start.service(), []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert len(service.scheduler.schedule)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert heard == [signal.SIGTERM]
    assert len(service.scheduler.schedule)


def test_a_beat_in_a_thread_leaves_the_signals_alone(start: Start) -> None:
    service = start.service()
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: service.scheduler.close())
    thread.start()
    thread.join(20)
    [beat] = start.made
    with pytest.raises(ValueError, match="closed"):
        len(beat.schedule)
    assert signal.getsignal(signal.SIGTERM) is before
