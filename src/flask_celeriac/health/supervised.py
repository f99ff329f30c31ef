"""Workers that a supervisor keeps running (`flask celery worker --processes`), and one is missing.

The supervisor's state file says who should be there, and when each was last well. Without it a
probe would take a container for healthy in which one worker of many is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .judgement import BEAT_LIMIT_S, LOOK_LIMIT_S, Verdict
from .state_file import StateFolder, is_alive, pid_of


def judge_absent(
    folder: StateFolder, live: Sequence[dict[str, Any]], now_s: float, name: str | None
) -> dict[str, Verdict]:
    """Judge the workers that should be there and are not, or have only just started again.

    Args:
        folder: Where the state files are.
        live: What the workers that live wrote.
        now_s: Seconds of the monotonic clock.
        name: Only the worker with this node name.

    Returns:
        Verdicts by node name, and one by "" for a supervisor that is itself not well. Workers
        that look for work are left out.
    """
    at_work = {facts.get("name") for facts in live if facts.get("look_s") is not None}
    verdicts: dict[str, Verdict] = {}
    for facts in _supervisors(folder):
        who = f"supervisor of workers (pid {facts.get('pid')})"
        beat_s = facts.get("beat_s")
        if not isinstance(beat_s, (int, float)) or now_s - beat_s > BEAT_LIMIT_S:
            verdicts[""] = Verdict(False, f"{who}: no beat for more than {BEAT_LIMIT_S:.0f} s")
        if facts.get("state") == "stopping":
            continue
        for worker, well_s in dict(facts.get("workers") or {}).items():
            if worker not in at_work and name in (None, worker):
                verdicts[worker] = _judge_one(f"worker {worker}", well_s, now_s)
    return verdicts


def _supervisors(folder: StateFolder) -> Iterator[dict[str, Any]]:
    for file_name in folder.names("supervisor"):
        facts = folder.read(file_name)
        if facts is not None and is_alive(pid_of(file_name)):
            yield facts


def _judge_one(who: str, well_s: float | None, now_s: float) -> Verdict:
    if well_s is None:
        return Verdict(False, f"{who}: starting, has not looked for work yet")
    since_s = now_s - well_s
    if since_s > LOOK_LIMIT_S:
        return Verdict(False, f"{who}: has been down for {since_s:.0f} s")
    return Verdict(True, f"{who}: starts again, was well {since_s:.0f} s ago")
