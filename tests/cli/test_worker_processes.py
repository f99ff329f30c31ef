"""`flask celery worker --processes`: several workers under one supervisor."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable

import psutil
import pytest
from command_line import CommandLine, Started, wait_until
from flask import Flask

from flask_celeriac.cli.processes import node_names

#: What a killed worker was running is free again within seconds.
LEASE = json.dumps({"CELERY_BROKER_TRANSPORT_OPTIONS": {"lease_s": 3.0, "renew_s": 0.5}})

TASKS = """
import os
import time
from pathlib import Path

from shop import celeriac, create_app

runs = Path("runs")


@celeriac.task
def once_killed() -> None:
    is_first = not runs.exists()
    with runs.open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\\n")
    if is_first:
        time.sleep(300)


@celeriac.task
def rest() -> None:
    runs.write_text("resting")
    time.sleep(1.5)
    runs.write_text("rested")


app = create_app()
"""


@pytest.fixture
def crew(line: CommandLine) -> Callable[..., Started]:
    """Start two workers of the app in `TASKS`, and wait until both are ready."""
    (line.folder / "tasks_app.py").write_text(TASKS)

    def start(*options: str, count: int = 2, **environment: str) -> Started:
        command = ("flask", "--app", "tasks_app", "celery", "worker", "--without-mingle")
        started = line.start(
            *command, "--processes", str(count), "-c", "1", *options, **environment
        )
        for number in range(1, count + 1):
            started.wait_for_match(rf"worker-{number} \| .*celery-{number}@\S+ ready\.")
        return started

    return start


def send(line: CommandLine, task: str) -> None:
    (line.folder / "send.py").write_text(
        "import sys\nfrom tasks_app import app\napp.extensions['celery'].send_task(sys.argv[1])\n"
    )
    started = line.start("send", f"tasks_app.{task}")
    assert started.process.wait(30) == 0, started.log.read_text()


def family(started: Started) -> list[psutil.Process]:
    return psutil.Process(started.process.pid).children(recursive=True)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def worker_of(started: Started, number: int) -> psutil.Process:
    return next(
        process
        for process in family(started)
        if f"--hostname=celery-{number}@" in " ".join(process.cmdline())
        and "guard.py" not in " ".join(process.cmdline())
    )


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_killed_worker_comes_back_and_its_task_runs_again(
    line: CommandLine, crew: Callable[..., Started], pool: str
) -> None:
    started = crew("--pool", pool, SHOP_CONFIG=LEASE)
    send(line, "once_killed")
    runs = line.folder / "runs"
    wait_until(runs.exists)
    wait_until(lambda: len(runs.read_text().split()) == 2)
    its_pids = {int(pid) for pid in runs.read_text().split()}
    number = next(n for n in (1, 2) if worker_of(started, n).pid in its_pids)

    worker_of(started, number).kill()

    started.wait_for_match(rf"main +\| worker-{number} was killed by SIGKILL; starts again in 1 s")
    wait_until(lambda: runs.read_text().count("\n") == 2, 40, started.log.read_text)
    is_ready = rf"worker-{number} \| .*celery-{number}@\S+ ready\."
    wait_until(lambda: len(re.findall(is_ready, started.log.read_text())) == 2)
    assert started.stop() == 0, started.log.read_text()


def test_status_and_probe_know_all_and_on_sigterm_nothing_is_left(
    line: CommandLine, crew: Callable[..., Started]
) -> None:
    started = crew()
    everybody = family(started)
    assert len(everybody) >= 6, "a guard, a worker and its pool, twice"
    workers = json.loads(line.run("status", "--json").stdout)["workers"]
    assert [worker["name"].partition("@")[0] for worker in workers] == ["celery-1", "celery-2"]
    wait_until(lambda: line.is_healthy("worker"))
    runs = line.folder / "runs"
    send(line, "rest")
    wait_until(runs.exists)

    assert started.stop() == 0, started.log.read_text()

    assert runs.read_text() == "rested"
    assert all(map(is_gone, everybody))
    assert not list(line.state.iterdir())
    lines = started.log.read_text().splitlines()
    assert lines[-1] == "main     | All workers have ended."
    assert all(re.match(r"(main    |worker-1|worker-2) \| ", text) for text in lines), lines


def test_nothing_outlives_a_killed_supervisor(
    line: CommandLine, crew: Callable[..., Started]
) -> None:
    started = crew()
    everybody = family(started)
    started.process.kill()
    wait_until(lambda: all(map(is_gone, everybody)))


COUNTS_SIGNALS = """
import os, signal, time
heard = []
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
    signal.signal(number, lambda number, _: heard.append(number))
