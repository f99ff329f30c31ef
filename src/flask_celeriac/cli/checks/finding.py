"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        check: What was examined; stable, for programs.
        level: An error is to be mended before production; a warning is to be known.
        says: What was found and why it matters.
        remedy: What to do; "" when nothing is to be done.
    """

    check: str
    level: Level
    says: str
    remedy: str = ""


def ok(check: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", says)


def warning(check: str, says: str, remedy: str) -> Finding:
    """Works, but there is something to know."""
    return Finding(check, "warning", says, remedy)


def error(check: str, says: str, remedy: str) -> Finding:
    """Loses work, or does none."""
    return Finding(check, "error", says, remedy)
