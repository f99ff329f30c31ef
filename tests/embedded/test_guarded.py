"""Nothing under a guard outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flask_celeriac.embedded import GuardedProcess

WaitUntil = Callable[..., None]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's sub-reaper")

# Writes the process ids of the command, of its child, and of a grandchild in a session of its own.
FAMILY = """
import os, subprocess, sys, time
first = subprocess.Popen(["sleep", "300"])
second = subprocess.Popen(["sh", "-c", "setsid sleep 300 & echo $!; exit"], stdout=subprocess.PIPE)
stray = int(second.stdout.readline())
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {first.pid} {stray}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(300)
"""

# A process whose child, in a session of its own, has the smaller id: ids start anew at the largest.
WRAPPED = """
import subprocess, sys, time
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, "-c", sys.orig_argv[2], "/proc/sys/kernel/ns_last_pid"])
else:
    with open("/proc/sys/kernel/pid_max") as largest, open(sys.argv[1], "w") as last:
        last.write(str(int(largest.read()) - 1))
    stray = subprocess.Popen(["sleep", "300"], start_new_session=True)
    print(stray.pid, flush=True)
time.sleep(300)
"""

OWNER = """
import os, sys, time
from flask_celeriac.embedded import GuardedProcess
process = GuardedProcess([sys.executable, "-c", sys.argv[1], sys.argv[2]])
if sys.argv[3] == "fork" and os.fork() == 0:
    time.sleep(300)
time.sleep(300)
"""


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("command", "returncode"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", -15), ("kill -9 $$", -9)],
)
def test_the_end_of_the_command_is_told_as_it_was(command: str, returncode: int) -> None:
    assert GuardedProcess(["sh", "-c", command]).wait(10) == returncode


def test_a_program_that_is_missing_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        GuardedProcess(["no-such-program"])


def test_signals_reach_the_command_and_not_what_it_started() -> None:
    process = GuardedProcess(
        ["sh", "-c", "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"got\n"
    assert process.wait(10) == 3


def test_waiting_has_a_deadline() -> None:
    process = GuardedProcess(["sleep", "300"])

    with pytest.raises(TimeoutError, match=str(process.pid)):
        process.wait(0.01)

    process.end()
    assert process.wait(10) == -signal.SIGKILL


def test_what_the_command_left_behind_is_ended_with_it(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    process = GuardedProcess(
        ["sh", "-c", f"sleep 300 & echo $! > '{tmp_path}/pid'; exit 0"],
    )
    assert process.wait(10) == 0

    left_behind = int((tmp_path / "pid").read_text())
    wait_until(lambda: is_gone(left_behind))


@linux_only
@pytest.mark.parametrize("fork", ["no", "fork"])
def test_kill_9_of_the_owner_ends_the_whole_family(
    tmp_path: Path, wait_until: WaitUntil, fork: str
) -> None:
    file = tmp_path / "family"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, FAMILY, file, fork])
    wait_until(file.exists)
    family = [int(pid) for pid in file.read_text().split()]
    forked = [child.pid for child in psutil.Process(owner.pid).children()]
    assert not any(is_gone(pid) for pid in family)

    owner.kill()
    owner.wait()

    wait_until(lambda: all(is_gone(pid) for pid in family), 2.0)
    for pid in forked:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(
    not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK), reason="needs root to choose ids"
)
def test_a_child_with_a_smaller_id_than_its_parent_is_ended_too() -> None:
    strays = []
    for _ in range(25):  # one in twelve was missed
        process = GuardedProcess([sys.executable, "-c", WRAPPED], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            strays.append(psutil.Process(int(process.stdout.readline())))
        process.end()
        process.wait(20)

    # Others may have the same ids meanwhile: a process is known by its beginning too.
    assert [each for each in strays if each.is_running() and not is_gone(each.pid)] == []


@linux_only
def test_kill_9_of_the_guard_ends_the_command(wait_until: WaitUntil) -> None:
    process = GuardedProcess(["sleep", "300"])

    os.kill(psutil.Process(process.pid).ppid(), signal.SIGKILL)

    wait_until(lambda: is_gone(process.pid))
    assert process.wait(10) == -signal.SIGKILL


def test_a_forked_child_can_not_end_the_command() -> None:
    process = GuardedProcess(["sleep", "300"])
    child_pid = os.fork()
    if child_pid == 0:
        process.terminate()
        process.end()
        os._exit(0)
    os.waitpid(child_pid, 0)

    with pytest.raises(TimeoutError):
        process.wait(0.3)

    process.end()
    process.wait(10)
