"""What a worker knows of its lease, as the processes of its pool see it.

They are forked from the worker and share this memory with it: to look costs no question to the
server.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

#: Whose lease it is, its end on the monotonic clock (one for all processes), and the greatest
#: number of a claim that was lost.
_FORMAT = struct.Struct("qdq")
_memory = mmap.mmap(-1, _FORMAT.size)


def note(until_s: float, lost: int) -> None:
    """Say until when this process has a lease, and the greatest number that it lost, or 0."""
    pid, _, before = _FORMAT.unpack_from(_memory)
    mine = os.getpid()
    _FORMAT.pack_into(_memory, 0, mine, until_s, max(lost, before if pid == mine else 0))


def is_of_parent() -> bool:
    """Tell whether this process is one of a pool whose worker notes its lease here."""
    pid, _, _ = _FORMAT.unpack_from(_memory)
    return bool(pid == os.getppid())


def is_doubtful(number: int) -> bool:
    """Tell whether the worker may have lost a claim; False but in a process of its pool."""
    pid, until_s, lost = _FORMAT.unpack_from(_memory)
    return bool(pid == os.getppid() and (number <= lost or time.monotonic() >= until_s))
