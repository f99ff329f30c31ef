"""How long a process may keep what it has claimed."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds that a lease lasts, and that pass between two renewals.
LEASE_S = 30.0
RENEW_S = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """How long claims last without renewal, and how often they are renewed; seconds above 0."""

    lease_s: float = LEASE_S
    renew_s: float = RENEW_S
