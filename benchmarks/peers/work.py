"""The work of the tasks, the same for all systems. Runs in the environment of each: no imports.

A system makes of each function a task of its name; `quiet` keeps no result.
"""

from __future__ import annotations

import asyncio
import os
import time

_PAUSE_S = 0.01


def noop(number: int) -> int:
    """Give *number* back: the work itself takes no time."""
    return number


def quiet(_: int) -> None:
    """Do nothing; whatever it took to keep a result is left away."""


def nap_1(number: int) -> int:
    """Wait for 1 ms, as for a fast answer from somewhere."""
    time.sleep(0.001)
    return number


def nap_50(number: int) -> int:
    """Wait for 50 ms, as for a slow one."""
    time.sleep(0.05)
    return number


def where(_: int) -> int:
    """Return the process that runs it, after a pause in which another can take the next."""
    time.sleep(_PAUSE_S)
    return os.getpid()


async def noop_async(number: int) -> int:
    """Do as `noop`."""
    return number


async def quiet_async(_: int) -> None:
    """Do as `quiet`."""


async def nap_1_async(number: int) -> int:
    """Do as `nap_1`."""
    await asyncio.sleep(0.001)
    return number


async def nap_50_async(number: int) -> int:
    """Do as `nap_50`."""
    await asyncio.sleep(0.05)
    return number


async def where_async(_: int) -> int:
    """Do as `where`."""
    await asyncio.sleep(_PAUSE_S)
    return os.getpid()


TASKS = {"noop": noop, "quiet": quiet, "nap_1": nap_1, "nap_50": nap_50, "where": where}
ASYNC_TASKS = {
    "noop": noop_async,
    "quiet": quiet_async,
    "nap_1": nap_1_async,
    "nap_50": nap_50_async,
    "where": where_async,
}
