"""The machine's clock is set back while beat runs, or between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab

from flask_celeriac.enqueue.schedule import Scheduler
from flask_celeriac.enqueue.schedule.clock import ClockWatch

NOON = datetime(2031, 3, 5, 12, tzinfo=UTC)


class ClockedCelery(Celery):
    """A Celery app that lives at the time it is told."""

    wall = NOON

    def now(self) -> datetime:
        return self.wall


class RecordingScheduler(Scheduler):
    """Writes down what it would send, and when."""

    sent: list[tuple[datetime, str]]

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append((self.app.wall, entry.name))


class World:
    """A beat, its wall clock and the monotonic clock under it."""

    def __init__(self, folder: Path, schedule: dict[str, Any]) -> None:
        self.celery = ClockedCelery("clocked", broker="memory://", set_as_current=False)
        self.celery.conf.result_expires = None  # else Celery adds an entry of its own
        self.celery.conf.beat_schedule = {
            name: {"task": "celery.chain", "schedule": when} for name, when in schedule.items()
        }
        self._elapsed_s = 1000.0
        self._folder = folder
        self.sent: list[tuple[datetime, str]] = []
        self.beat = self.start()

    def start(self) -> Scheduler:
        world = self

        class ThisScheduler(RecordingScheduler):
            sent = world.sent
            monotonic = staticmethod(lambda: world._elapsed_s)

        return ThisScheduler(self.celery, schedule_filename=str(self._folder / "schedule"))

    def restart(self) -> None:
        self.beat.close()
        self.beat = self.start()

    def run(self, seconds: float) -> list[str]:
        """Let real time pass, ticking as beat's service does; return what was sent, as HH:MM:SS."""
        before, end_s = len(self.sent), self._elapsed_s + seconds
        while True:
            delay_s = self.beat.tick()
            if self._elapsed_s >= end_s and delay_s > 0:
                break
            self.pass_time(max(min(delay_s, end_s - self._elapsed_s), 0.001))
        return [f"{moment:%H:%M:%S}" for moment, _ in self.sent[before:]]

    def pass_time(self, seconds: float) -> None:
        self._elapsed_s += seconds
        self.celery.wall += timedelta(seconds=seconds)

    def set_back(self, **by: float) -> None:
        self.celery.wall -= timedelta(**by)


@pytest.fixture
def world_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("CELERIAC_STATE_DIR", str(tmp_path / "state"))
    worlds: list[World] = []

    def make(**schedule: Any) -> World:
        worlds.append(World(tmp_path, schedule))
        return worlds[-1]

    yield make
    for world in worlds:
        world.beat.close()


def test_an_interval_keeps_its_pace_when_the_clock_is_set_back(world_of: Any) -> None:
    world = world_of(tick=timedelta(seconds=60))
    assert len(world.run(185)) == 3
    world.set_back(hours=1)
    assert world.run(180) == ["11:04:00", "11:05:00", "11:06:00"]


def test_a_minutely_crontab_follows_the_new_wall_time(world_of: Any) -> None:
    world = world_of(minutely=crontab())
    assert world.run(90) == ["12:01:00"]
    world.set_back(hours=1)
    assert world.run(120) == ["11:02:00", "11:03:00"]


def test_a_minute_that_comes_again_within_seconds_is_sent_once(world_of: Any) -> None:
    world = world_of(minutely=crontab())
    assert world.run(62) == ["12:01:00"]
    world.set_back(seconds=5)
    assert world.run(65) == ["12:02:00"]


def test_a_daily_entry_does_not_run_twice_on_one_day(world_of: Any) -> None:
    world = world_of(daily=crontab(hour="12", minute="30"))
    assert world.run(3600) == ["12:30:00"]
    world.set_back(hours=1)
    assert world.run(3600) == []
    assert world.run(24 * 3600) == ["12:30:00"]


def test_an_hourly_entry_goes_on_each_hour(world_of: Any) -> None:
    world = world_of(hourly=crontab(minute="0"))
    assert world.run(2 * 3600 + 30) == ["13:00:00", "14:00:00"]
    world.set_back(hours=1)
    assert world.run(2 * 3600) == ["14:00:00", "15:00:00"]


def test_an_entry_that_has_not_run_yet_is_not_left_out(world_of: Any) -> None:
    world = world_of(daily=crontab(hour="12", minute="30"))
    world.run(60)
    world.set_back(hours=2)
    assert world.run(3 * 3600) == ["12:30:00"]


def test_a_clock_that_was_years_ahead_silences_nothing(world_of: Any) -> None:
    world = world_of(tick=timedelta(seconds=60), daily=crontab(hour="4", minute="0"))
    world.run(30)
    world.set_back(days=2000)
    assert len(world.run(120)) == 2
    assert "04:00:00" in world.run(24 * 3600)


def test_a_clock_set_back_between_two_runs_silences_nothing(world_of: Any) -> None:
    world = world_of(tick=timedelta(seconds=60), minutely=crontab())
    world.run(120)
    world.set_back(days=1)
    world.restart()
    assert len(world.run(130)) == 4


def test_a_clock_set_forward_sends_what_is_due_once(world_of: Any) -> None:
    world = world_of(tick=timedelta(seconds=60))
    world.run(60)
    world.set_back(hours=-3)
    assert len(world.run(59)) == 1


def test_small_corrections_are_not_a_step() -> None:
    watch = ClockWatch(1000.0, 10.0)
    assert watch.set_back_by(1000.1, 11.0) == 0.0
    assert watch.set_back_by(1100.1, 111.0) == 0.0
    assert watch.set_back_by(100.1, 112.0) == pytest.approx(1001.0)
    assert watch.set_back_by(101.1, 113.0) == 0.0
