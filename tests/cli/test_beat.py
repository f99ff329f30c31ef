"""`flask celery beat`, and the same beat without `flask`."""

from __future__ import annotations

import json
import os

import pytest
import redis
from command_line import CommandLine, wait_until

SCHEDULE = {
    "often": {"task": "shop.multiply", "schedule": 1.0, "args": [2, 3]},
    "wrong": {"task": "shop.mutliply", "schedule": 3600.0},
}
CONFIG = json.dumps({"CELERY_BEAT_SCHEDULE": SCHEDULE})


def depth(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.llen("celery"))


def test_beat_sends_what_is_due_and_keeps_its_files_in_the_instance_folder(
    line: CommandLine, redis_url: str
) -> None:
    beat = line.flask("beat", SHOP_CONFIG=CONFIG)
    wait_until(lambda: depth(redis_url) > 1, explain=beat.log.read_text)
    wait_until(lambda: line.is_healthy("beat"))
    assert beat.stop() == 0
    assert list((line.folder / "instance" / "celeriac").glob("beat-schedule*"))
    assert not list(line.folder.glob("celerybeat-schedule*"))
    assert not list(line.state.iterdir())


def test_a_schedule_file_of_ones_own_is_used(line: CommandLine) -> None:
    beat = line.flask("beat", "--schedule=mine", SHOP_CONFIG=CONFIG)
    beat.wait_for("Sending due task")
    assert beat.stop() == 0
    assert list(line.folder.glob("mine*"))
    assert not (line.folder / "instance").exists()


def test_an_entry_of_an_unknown_task_is_named_and_the_others_are_sent(line: CommandLine) -> None:
    beat = line.flask("beat", SHOP_CONFIG=CONFIG)
    beat.wait_for("Sending due task often")
    said = "entry 'wrong' names 'shop.mutliply' (did you mean 'shop.multiply'?)"
    assert beat.log.read_text().count(said) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_is_named(line: CommandLine) -> None:
    (line.folder / "instance").mkdir(mode=0o500)
    done = line.run("beat")
    assert done.returncode == 1
    assert "--schedule" in done.stderr


def test_a_file_in_place_of_the_instance_folder_is_named(line: CommandLine) -> None:
    (line.folder / "instance").write_text("")
    done = line.run("beat")
    assert done.returncode == 1
    assert str(line.folder / "instance") in done.stderr
    assert "--schedule" in done.stderr
    assert "Traceback" not in done.stderr


def test_beat_of_the_celery_command_keeps_its_state_file_too(line: CommandLine) -> None:
    (line.folder / "service.py").write_text(
        "from shop import create_app\nflask_app = create_app()\n"
        "my_celery = flask_app.extensions['celery']\n"
    )
    beat = line.start("celery", "-A", "service.my_celery", "beat", SHOP_CONFIG=CONFIG)
    wait_until(lambda: line.is_healthy("beat"), explain=beat.log.read_text)
    assert beat.stop() == 0


def test_help_is_celerys_own(line: CommandLine) -> None:
    done = line.run("beat", "--help")
    assert done.returncode == 0
    assert "--max-interval" in done.stdout
