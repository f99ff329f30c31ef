"""What a state file says about its process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .judgement import BEAT_LIMIT_S, LOOK_LIMIT_S, Verdict
from .state_file import Role, StateFolder, is_alive, pid_of
from .supervised import judge_absent


def judge(facts: Mapping[str, Any], now_s: float) -> Verdict:
    """Judge one process by what it last wrote about itself.

    Args:
        facts: Content of its state file.
        now_s: Seconds of the monotonic clock.
    """
    who = f"{facts.get('role')} {facts.get('name')} (pid {facts.get('pid')})"
    beat_s, look_s = facts.get("beat_s"), facts.get("look_s")
    if not isinstance(beat_s, (int, float)) or beat_s > now_s + 1:
        return Verdict(False, f"{who}: its state file is from before the machine started")
    if now_s - beat_s > BEAT_LIMIT_S:
        return Verdict(
            False, f"{who}: last beat {now_s - beat_s:.0f} s ago, allowed {BEAT_LIMIT_S:.0f} s"
        )
    if facts.get("state") == "stopping":
        return Verdict(True, f"{who}: stopping{_load(facts)}")
    reason = f": {facts['why']}" if facts.get("why") else ""
    if not isinstance(look_s, (int, float)):
        return Verdict(False, f"{who}: starting, has not looked for work yet{reason}")
    if now_s - look_s > LOOK_LIMIT_S:
        return Verdict(False, f"{who}: has not looked for work for {now_s - look_s:.0f} s{reason}")
    text = f"{who}: beat {now_s - beat_s:.1f} s ago, looked for work {now_s - look_s:.1f} s ago"
    return Verdict(True, text + _load(facts))


def _load(facts: Mapping[str, Any]) -> str:
    return f", {facts['busy']} of {facts['slots']} slots busy" if facts.get("slots") else ""


def judge_role(
    role: Role,
    folder: StateFolder,
    now_s: float,
    *,
    name: str | None = None,
    pid: int | None = None,
) -> Verdict:
    """Judge the processes of *role* on this machine: each one that lives must be well.

    Files of dead processes count only when no process of the role lives. Where a supervisor
    keeps workers running, each of them must be there; one that died may take a while to come back.

    Args:
        role: worker or beat.
        folder: Where the state files are.
        now_s: Seconds of the monotonic clock.
        name: Only the process with this node name (`celery@host`).
        pid: Only the process with this id.
    """
    live: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for file_name in folder.names(role):
        facts = folder.read(file_name)
        if facts is None or (name and facts.get("name") != name):
            continue
        if pid and pid_of(file_name) != pid:
            continue
        (live if is_alive(pid_of(file_name)) else gone).append(facts)
    absent = judge_absent(folder, live, now_s, name) if role == "worker" and not pid else {}
    verdicts = [judge(facts, now_s) for facts in live if facts.get("name") not in absent]
    verdicts += absent.values()
    if verdicts:
        ill = [verdict for verdict in verdicts if not verdict.is_healthy]
        return Verdict(not ill, "; ".join(verdict.text for verdict in ill or verdicts))
    if gone:
        return Verdict(False, f"{role} {gone[-1].get('name')} (pid {gone[-1].get('pid')}) is gone")
    return Verdict(False, f"no {role} keeps a state file in {folder.path}: is it running?")
