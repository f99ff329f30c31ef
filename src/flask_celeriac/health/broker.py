"""Ask the broker for one answer over a plain socket: no client library, nothing is sent twice."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote, urlsplit

from .judgement import Verdict

#: Where the URL is looked for when the command line names none.
ENVIRONMENT = (
    "CELERY_BROKER_URL",
    "FLASK_CELERY_BROKER_URL",
    "FLASK_CELERY__broker_url",
    "FLASK_CELERY__BROKER_URL",
)
TIMEOUT_S = 2.0

_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "amqp": 5672, "amqps": 5671}
_ALIASES = {"valkey": "redis", "valkeys": "rediss", "pyamqp": "amqp", "pyamqps": "amqps"}
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass(frozen=True, slots=True)
class Address:
    """One broker server, as a URL names it; the password is in no text made from this."""

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path or f'{self.host}:{self.port}'}"

    def encrypted(self) -> Address:
        """Return the same Redis on TLS, where that is told beside the URL; others as they are."""
        return replace(self, scheme="rediss") if self.scheme == "redis" else self


def url_from(environ: Mapping[str, str]) -> str | None:
    """Return the broker URL that the environment names, else None."""
    return next((environ[name] for name in ENVIRONMENT if environ.get(name)), None)


def parse(url: str) -> list[Address]:
    """Read a broker URL, also one that names several servers (`a;b`).

    Raises:
        ValueError: This is not a URL of a broker; the text holds no password.
    """
    return [_parse_one(part.strip()) for part in url.split(";") if part.strip()]


def _parse_one(url: str) -> Address:
    if "://" not in url:
        url = f"redis://{url}"
    parts = urlsplit(url)
    scheme = parts.scheme.split("+")[0].lower()
    scheme = _ALIASES.get(scheme, scheme)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme in ("redis+socket", "unix", "socket", "valkey+socket"):
        query = parse_qs(parts.query)
        password = password or query.get("password", [""])[0]
        return Address("unix", "", 0, unquote(parts.path), user, password)
    try:
        port = parts.port or _PORTS[scheme]
    except KeyError:
        raise ValueError(f"no probe for brokers of the kind {parts.scheme!r}") from None
    except ValueError:
        raise ValueError(f"the port in the {scheme} URL is not a number") from None
    return Address(scheme, parts.hostname or "127.0.0.1", port, "", user, password)


def ask(addresses: list[Address], *, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Ask each server in turn until one answers.

    Args:
        addresses: At least one.
        timeout_s: For each server, above 0.
    """
    answers = []
    for address in addresses:
        verdict = _ask_one(address, timeout_s)
        if verdict.is_healthy:
            return verdict
        answers.append(verdict.text)
    return Verdict(False, "; ".join(answers))


def _ask_one(address: Address, timeout_s: float) -> Verdict:
    try:
        with _connect(address, timeout_s) as connection:
            talk = _greet_amqp if address.scheme.startswith("amqp") else _ping_redis
            return talk(connection, address)
    except TimeoutError:
        return Verdict(False, f"broker {address} did not answer within {timeout_s:g} s")
    except OSError as error:
        if _wants_certificate(error):
            return Verdict(True, f"broker {address} answers, and wants a certificate")
        return Verdict(False, f"broker {address} can not be reached: {error.strerror or error}")


def _wants_certificate(error: OSError) -> bool:
    """A server that refuses a client without certificate is alive; TLS 1.2 has no word for it."""
    reason = str(getattr(error, "reason", ""))
    return reason.endswith(("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE"))


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address.path)
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((address.host, address.port), timeout=timeout_s)
    if address.scheme not in ("rediss", "amqps"):
        return connection
    import ssl

    # The probe asks for life, not identity, and knows no certificates; so it tells no password.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=address.host)


def _greet_amqp(connection: socket.socket, address: Address) -> Verdict:
    """RabbitMQ answers the greeting with Connection.Start (a method frame), or with a greeting."""
    connection.sendall(_AMQP_GREETING)
    answer = connection.recv(8)
    if answer[:1] == b"\x01":
        return Verdict(True, f"broker {address} answers")
    return Verdict(False, f"broker {address} does not speak AMQP 0-9-1")


def _ping_redis(connection: socket.socket, address: Address) -> Verdict:
    """A server that asks for a password is alive; one that refuses the given one is of no use."""
    # What asks for a password at a Sentinel is its own, and in no URL.
    is_secret_safe = address.scheme not in ("rediss", "sentinel")
    if address.password and is_secret_safe:
        words = [address.user, address.password] if address.user else [address.password]
        answer = _command(connection, "AUTH", *words)
        if not answer.startswith(b"+"):
            return Verdict(False, f"broker {address} refuses the password: {_text(answer)}")
    answer = _command(connection, "PING")
    if answer.startswith((b"+PONG", b"-NOAUTH", b"-NOPERM")):
        return Verdict(True, f"broker {address} answers")
    return Verdict(False, f"broker {address} answers {_text(answer) or 'nothing'}")


def _command(connection: socket.socket, *words: str) -> bytes:
    encoded = [word.encode() for word in words]
    sent = b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)
    try:
        connection.sendall(sent)
    except TimeoutError:
        raise
    except OSError:
        connection.recv(4096)  # raises what the server said when it closed, where it said so
        raise
    answer = b""
    with suppress(ConnectionResetError):
        while not answer.endswith(b"\r\n") and len(answer) < 4096:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return answer


def _text(answer: bytes) -> str:
    return answer[1:].decode("ascii", "replace").strip()[:100]
