"""Passwords and TLS on the way to broker and result backend."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from flask_celeriac.health.broker import Address, parse

from .finding import Finding, ok, warning

if TYPE_CHECKING:
    from flask_celeriac.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine the URLs of broker and result backend; no connection is made."""
    yield from _examine_url("broker", settings.broker_url, settings.celery.get("broker_use_ssl"))
    if settings.result_backend and settings.result_backend != settings.broker_url:
        use_ssl = settings.celery.get("redis_backend_use_ssl")
        yield from _examine_url("result_backend", settings.result_backend, use_ssl)


def _examine_url(what: str, url: str | None, use_ssl: Any) -> Iterator[Finding]:
    try:
        addresses = parse(url or "")
    except ValueError:
        return  # another kind of broker or backend: nothing is known about its URL
    far = [address for address in addresses if not is_local(address)]
    if not far:
        if addresses:
            yield ok(f"{what}.access", f"The {_words(what)} is on this machine.")
        return
    places = ", ".join(map(str, far))
    if any(not address.password for address in far):
        yield warning(
            f"{what}.password",
            f"{places} is reached without a password: whoever reaches it can run your tasks "
            "with arguments of their choice.",
            "Set a password or ACL user on the server, and put it into the URL.",
        )
    elif any((address.user, address.password) == ("guest", "guest") for address in far):
        yield warning(
            f"{what}.password",
            f"{places} is reached as guest/guest, which everybody tries first.",
            "Make a user of your own on the broker.",
        )
    else:
        yield ok(f"{what}.password", f"{places} asks for a password.")
    yield from _examine_tls(what, url or "", far, use_ssl)


def _examine_tls(what: str, url: str, far: list[Address], use_ssl: Any) -> Iterator[Finding]:
    is_encrypted = bool(use_ssl) or all(a.scheme in ("rediss", "amqps") for a in far)
    if not is_encrypted:
        yield warning(
            f"{what}.tls",
            f"The way to {', '.join(map(str, far))} is not encrypted: passwords, arguments and "
            "results can be read on it.",
            "Use rediss:// or amqps://, or make sure that the network is private.",
        )
    elif _skips_verification(url, use_ssl):
        yield warning(
            f"{what}.tls",
            "The server's certificate is not verified: anybody in between can be the server.",
            "Set ssl_cert_reqs=required, and name the authority with ssl_ca_certs.",
        )
    else:
        yield ok(f"{what}.tls", f"The way to the {_words(what)} is encrypted.")


def _skips_verification(url: str, use_ssl: Any) -> bool:
    said = str(use_ssl.get("ssl_cert_reqs", "")) if isinstance(use_ssl, dict) else ""
    return (
        "none" in said.lower()
        or "ssl_cert_reqs=none" in url.lower()
        or "ssl_cert_reqs=cert_none" in url.lower()
    )


def _words(what: str) -> str:
    return what.replace("_", " ")


def is_local(address: Address) -> bool:
    """Return whether *address* can not be reached from another machine."""
    if address.scheme == "unix" or address.host == "localhost":
        return True
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return False
