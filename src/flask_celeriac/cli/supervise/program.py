"""What `up` runs: the command of each program, how it says it is ready, how it is stopped."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import knock

# A worker ends on SIGTERM when its running tasks have. On our transport it gives back what runs
# longer, and on the embedded server `up` itself does. On another broker Celery's worker does so
# on SIGQUIT after `worker_soft_shutdown_timeout`, which it sleeps to its end; of Celery's pools
# prefork alone does that well.
_WORKER_LIMIT_S = 8.0
_GIVES_BACK = (None, "prefork", "processes")
# Workers need not know each other here, and asking takes a second of each restart.
_ALONE = ("--without-mingle", "--without-gossip")

#: The line by which Celery's worker says that it takes tasks.
WORKER_READY = re.compile(r"\S+@\S+ ready\.$")


@dataclass(frozen=True, slots=True)
class Program:
    """One program that `up` keeps running."""

    name: str
    command: Sequence[str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 3.0
    """Seconds after which it is killed."""
    ready_line: re.Pattern[str] | None = None
    """The line by which it says that it is ready."""
    probe: Callable[[], bool] | None = None
    """Waits, for some seconds at most, until it is ready; called again while it says no."""
    hidden_word: str | None = None
    """Lines with it are our own doing and not shown."""
    is_restarted_on_change: bool = True
    ready_text: str = ""
    """Shown when it is ready, unless its own line says it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for on the command line."""

    host: str
    port: int
    """Above 0."""
    workers: int
    """At least 1."""
    has_web: bool = True
    has_beat: bool = True
    has_reload: bool = True
    concurrency: str | None = None
    pool: str | None = None
    needs_sigquit: bool = False
    """Long tasks are given back by the worker alone, and that is Celery's own."""


def flask_command(import_path: str | None, *, has_factory: bool) -> list[str]:
    """Return how children start the same `flask`, with the same app.

    Args:
        import_path: As in `flask --app`; None when Flask finds the app itself.
        has_factory: `flask` is the project's own script, with a `create_app` of its own.
    """
    if has_factory:
        main = sys.modules["__main__"]
        module = main.__spec__.name.removesuffix(".__main__") if main.__spec__ else None
        return [sys.executable, "-m", module] if module else [sys.executable, sys.argv[0]]
    command = [sys.executable, "-m", "flask"]
    return [*command, "--app", import_path] if import_path else command


def programs(flask: Sequence[str], wish: Wish, folder: Path, instance: Path) -> list[Program]:
    """Return what is to run, in the order in which it is stopped.

    Args:
        flask: See `flask_command`.
        folder: For beat's schedule file.
        instance: Not watched by the web server's reloader.
    """
    web = [_web(flask, wish, instance)] if wish.has_web else []
    beat = [_beat(flask, folder)] if wish.has_beat else []
    names = ["worker"] if wish.workers == 1 else [f"worker-{n + 1}" for n in range(wish.workers)]
    return [*web, *beat, *(_worker(flask, name, wish) for name in names)]


def _web(flask: Sequence[str], wish: Wish, instance: Path) -> Program:
    # Werkzeug's own reloader: it keeps the port open meanwhile, and shows an error in the browser.
    options = ["--reload" if wish.has_reload else "--no-reload"]
    if wish.has_reload and ":" not in str(instance):
        options += ["--exclude-patterns", f"{instance}/*"]
    return Program(
        name="web",
        command=[*flask, "run", "--host", wish.host, "--port", str(wish.port), *options],
        probe=lambda: knock.is_answered(wish.host, wish.port),
        hidden_word=knock.WORD,
        is_restarted_on_change=False,
        ready_text=f"answers at {address(wish.host, wish.port)}",
    )


def _beat(flask: Sequence[str], folder: Path) -> Program:
    return Program(
        name="beat",
        command=[*flask, "celery", "beat", "--schedule", str(folder / "beat-schedule")],
        ready_line=re.compile(r"\bbeat: Starting\.\.\."),
    )


def _worker(flask: Sequence[str], name: str, wish: Wish) -> Program:
    options = [] if wish.workers == 1 else ["--hostname", f"{name}@%h"]
    for option, value in (("--concurrency", wish.concurrency), ("--pool", wish.pool)):
        options += [option, value] if value else []
    is_to_give_back = wish.needs_sigquit and wish.pool in _GIVES_BACK
    return Program(
        name=name,
        command=[*flask, "celery", "worker", *_ALONE, *options],
        stop_signal=signal.SIGQUIT if is_to_give_back else signal.SIGTERM,
        stop_limit_s=_WORKER_LIMIT_S + (1.0 if is_to_give_back else 0.0),
        ready_line=WORKER_READY,
    )


def address(host: str, port: int) -> str:
    """Return the URL to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    shown = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
    return f"http://{shown}:{port}"
