"""What a client prefers.

Source: RFC 7240.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from flask import Response

# One preference: a token, perhaps a value (a token or a quoted text), perhaps parameters.
_PREFERENCE = re.compile(
    r"""\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[\w!#$%&'*+.^`|~-]*))?\s*(?:;[^,]*)?"""
)
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was asked for, as far as it can be heeded here.

    Attributes:
        wait_s: Seconds that the client would wait, 0 or more; None: it does not say.
        is_async: Whether it would rather have an answer at once.
    """

    wait_s: float | None = None
    is_async: bool = False

    def within(self, default_s: float, most_s: float) -> float:
        """Return how long to wait.

        Args:
            default_s: Where the client does not say.
            most_s: The longest that the application allows.
        """
        if self.is_async and self.wait_s is None:
            return 0.0
        return min(default_s if self.wait_s is None else self.wait_s, most_s)

    def tell(self, response: Response, most_s: float) -> None:
        """Let an answer say what was heeded, if anything was asked for.

        Args:
            most_s: As of `within`.
        """
        if self.wait_s is not None:
            response.headers["Preference-Applied"] = f"wait={min(self.wait_s, most_s):g}"
        elif self.is_async:
            response.headers["Preference-Applied"] = "respond-async"


def preferences(headers: list[str]) -> Preferences:
    """Read the ``Prefer`` headers of a request; of two of one name the first counts."""
    found: dict[str, str] = {}
    for match in _PREFERENCE.finditer(",".join(headers)[:_MOST]):
        found.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    return Preferences(_seconds(found.get("wait")), "respond-async" in found)


def _seconds(text: str | None) -> float | None:
    """Read a number of seconds; what is none is not heeded, as the RFC wants it."""
    try:
        seconds = float(text) if text is not None and text.isdecimal() else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
