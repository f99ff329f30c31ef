"""The schemes by which this backend is chosen, and the stock ones that people see."""

from __future__ import annotations

import re

_OURS = {
    "redis": "celeriac-redis",
    "rediss": "celeriac-rediss",
    "redis+socket": "celeriac-socket",
    "sentinel": "celeriac-sentinel",
}
_STOCK = {our_scheme: stock_scheme for stock_scheme, our_scheme in _OURS.items()}
_NEXT_URL = re.compile(r";(?=[\w+.-]+://)")


def ours(url: str) -> str:
    """Choose this backend for a stock URL.

    Args:
        url: A `result_backend`; the servers of a Sentinel URL are separated by ``;``.

    Returns:
        The same server under a scheme of ours; every other text unchanged.
    """
    return _replace_schemes(url, _OURS)


def stock(url: str) -> str:
    """Give the stock URL of one of ours; every other text unchanged. The inverse of `ours`."""
    return _replace_schemes(url, _STOCK)


def celery_form(url: str) -> str:
    """Give the form that Celery hands to its own backend: that of `stock`, sockets without +."""
    return ";".join(part.removeprefix("redis+") for part in _NEXT_URL.split(stock(url)))


def shown_form(url: str) -> str:
    """Give the inverse of `celery_form`, which people read and write: sockets with `redis+`."""
    return f"redis+{url}" if url.startswith("socket://") else url


def _replace_schemes(url: str, schemes: dict[str, str]) -> str:
    return ";".join(_replace_scheme(part, schemes) for part in _NEXT_URL.split(url))


def _replace_scheme(url: str, schemes: dict[str, str]) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{schemes.get(scheme, scheme)}{separator}{rest}" if separator else url
