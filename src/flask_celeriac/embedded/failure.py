"""What a server's log says on why it did not start, in words with a remedy."""

from __future__ import annotations

from pathlib import Path

from flask_celeriac.errors import EmbeddedServerError

from .binary import Binary

LOG_NAME = "server.log"
_PORT_TAKEN = ("Address already in use", "Failed listening on port")
_UNKNOWN_FORMAT = (
    "Can't handle RDB format version",
    "Wrong signature trying to load DB",
    "Unknown RDB string encoding type",
    "The RDB file contains module data",
    "Unknown object type",
    "is not a valid RDB type",
)
_DAMAGED = (
    "Bad file format reading the append only file",
    "Error reading the append only file",
    "Error reading the RDB preamble of the append only file",
    "Invalid AOF manifest",
    "Internal error in RDB reading",
    "AOF file format",
    "AOF loading didn't start",
)


def is_port_taken(log: str) -> bool:
    """Say whether the server ended because another program has its port."""
    return any(sign in log for sign in _PORT_TAKEN)


def refuse_foreign_format(folder: Path, binary: Binary, written_by: str | None) -> None:
    """Stop a Redis on data that it can not read and would not call so.

    One before 7 would overlook those of a newer server, and start empty. Every one takes those of a
    Valkey, whose newer files begin with a word of their own, for damage, and the repair that is
    then advised would cut them off.

    Raises:
        EmbeddedServerError: It is one. Nothing was started.
    """
    files = folder / "appendonlydir"
    if binary.name != "Redis" or not files.exists():
        return
    if binary.release < (7,) or any(map(_is_of_valkey, files.glob("*.base.rdb"))):
        raise _unreadable(folder, binary, written_by)


def explain(
    log: str, folder: Path, binary: Binary, returncode: int | None, written_by: str | None = None
) -> EmbeddedServerError:
    """Turn the log of a server that ended at start into an error."""
    if any(sign in log for sign in _UNKNOWN_FORMAT):
        return _unreadable(folder, binary, written_by)
    if any(sign in log for sign in _DAMAGED):
        return EmbeddedServerError(
            f"{binary.product} can not read the data in {folder}: they are damaged "
            f"(see {folder / LOG_NAME}). Repair them with valkey-check-aof or "
            "redis-check-aof, or move the folder away to start empty."
        )
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "no output")
    ended = f"signal {-returncode}" if returncode and returncode < 0 else f"exit code {returncode}"
    return EmbeddedServerError(
        f"{binary.path} ended at start ({ended}): {last.strip()} "
        f"The whole log is {folder / LOG_NAME}."
    )


def _is_of_valkey(base: Path) -> bool:
    with base.open("rb") as file:
        return file.read(6) == b"VALKEY"


def _unreadable(folder: Path, binary: Binary, written_by: str | None) -> EmbeddedServerError:
    writer = written_by if written_by and written_by != binary.product else "a newer server"
    return EmbeddedServerError(
        f"The data in {folder} were written by {writer}; {binary.product} ({binary.path}) "
        "can not read them. Use a newer server, or move the folder away to start empty."
    )
