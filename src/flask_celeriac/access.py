"""Who may see tasks, and who may act on them: asked by all doors that people come through by HTTP.

Everything is closed until the application says who may, but for a debug server that only its own
machine reaches.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["list", "submit", "read", "cancel"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants to do.

    Attributes:
        name: Of the task; None: with no certain one.
        action: "list" (the names and arguments of tasks), "submit", "read" (state, progress,
            result, events) or "cancel".
        task_id: Of the task that is to be read or cancelled.
    """

    name: str | None
    action: Action
    task_id: str | None = None


class Access:
    """The rules of one application; see `Celeriac.access` and `Celeriac.owner`.

    Attributes:
        rule: Gets the request and the question; says whether it may be done.
        owner_rule: Gets the request; names who sent it, None for nobody.
    """

    def __init__(self) -> None:
        self.rule: Callable[[Any, Ask], bool] | None = None
        self.owner_rule: Callable[[Any], object] | None = None
        self._has_said_open = False

    def may(self, request: Any, ask: Ask, *, is_debug: bool) -> bool:
        """Tell whether *request* may do what it asks.

        Args:
            is_debug: Of the application; without a rule it opens the door for this machine alone.
        """
        if self.rule is not None:
            return bool(self.rule(request, ask))
        is_open = is_debug and _is_loopback(request.remote_addr)
        if is_open and not self._has_said_open:
            self._has_said_open = True
            logger.warning(
                "The task API is open to this machine, because the application is in debug mode:"
                " say with @celeriac.access who may use it in production."
            )
        return is_open

    def owner_of(self, request: Any) -> str | None:
        """Name who sent *request*; None where the application names nobody."""
        owner = self.owner_rule(request) if self.owner_rule is not None else None
        return None if owner is None else str(owner)


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
