"""A beat is well while it ticks and reaches its broker."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from relay import Relay
from watched import Watched

Start = Callable[..., Watched]


def test_a_beat_is_healthy_sends_and_leaves_no_file_behind(
    start: Start, redis_url: str, tmp_path: Path
) -> None:
    beat = start("beat", "-s", str(tmp_path / "schedule"))
    beat.wait_until(0, 20, "looked for work")
    with redis.Redis.from_url(redis_url) as client:
        deadline_s = time.monotonic() + 20
        while client.llen("celery") < 2:
            assert time.monotonic() < deadline_s, beat.log.read_text()
            time.sleep(0.1)
    assert beat.stop() == 0
    assert not list(beat.state.iterdir())


def test_a_beat_names_entries_of_unknown_tasks_once_and_goes_on(start: Start) -> None:
    beat = start("beat")
    beat.wait_until(0, 20)
    beat.stays_healthy(3)
    log = beat.log.read_text()
    assert log.count("entry 'wrong' names 'plain.knap' (did you mean 'plain.nap'?)") == 1
    assert "Sending due task often" in log


def test_a_frozen_beat_is_ill_within_twelve_seconds(start: Start) -> None:
    beat = start("beat")
    beat.wait_until(0, 20)
    beat.process.send_signal(signal.SIGSTOP)
    assert beat.wait_until(1, 15, "last beat") < 12.5
    beat.process.send_signal(signal.SIGCONT)
    beat.wait_until(0, 10)


@pytest.mark.slow
def test_a_beat_without_its_broker_is_ill_until_the_broker_is_back(
    start: Start, relayed_url: str, open_relay: Callable[[], Relay]
) -> None:
    relay = open_relay()
    beat = start("beat", url=relayed_url)
    beat.wait_until(0, 20)
    relay.close()
    assert 20 < beat.wait_until(1, 50, "often") < 45
    open_relay()
    beat.wait_until(0, 40)


def test_two_beats_in_one_folder_are_both_judged(start: Start, tmp_path: Path) -> None:
    start("beat", "-s", str(tmp_path / "one"))
    beat = start("beat", "-s", str(tmp_path / "two"))
    beat.wait_until(0, 20, "; beat beat@")
