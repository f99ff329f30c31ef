"""Threads of the operating system: rest, end, and an interpreter that ends after them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from flask_celeriac.native_thread import NativeThread

# What wakes up in gevent's sleep while the interpreter is finalized may crash it, so it has to have
# ended by then.
_PROGRAM = """
{patch}
import time
from flask_celeriac.native_thread import NativeThread

def busy(thread):
    while not thread.is_stopping:
        time.sleep(0.001)
        counts[0] += 1

counts = [0]
time.sleep(0.001)  # gevent's first hub imports; two at a time wait for each other
threads = [NativeThread(busy) for _ in range(5)]
for thread in threads:
    thread.start()
while counts[0] < 50:
    time.sleep(0.01)
for thread in threads:
    thread.stop()
before = counts[0]
time.sleep(0.05)
assert counts[0] == before
"""
_PATCHES = ["", "from gevent import monkey; monkey.patch_all()"]


def test_a_rest_ends_when_the_thread_is_stopped() -> None:
    rests: list[bool] = []
    thread = NativeThread(lambda thread: rests.extend([thread.rest(0.01), thread.rest(60.0)]))
    thread.start()
    began_s = time.monotonic()
    while not rests and time.monotonic() - began_s < 0.2:
        time.sleep(0.01)
    thread.stop()
    thread.stop()
    assert rests == [True, False]
    assert time.monotonic() - began_s < 10


def test_one_that_never_began_can_be_stopped() -> None:
    thread = NativeThread(lambda _thread: None)
    thread.stop()
    assert thread.is_stopping


@pytest.mark.parametrize("patch", _PATCHES, ids=["plain", "gevent"])
def test_stopping_waits_for_their_end(patch: str) -> None:
    program = [sys.executable, "-c", _PROGRAM.format(patch=patch)]
    for _ in range(5):
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
