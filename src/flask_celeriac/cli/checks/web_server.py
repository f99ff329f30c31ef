"""Whether the web server that is configured here can let clients wait.

Gunicorn reads a file of the working directory, then a variable, then its command line, which nobody
else sees. Nothing of the file is executed.
"""

from __future__ import annotations

import ast
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .finding import Finding, warning

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState

_FILE = "gunicorn.conf.py"
_VARIABLE = "GUNICORN_CMD_ARGS"
_OPTIONS = {"-k": "worker_class", "--worker-class": "worker_class", "--threads": "threads"}
#: What a file says in another way than by a constant.
_UNKNOWN = object()


def examine(state: AppState) -> Iterator[Finding]:
    """Examine the settings of gunicorn, where tasks are exposed and there are some."""
    if not state.exposures or not (sources := list(_sources())):
        return
    settings: dict[str, Any] = {}
    for _, found in sources:
        settings.update(found)
    if not _is_sync(settings):
        return
    yield warning(
        "web_server.workers",
        f"By {' and '.join(name for name, _ in sources)} gunicorn starts sync workers, and "
        f"tasks are exposed ({len(state.exposures)}): a client that waits keeps such a worker from "
        "all others, so that long polls are cut short and streams of events are refused.",
        "Set --threads 32 or --worker-class gevent; ignore this if its command line does.",
    )


def _sources() -> Iterator[tuple[str, Mapping[str, Any]]]:
    file = Path(_FILE)
    if file.is_file():
        yield _FILE, _assigned(file)
    if words := os.environ.get(_VARIABLE):
        yield _VARIABLE, _given(words)


def _assigned(file: Path) -> dict[str, Any]:
    """Return what a file sets, as far as it says so by constants."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return dict.fromkeys(_OPTIONS.values(), _UNKNOWN)
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        for name in _names(node):
            value = getattr(node, "value", None)
            found[name] = value.value if isinstance(value, ast.Constant) else _UNKNOWN
    return found


def _names(node: ast.AST) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        if isinstance(target, ast.Name) and target.id in _OPTIONS.values():
            yield target.id


def _given(words: str) -> dict[str, Any]:
    """Return what a command line sets."""
    found: dict[str, Any] = {}
    try:
        parts = shlex.split(words)
    except ValueError:
        return dict.fromkeys(_OPTIONS.values(), _UNKNOWN)
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        option, is_joined, value = part.partition("=")
        if option in _OPTIONS:
            found[_OPTIONS[option]] = value if is_joined else following
        elif option.startswith("-k") and len(option) > len("-k"):
            found["worker_class"] = part.removeprefix("-k")
    return found


def _is_sync(settings: Mapping[str, Any]) -> bool:
    """Tell whether these settings make sync workers; more than one thread makes others of them."""
    worker, threads = settings.get("worker_class", "sync"), settings.get("threads", 1)
    return worker == "sync" and str(threads) in ("0", "1")