print(os.environ["CELERIAC_PROCESSES"], "a@here ready.", flush=True)
while len(heard) < 3:
    time.sleep(0.01)
print("heard", *sorted(heard), flush=True)
raise SystemExit(0 if "b@here" in sys.argv[-1] else 5)
"""


def start_crew(line: CommandLine, code: str, names: str = "a@here,b@here") -> Started:
    """Start a supervisor of small programs, which are given `--hostname=NAME`."""
    command = [sys.executable, "-c", f"import sys{code}"]
    return line.start("flask_celeriac.cli.supervise.crew", "--names", names, "--", *command)


def test_every_signal_is_passed_on_and_the_exit_code_is_the_workers(line: CommandLine) -> None:
    started = start_crew(line, COUNTS_SIGNALS)
    started.wait_for("main     | All workers are ready.")
    for number in (signal.SIGUSR1, signal.SIGINT):
        started.process.send_signal(number)
    started.wait_for("main     | SIGINT: all workers end")
    started.process.send_signal(signal.SIGQUIT)
    assert started.process.wait(20) == 5, started.log.read_text()
    for number in (1, 2):
        assert f"worker-{number} | 2 a@here ready." in started.log.read_text()
        assert f"worker-{number} | heard 2 3 10" in started.log.read_text()
    assert not list(line.state.iterdir())


def test_workers_that_can_not_start_end_the_supervisor(line: CommandLine) -> None:
    started = start_crew(line, "; print('no such queue'); raise SystemExit(3)")
    assert started.process.wait(30) == 3
    log = started.log.read_text()
    assert "main     | worker-1 ended with exit code 3; starts again in 1 s" in log
    assert re.search(r"worker-. can not start: 3 times it ended with exit code 3 before", log)
    assert log.count("worker-1 | no such queue") == 3


def test_what_no_second_try_mends_is_tried_once(line: CommandLine) -> None:
    started = start_crew(line, f"; raise SystemExit({os.EX_CONFIG})")
    assert started.process.wait(30) == os.EX_CONFIG
    assert "can not start: it ended with exit code 78" in started.log.read_text()
    assert "starts again" not in started.log.read_text()


def test_a_worker_that_was_ready_is_tried_as_long_as_others_run(line: CommandLine) -> None:
    started = start_crew(
        line,
        """
import pathlib, time
marker = pathlib.Path("was_ready")
if "a@here" in sys.argv[-1]:
    while not pathlib.Path("b_is_gone").exists():
        if marker.exists() or not marker.touch():
            print("a@here ready.", flush=True)
        time.sleep(0.05)
    raise SystemExit(3)
if pathlib.Path("b_was_ready").exists():
    raise SystemExit(3)
pathlib.Path("b_was_ready").touch()
print("b@here ready.", flush=True)
time.sleep(0.5)
""",
    )
    started.wait_for("worker-2 ended with exit code 3; starts again in 4 s")
    assert started.process.poll() is None
    started.process.terminate()
    started.process.wait(20)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--concurency", "3"), "--concurrency"),
        (("--processes", "0"), "0 is not in the range"),
        (("-B",), "run `flask celery beat` beside them"),
        (("-D",), "the supervisor stays in the foreground"),
        (("--purge",), "each time a worker starts again"),
        (("--pidfile", "worker.pid"), "--pidfile %n-worker.pid"),
        (("-S", "revoked"), "--statedb %n-revoked"),
    ],
)
def test_what_is_not_for_several_workers_is_refused(
    make_shop: Callable[..., Flask], options: tuple[str, ...], words: str
) -> None:
    runner = make_shop().test_cli_runner()
    done = runner.invoke(args=["celery", "worker", "--processes", "2", *options])
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("hostname", "names"),
    [
        ("w@here", ["w-1@here", "w-2@here"]),
        ("w%i@here", ["w1@here", "w2@here"]),
        ("w@here%i", ["w@here1", "w@here2"]),
        ("here", ["celery-1@here", "celery-2@here"]),
    ],
)
def test_every_worker_has_a_name_of_its_own(hostname: str, names: list[str]) -> None:
    assert node_names(hostname, 2) == names


def test_abbreviations_in_a_name_are_celerys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.utils.nodenames.gethostname", lambda: "here.example")
    assert node_names("mail@%d", 2) == ["mail-1@example", "mail-2@example"]
    assert node_names(None, 1) == ["celery-1@here.example"]
