"""`python -m flask_celeriac.health`: exit codes, its one line, the broker, and its speed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_celeriac.health.broker import Address, parse, url_from


def probe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if "CELER" not in k and "BROKER" not in k}
    return subprocess.run(
        [sys.executable, "-m", "flask_celeriac.health", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stdout.count("\n") == 1, done
    return done.stdout.strip()


def test_the_exit_codes_are_0_1_and_2(tmp_path: Path) -> None:
    assert probe("worker", CELERIAC_STATE_DIR=str(tmp_path)).returncode == 1
    assert probe("worker", CELERIAC_STATE_DIR=str(tmp_path / "none")).returncode == 1
    now_s = time.monotonic()
    facts = {"role": "worker", "name": "celery@here", "beat_s": now_s, "look_s": now_s}
    (tmp_path / f"worker-{os.getpid()}.json").write_text(json.dumps(facts))
    done = probe("worker", CELERIAC_STATE_DIR=str(tmp_path))
    assert (done.returncode, "looked for work" in one_line(done)) == (0, True)
    assert probe("worker", "--quiet", "--state-dir", str(tmp_path)).stdout == ""
    assert probe("nobody").returncode == 2
    assert probe("broker").returncode == 2


def test_a_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = probe("worker", CELERIAC_STATE_DIR=str(tmp_path / "file"))
    assert done.returncode == 2
    assert one_line(done).startswith("can not tell: ")


def test_the_probe_imports_neither_flask_nor_celery_nor_redis() -> None:
    script = (
        "import sys, runpy; sys.argv = ['health', 'worker', '--state-dir', '/nowhere']\n"
        "try: runpy.run_module('flask_celeriac.health', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"flask", "celery", "kombu", "redis", "click"} & set(done.stdout.split())


def test_the_probe_takes_less_than_300_ms(tmp_path: Path) -> None:
    def seconds() -> float:
        before_s = time.monotonic()
        probe("worker", CELERIAC_STATE_DIR=str(tmp_path))
        return time.monotonic() - before_s

    # The least of several: other processes of a test machine may take the processor meanwhile.
    assert min(seconds() for _ in range(5)) < 0.3


def test_a_broker_that_answers_is_healthy(redis_url: str) -> None:
    done = probe("broker", CELERY_BROKER_URL=redis_url)
    assert done.returncode == 0
    assert one_line(done).endswith("answers")


def test_flasks_prefix_and_the_option_name_a_broker_too(redis_url: str) -> None:
    assert probe("broker", FLASK_CELERY_BROKER_URL=redis_url).returncode == 0
    assert probe("broker", "--url", f"redis://127.0.0.1:1/0;{redis_url}").returncode == 0


def test_a_broker_that_wants_a_password_is_alive_but_not_with_a_wrong_one(redis_url: str) -> None:
    [address] = parse(redis_url)
    place = f"{address.host}:{address.port}"
    assert probe("broker", "--url", place).returncode == 0
    done = probe("broker", "--url", f"redis://:mistaken-canary@{place}")
    assert done.returncode == 1
    assert "refuses the password" in one_line(done)
    assert "canary" not in done.stdout + done.stderr


def test_a_broker_that_is_down_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = probe("broker", "--url", f"redis://:canary@127.0.0.1:{port}/0")
    assert done.returncode == 1
    assert "Connection refused" in one_line(done)
    assert "canary" not in done.stdout + done.stderr


def test_a_broker_that_is_silent_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        before_s = time.monotonic()
        done = probe("broker", "--url", f"redis://127.0.0.1:{server.getsockname()[1]}")
    assert time.monotonic() - before_s < 4
    assert done.returncode == 1
    assert "did not answer within 2 s" in one_line(done)


@pytest.fixture
def amqp_server() -> Iterator[int]:
    """A server that answers AMQP's greeting as RabbitMQ does, with Connection.Start."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(8) == b"AMQP\x00\x00\x09\x01"
                connection.sendall(b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_rabbitmq_is_asked_with_its_own_greeting(amqp_server: int) -> None:
    assert probe("broker", "--url", f"amqp://guest:x@127.0.0.1:{amqp_server}//").returncode == 0


def test_an_unknown_kind_of_broker_can_not_be_told() -> None:
    done = probe("broker", "--url", "sqs://key:canary@")
    assert done.returncode == 2
    assert "canary" not in done.stdout + done.stderr


def test_urls_are_read_as_celery_reads_them() -> None:
    assert url_from({"FLASK_CELERY_BROKER_URL": "b", "CELERY_BROKER_URL": "a"}) == "a"
    assert parse("redis://u:p%40ss@h:1/0") == [Address("redis", "h", 1, "", "u", "p@ss")]
    assert parse("redis+socket:///run/r.sock?password=x")[0].path == "/run/r.sock"
    assert [a.host for a in parse("sentinel://a:1;sentinel://b:2")] == ["a", "b"]
    assert "secret" not in repr(parse("redis://:secret@h"))
    with pytest.raises(ValueError, match="port"):
        parse("redis://h:port/0")
