"""How long things take: leases as shipped with CELERIAC_CHAOS=full, short ones without."""

from __future__ import annotations

import os

from flask_celeriac.transport.redis.lease import LEASE_S as SHIPPED_LEASE_S
from flask_celeriac.transport.redis.lease import RENEW_S as SHIPPED_RENEW_S

IS_FULL = os.environ.get("CELERIAC_CHAOS") == "full"
LEASE_S, RENEW_S = (SHIPPED_LEASE_S, SHIPPED_RENEW_S) if IS_FULL else (4.0, 0.5)
#: Within these seconds after its process was killed, a task runs again.
RECOVERY_S = LEASE_S + 15.0
#: A wait that ends well long before; only how long a failure takes.
PATIENCE_S = LEASE_S + 60.0


def scaled(short: int, full: int) -> int:
    """Return how many there are of something."""
    return full if IS_FULL else short
