"""The private server: its data, its secrets, its lock and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from flask_celeriac.embedded import EmbeddedServer, find_running, server
from flask_celeriac.errors import EmbeddedServerError

WaitUntil = Callable[..., None]

OWNER = """
import os, sys, time
from pathlib import Path
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import EmbeddedServerError
server = EmbeddedServer(Path(sys.argv[1]))
try:
    server.start()
except EmbeddedServerError as error:
    sys.exit(str(error))
print(server.pid, flush=True)
if sys.argv[2:] == ["fork"] and os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(300)
"""


@pytest.fixture
def folder(tmp_path: Path, redis_server: EmbeddedServer) -> Path:
    """A folder to be made; skipped with `redis_server` when there is no binary."""
    return tmp_path / "my 'instance' é" / "celeriac"


@pytest.fixture
def started(folder: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(folder) as started:
        yield started


def start_owner(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, folder, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_pid(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout is not None
    return int(owner.stdout.readline())


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    for stream in (owner.stdout, owner.stderr):
        if stream is not None:
            stream.close()


def write_keys(url: str, **keys: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.mset(keys)


def read_key(url: str, key: str) -> str | None:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.get(key)


def append_only_file(folder: Path, kind: str) -> Path:
    (path,) = (folder / "appendonlydir").glob(f"*.{kind}.*")
    return path


def test_data_are_kept_between_starts(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        write_keys(first.url, name="celery")
    assert find_running(folder) is None

    with EmbeddedServer(folder) as second:
        assert read_key(second.url, "name") == "celery"
        assert second.url != first.url


def test_it_is_append_only_and_evicts_nothing(started: EmbeddedServer) -> None:
    with redis.Redis.from_url(started.url, decode_responses=True) as client:
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_it_asks_for_the_password_and_shows_it_to_nobody(started: EmbeddedServer) -> None:
    password = started.url.split(":")[2].split("@")[0]
    port = int(started.url.rpartition(":")[2].split("/")[0])

    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()

    everyone = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not any(password in line for line in everyone)
    assert password not in repr(started) + repr(find_running(started.folder)) + started.place
    assert password not in (started.folder / "server.log").read_text()


def test_the_lock_file_names_owner_address_and_version(started: EmbeddedServer) -> None:
    file = started.folder / "server.lock"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(started.folder.stat().st_mode) == 0o700
    assert json.loads(file.read_text()) == {
        "pid": os.getpid(),
        "url": started.url,
        "version": started.version,
    }


def test_another_process_finds_the_running_server(started: EmbeddedServer) -> None:
    code = (
        "import sys; from pathlib import Path; from flask_celeriac.embedded import find_running;"
        "print(find_running(Path(sys.argv[1])).url)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, started.folder], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == started.url


def test_no_server_is_found_where_none_was_started(tmp_path: Path) -> None:
    assert find_running(tmp_path / "nothing here") is None
    (tmp_path / "server.lock").write_text("{not json")
    assert find_running(tmp_path) is None


def test_a_program_that_got_the_port_of_a_dead_server_is_not_taken_for_it(
    folder: Path, redis_server: EmbeddedServer
) -> None:
    folder.mkdir(parents=True)
    stranger = redis_server.url.replace(redis_server.url.split(":")[2].split("@")[0], "other")
    record = {"pid": os.getpid(), "url": stranger, "version": "Valkey 9.1.2"}
    (folder / "server.lock").write_text(json.dumps(record))

    assert find_running(folder) is None


def test_a_second_server_on_one_folder_is_refused_and_told_who_runs(
    started: EmbeddedServer,
) -> None:
    with pytest.raises(EmbeddedServerError, match=rf"started by process {os.getpid()}\b") as error:
        EmbeddedServer(started.folder).start()

    assert str(started.folder) in str(error.value)
    assert find_running(started.folder) is not None


def test_of_several_that_start_at_once_only_one_gets_the_folder(
    folder: Path, wait_until: WaitUntil
) -> None:
    owners = [start_owner(folder) for _ in range(4)]
    wait_until(lambda: sum(owner.poll() is None for owner in owners) == 1, 30)

    (winner,) = [owner for owner in owners if owner.poll() is None]
    assert psutil.pid_exists(read_pid(winner))
    for owner in owners:
        kill(owner)


def test_starting_twice_and_stopping_twice_are_harmless(started: EmbeddedServer) -> None:
    pid = started.pid
    started.start()
    assert started.pid == pid

    started.stop()
    started.stop()
    assert started.pid is None


def test_kill_9_of_the_owner_ends_the_server_and_frees_the_folder(
    folder: Path, wait_until: WaitUntil
) -> None:
    owner = start_owner(folder)
    server = psutil.Process(read_pid(owner))
    running = find_running(folder)
    assert running is not None
    assert running.pid == owner.pid
    write_keys(running.url, kept="yes")

    kill(owner)

    # At once, without waiting for the end of the old server: the new one does that.
    with EmbeddedServer(folder) as successor:
        assert not server.is_running()
        assert read_key(successor.url, "kept") == "yes"


def test_kill_9_of_the_owner_ends_the_server_within_a_second_though_its_fork_lives(
    folder: Path, wait_until: WaitUntil
) -> None:
    owner = start_owner(folder, "fork")
    server, fork_pid = psutil.Process(read_pid(owner)), read_pid(owner)

    kill(owner)
    wait_until(lambda: not server.is_running(), 1.5)
    assert psutil.pid_exists(fork_pid)

    os.kill(fork_pid, signal.SIGKILL)


def test_the_server_outlives_the_thread_that_started_it(folder: Path) -> None:
    embedded = EmbeddedServer(folder)
    thread = threading.Thread(target=embedded.start)
    thread.start()
    thread.join()

    write_keys(embedded.url, name="celery")
    assert embedded.returncode is None
    embedded.stop()


def test_a_forked_child_does_not_stop_the_server(started: EmbeddedServer) -> None:
    child_pid = os.fork()
    if child_pid == 0:
        started.stop()
        os._exit(0)
    os.waitpid(child_pid, 0)

    assert find_running(started.folder) is not None


def test_a_crashed_server_comes_back_at_its_old_address(
    started: EmbeddedServer, wait_until: WaitUntil
) -> None:
    url, pid = started.url, started.pid
    assert pid is not None
    write_keys(url, name="celery")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: started.returncode == -signal.SIGKILL)

    started.start()

    assert started.url == url
    assert read_key(url, "name") == "celery"


def test_a_port_that_is_taken_in_between_is_tried_no_second_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rival:
        taken = rival.getsockname()[1]
        ports = iter([taken, 0])
        choose = server._free_port
        monkeypatch.setattr(server, "_free_port", lambda _: next(ports) or choose(0))

        with EmbeddedServer(folder) as embedded:
            assert f":{taken}/" not in embedded.url
            write_keys(embedded.url, name="celery")


def test_a_folder_that_can_not_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("a file is in the way")

    with pytest.raises(EmbeddedServerError, match="CELERY_BROKER_URL") as error:
        EmbeddedServer(tmp_path / "instance" / "celeriac").start()

    assert str(tmp_path / "instance" / "celeriac") in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_named_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(EmbeddedServerError, match="Make that folder writable"):
        EmbeddedServer(tmp_path / "celeriac").start()


def test_a_crash_in_the_middle_of_a_write_does_not_stop_the_next_start(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        write_keys(first.url, name="celery")
    with append_only_file(folder, "incr").open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nna")

    with EmbeddedServer(folder) as second:
        assert read_key(second.url, "name") == "celery"


def test_damaged_data_are_an_error_that_names_folder_and_remedy(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        write_keys(first.url, name="celery")
    with append_only_file(folder, "incr").open("ab") as file:
        file.write(b"garbage" * 100)

    with pytest.raises(EmbeddedServerError, match=r"damaged .* move the folder away") as error:
        EmbeddedServer(folder).start()

    assert str(folder) in str(error.value)
    assert find_running(folder) is None


@pytest.mark.parametrize("header", [b"VALKEY999", b"REDIS0999"])
def test_data_of_a_newer_server_are_an_error_that_says_so(folder: Path, header: bytes) -> None:
    with EmbeddedServer(folder) as first:
        write_keys(first.url, name="celery")
    base = append_only_file(folder, "base")
    base.write_bytes(header + base.read_bytes()[9:])

    with pytest.raises(EmbeddedServerError, match="written by a newer server") as error:
        EmbeddedServer(folder).start()

    assert str(folder) in str(error.value)


def test_a_redis_6_does_not_start_empty_beside_the_data_of_a_newer_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with EmbeddedServer(folder) as first:
        write_keys(first.url, name="celery")
    old = server.Binary(tmp_path / "redis-server", "Redis", "6.2.14")
    monkeypatch.setattr(server, "find_binary", lambda _: old)

    with pytest.raises(EmbeddedServerError, match=rf"written by {first.version}; Redis 6\.2\.14"):
        EmbeddedServer(folder).start()


def test_a_binary_that_can_not_be_run_is_an_error_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = server.Binary(tmp_path / "valkey-server", "Valkey", "9.1.2")
    monkeypatch.setattr(server, "find_binary", lambda _: missing)

    with pytest.raises(EmbeddedServerError, match=r"valkey-server can not be started: No such"):
        EmbeddedServer(folder).start()

    assert find_running(folder) is None
