"""URLs without their passwords, for everything that people or logs may see."""

from __future__ import annotations

import re
from typing import Any

_MASK = "********"
_SECRET_WORD = re.compile("pass|secret|token|key|credential|sig", re.IGNORECASE)
_QUERY_VALUE = re.compile(r"([?&;])([^=?&;#]*)=([^?&;#]*)")
_NEXT_URL = re.compile(r";(?=[\w+.-]+://)")
# Greedy up to the last @, since a password that nobody escaped may hold any of / ? # @.
_USER_AND_PASSWORD = re.compile(r"^([\w+.-]+://)(?:([^:@/?#]*):)?.+@", re.DOTALL)


def mask_url(url: Any) -> Any:
    """Replace each password in *url* by asterisks.

    Args:
        url: A broker or backend URL, a failover list ("a;b"), a list of them, or None.

    Returns:
        The same shape. Masked are passwords, users without a password (often a password whose
        colon was forgotten) and secret parameters of a query string.
    """
    if isinstance(url, (list, tuple)):
        return type(url)(mask_url(part) for part in url)
    if not isinstance(url, str):
        return url
    from celery.app import utils

    # First Celery's own, which knows connection strings that are no URLs; celery-types does not
    # know it.
    known = str(utils.sanitize_url(url))  # type: ignore[attr-defined]
    masked = ";".join(_USER_AND_PASSWORD.sub(_mask_user, part) for part in _NEXT_URL.split(known))
    return _QUERY_VALUE.sub(_mask_query_value, masked)


def _mask_user(match: re.Match[str]) -> str:
    """Keep the scheme, and the user when a password follows."""
    scheme, user = match.groups()
    return f"{scheme}{_MASK}@" if user is None else f"{scheme}{user}:{_MASK}@"


def _mask_query_value(match: re.Match[str]) -> str:
    """Keep the name of a query parameter, and its value only when the name is harmless."""
    separator, name, value = match.groups()
    return f"{separator}{name}={_MASK if _SECRET_WORD.search(name) else value}"
