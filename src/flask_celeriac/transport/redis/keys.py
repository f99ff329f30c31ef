"""The keys of the transport in Redis: type, life time, and what is in them.

All but the ready lists begin with ``<global_keyprefix>celeriac:<version>:``.

    key                   type    life                what
    <queue>[<sep><step>]  list    until taken         ready messages as in kombu: pushed left
    claims:<incarnation>  hash    until settled       number -> entry, of one process
    workers               zset    until left, reaped  incarnation -> end of its lease (ms)
    left:<incarnation>    string  10 minutes          it has given back all and takes no more
    patience              string  half a lease        as long as it is there, ended leases wait
    slots                 hash    until left, reaped  incarnation -> how many may have begun
    delayed               zset    until due           entry -> due time (ms)
    delaying              hash    until purged        queue -> how many were delayed for it
    attempts              hash    settled, or 7 days  SHA-1 of a body -> starts that killed, or 0
    suspects:<queue>      list    until taken         entries with two such starts
    suspect               hash    until settled       incarnation -> number of its one suspect
    parked                set     until taken         names of tasks that no worker knew
    parked:<task>         list    until taken         entries of such a task
    dead                  zset    replayed, discarded number -> time of death (ms)
    dead:<number>         hash    the same            queue, step, body, reason, attempts, at
    unreported            set     until reported      numbers of dead without a FAILURE result
    cancelled             zset    30 days             task id -> time of the call (ms)
    cancellations         string  for ever            how many calls there were
    token:<token>         string  10 min, links 24 h  a publish that has arrived
    bell:<queue>          list    until taken         one element: look into the queue
    warm:<queue>          string  1 second, or called caller of the last who ended all it had
    call:<caller>         list    until taken, 1 s    one element: look into your queues
    idle:<queue>          string  2 seconds           the last who found nothing there
    seq                   string  for ever            the last number given to a claim

Times are those of Redis TIME. An entry is ``<queue>\\n<step>\\n<body>``; the scripts in ``lua``
alone read and write it. Entries and attempts are known by their bytes: bodies must differ, and
those of kombu do, by their delivery tags.

The version is part of the name, so that a worker of one release works beside one of the next: each
serves what its own release keeps aside, and both the ready lists.
"""

from __future__ import annotations

import os
import re
import socket
import uuid

#: Changes when a release reads or writes a key in another way.
VERSION = 1


def namespace(prefix: str = "", version: int = VERSION) -> str:
    """Return what all keys of the transport but the ready lists begin with.

    Args:
        prefix: `global_keyprefix` of the transport options.
        version: Of the layout of the keys.
    """
    return f"{prefix}celeriac:{version}:"


def claims_key(prefix: str, incarnation: str) -> str:
    """Return the hash of the claims that the process *incarnation* has."""
    return f"{namespace(prefix)}claims:{incarnation}"


def new_incarnation() -> str:
    """Return a name for this process, unique in time and space."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())
    return f"{host}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def delivery_tag(incarnation: str, number: int) -> str:
    """Return the delivery tag of a claim: where it is written down, and under which number."""
    return f"{incarnation}/{number}"


def claim_of(tag: object) -> tuple[str, int] | None:
    """Return incarnation and number of a delivery tag; None when another transport made it."""
    incarnation, separator, number = str(tag).rpartition("/")
    return (incarnation, int(number)) if separator and number.isdecimal() else None
