"""Broker and backend URLs: which kind of server they mean, and whether Celery knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from .names import nearest_word

if TYPE_CHECKING:
    from .collect import Given

Family = Literal["redis", "rabbitmq", "other"]

_REDIS = frozenset({"redis", "rediss", "sentinel"})
_RABBITMQ = frozenset({"amqp", "amqps", "librabbitmq", "pyamqp"})
_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,31}")


def joined(url: Any) -> str | None:
    """Write a URL setting as one text: a failover list becomes "a;b", a class its dotted name."""
    if url is None or isinstance(url, str):
        return url
    if isinstance(url, (list, tuple)):
        return ";".join(url)
    return f"{getattr(url, '__module__', '')}.{getattr(url, '__qualname__', type(url).__name__)}"


def family_of(url: str | None) -> Family:
    """Tell which kind of server *url* means; the first of a failover list decides."""
    scheme = _scheme(url or "")
    if scheme in _REDIS:
        return "redis"
    return "rabbitmq" if scheme in _RABBITMQ else "other"


def check_urls(given: Given, problems: list[str]) -> None:
    """Report broker and backend URLs that neither kombu nor Celery can open.

    Args:
        given: What the user set; only read.
        problems: Gets one line a setting. No part of a URL but its scheme is shown.
    """
    from celery.app.backends import BACKEND_ALIASES
    from kombu.transport import TRANSPORT_ALIASES

    if not given.values.get("broker_transport"):
        for name in ("broker_url", "broker_read_url", "broker_write_url"):
            _check(given, name, [key.lower() for key in TRANSPORT_ALIASES], problems)
    backend = given.values.get("result_backend")
    if isinstance(backend, str) and backend not in BACKEND_ALIASES:
        is_stock = _scheme(backend) in BACKEND_ALIASES
        if is_stock or not (given.values.get("override_backends") or _is_plugin(backend)):
            _check(given, "result_backend", list(BACKEND_ALIASES), problems)


def _check(given: Given, name: str, known: list[str], problems: list[str]) -> None:
    """Report the first URL of one setting that can not be opened."""
    for position, url in enumerate(_each(given.values.get(name))):
        problem = _problem_of(url, known, is_first=position == 0)
        if problem is not None:
            problems.append(f"{given.label(name)}: {problem}")
            return


def _problem_of(url: str, known: list[str], *, is_first: bool) -> str | None:
    """Say what is wrong with one URL; the later ones of a failover list may omit the scheme."""
    scheme = _scheme(url)
    if _is_broken(url):
        return (
            "this can not be read as a URL. If the password holds one of / ? # @ : ; % then write"
            " it percent-encoded, as urllib.parse.quote(password, safe='') gives it."
        )
    if scheme in known or (not scheme and not is_first):
        return None
    if not scheme or not _SCHEME.fullmatch(scheme):
        return (
            "a URL is expected, such as redis://localhost:6379/0; this does not begin with a"
            " scheme and ://."
        )
    near = nearest_word(scheme, known)
    meant = f'Did you mean "{near}://"?' if near else f"Known are {', '.join(sorted(known))}."
    return f'unknown scheme "{scheme}://". {meant}'


def _each(value: Any) -> Iterator[str]:
    """Give every URL of a setting, failover lists taken apart."""
    for url in [value] if isinstance(value, str) else value or ():
        yield from url.split(";")


def _scheme(url: str) -> str:
    """Give the transport's name: "redis" for "redis+socket:///path"; "" when there is none."""
    scheme, separator, _ = url.strip().partition("://")
    return scheme.partition("+")[0].lower() if separator else ""


def _is_broken(url: str) -> bool:
    """Tell whether a password that is not escaped ends the host part too early.

    Only for Redis and RabbitMQ: others write several hosts, or no host at all, in their own ways.
    """
    if family_of(url) == "other":
        return False
    try:
        parts = urlsplit(f"http://{url.partition('://')[2]}")
        is_cut = bool(parts.netloc) and "@" not in parts.netloc
        return parts.port == 0 or (is_cut and "@" in parts.path + parts.fragment)
    except ValueError:
        return True


def _is_plugin(backend: str) -> bool:
    """Tell whether *backend* is the path of a class, or registered by an installed package."""
    name = backend.partition("://")[0].partition("+")[0]
    if _CLASS_PATH.fullmatch(name):
        return True
    from importlib.metadata import entry_points

    return any(point.name == name for point in entry_points(group="celery.result_backends"))
