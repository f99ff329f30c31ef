"""Our schemes beside kombu's: `redis://` becomes `celeriac-redis://`, and back for people."""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

_HERE = "flask_celeriac.transport.redis.transport"
#: Stock scheme, as it stands before "://" -> ours.
_OURS = {
    "redis": "celeriac-redis",
    "rediss": "celeriac-rediss",
    "sentinel": "celeriac-sentinel",
    "redis+socket": "celeriac-redis+socket",
}
_STOCK = {ours: stock for stock, ours in _OURS.items()}
_CLASSES = {
    "celeriac-redis": f"{_HERE}:Transport",
    "celeriac-rediss": f"{_HERE}:TLSTransport",
    "celeriac-sentinel": f"{_HERE}:SentinelTransport",
}


def register() -> None:
    """Let kombu know our schemes; those that it knows stay as they are. Safe to repeat."""
    TRANSPORT_ALIASES.update(_CLASSES)


def ours(url: str) -> str:
    """Return *url*, or each of a list with ";" between them, with our scheme where we have one."""
    return _with_schemes(url, _OURS)


def stock(url: str) -> str:
    """Return *url* as people and other programs know it."""
    return _with_schemes(url, _STOCK)


def is_ours(url: str) -> bool:
    """Tell whether *url*, of one server, has one of our schemes."""
    return url.partition("://")[0].strip().lower() in _STOCK


def _with_schemes(url: str, schemes: dict[str, str]) -> str:
    return ";".join(_with_scheme(part, schemes) for part in url.split(";"))


def _with_scheme(url: str, schemes: dict[str, str]) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{schemes.get(scheme.strip().lower(), scheme)}{separator}{rest}" if separator else url
