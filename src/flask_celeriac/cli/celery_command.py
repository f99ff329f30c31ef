"""Run one of Celery's own commands on the app, with all of its options."""

from __future__ import annotations

import os
import re
import sys
from contextvars import Context
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from flask_celeriac.errors import BrokerMissing

from .application import state_of

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState

#: For a command that leaves every option, `--help` too, to Celery.
PASS_ON: dict[str, Any] = {
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False},
    "add_help_option": False,
}

_CELERYS_SCHEDULE = "celerybeat-schedule"
#: -l after any of the short options that take no value.
_LEVEL = re.compile(r"-[EDB]*l.*|--loglevel(=.*)?")
_SCHEDULE = re.compile(r"-[EDB]*s.*|--schedule(-filename)?(=.*)?")
_DETACH = re.compile(r"-[EB]*D[EB]*|--detach")
_GREEN_POOLS = ("gevent", "eventlet")


def run(ctx: click.Context, name: str, arguments: tuple[str, ...]) -> None:
    """Run `celery <name> <arguments>` in this process, and end with its exit code.

    Raises:
        click.ClickException: No broker is configured, or the folder for beat's schedule can not
            be made; nothing was started.
    """
    _patch_for_greenlets(arguments)
    state = state_of(ctx)
    is_help = "--help" in arguments
    if not is_help:
        refuse_without_broker(state)
    words = [name, *arguments]
    if not any(map(_LEVEL.fullmatch, arguments)) and not is_help:
        words += ["-l", "info"]
    if _uses_schedule(name, arguments) and not any(map(_SCHEDULE.fullmatch, arguments)):
        _put_schedule_into_instance(state)
    sys.argv[0] = "flask celery"  # what Celery's usage texts begin with
    if name == "worker" and any(map(_DETACH.fullmatch, arguments)):
        _let_celery_detach(ctx, words)
    # Flask's command line pushes an app context; a worker's tasks must not inherit it.
    ctx.exit(Context().run(_start, state.celery, words))


def refuse_without_broker(state: AppState) -> None:
    """Make sure that a broker is configured; nothing is connected.

    Raises:
        click.ClickException: None is.
    """
    try:
        state.celery.connection_for_read().release()  # opens nothing
    except BrokerMissing as error:
        raise click.ClickException(str(error)) from None


def _start(celery: Any, words: list[str]) -> int:
    """Start, and return the exit code, which click keeps from `Celery.start`."""
    from celery import signals

    workers: list[Any] = []

    def remember(sender: Any, **_: Any) -> None:
        workers.append(sender)

    signals.worker_init.connect(remember)
    try:
        code = celery.start(words)
    finally:
        signals.worker_init.disconnect(remember)
    if not code and workers:
        code = workers[-1].exitcode
    return code if isinstance(code, int) else int(bool(code))


def _uses_schedule(name: str, arguments: tuple[str, ...]) -> bool:
    return name == "beat" or any(re.fullmatch(r"-[ED]*B[ED]*|--beat", a) for a in arguments)


def _put_schedule_into_instance(state: AppState) -> None:
    """Keep beat's file with the app's other files, not where the command happened to be typed."""
    if state.celery.conf.beat_schedule_filename != _CELERYS_SCHEDULE:
        return
    from flask_celeriac.declare.state import private_folder

    folder = private_folder(state.app)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"{folder} can not be made ({error.strerror}): beat remembers there what it sent. "
            "Make the instance folder writable, or name a file with --schedule."
        ) from None
    if not os.access(folder, os.W_OK):
        raise click.ClickException(
            f"{folder} is not writable: beat remembers there what it sent. "
            "Change its owner, or name a file with --schedule."
        )
    state.celery.conf.beat_schedule_filename = str(folder / "beat-schedule")


def _patch_for_greenlets(arguments: tuple[str, ...]) -> None:
    """Start this process anew with everything patched: the app is imported by now."""
    pool = _pool_of(arguments)
    if pool not in _GREEN_POOLS or _is_patched(pool):
        return
    os.execv(  # noqa: S606 - the same interpreter and arguments, and the same process id
        sys.executable,
        [sys.executable, "-m", "flask_celeriac.cli.green", pool, *sys.argv[1:]],
    )


def _pool_of(arguments: tuple[str, ...]) -> str:
    for argument, following in pairwise([*arguments, ""]):
        if argument in ("-P", "--pool"):
            return following
        if match := re.fullmatch(r"-P(.+)|--pool=(.+)", argument):
            return match[1] or match[2]
    return ""


def _is_patched(pool: str) -> bool:
    if pool == "gevent":
        monkey = sys.modules.get("gevent.monkey")
        return bool(monkey and monkey.is_module_patched("socket"))
    patcher = sys.modules.get("eventlet.patcher")
    return bool(patcher and patcher.is_monkey_patched("socket"))


def _let_celery_detach(ctx: click.Context, words: list[str]) -> None:
    """Celery's detached worker is `python -m celery` with our arguments: name the app there."""
    from flask.cli import ScriptInfo

    import_path = ctx.ensure_object(ScriptInfo).app_import_path
    if import_path:
        os.environ["FLASK_APP"] = import_path
    sys.argv = ["celery", "-A", "flask_celeriac.cli.detached:celery", *words]
