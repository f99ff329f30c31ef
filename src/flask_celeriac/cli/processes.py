"""`flask celery worker --processes N`: what each of N workers is called, and what none may ask."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click
from flask.cli import ScriptInfo

from .supervise.program import flask_command

if TYPE_CHECKING:
    from celery import Celery

    from flask_celeriac.declare.state import AppState

_HELP = (
    "Number of workers to run under one supervisor (default 1), each with a node name and a pool "
    "of its own: --concurrency, --autoscale and rate limits count for each of them."
)
_NUMBER = "%i"

#: What N workers, or one that starts again, would do more often than was meant.
_REFUSED = {
    "beat": "-B would start a beat in each of them: run `flask celery beat` beside them.",
    "detach": "-D is for one worker: the supervisor stays in the foreground.",
    "purge": "--purge would empty the queues each time a worker starts again: "
    "run `celery purge` before.",
}
#: Files that two workers can not share, by the option of each and the setting behind it.
_FILES = {"pidfile": "worker_pidfile", "statedb": "worker_state_db"}


def explain(celery: Celery) -> None:
    """Let the help of Celery's worker show our option too."""
    from celery.bin.base import CeleryOption

    option = CeleryOption(
        ["--processes"], type=int, metavar="<workers>", help=_HELP, help_group="Worker Options"
    )
    celery.user_options["worker"].add(option)


def launch(ctx: click.Context, state: AppState, count: int, arguments: tuple[str, ...]) -> NoReturn:
    """Become the supervisor of *count* workers, in this process.

    Args:
        count: At least 2.
        arguments: Options of `celery worker`.

    Raises:
        click.UsageError: An option is wrong, or not for several workers; nothing was started.
    """
    asked = _parse(ctx, state.celery, arguments)
    for option, why in _REFUSED.items():
        if asked.get(option):
            raise click.UsageError(f"Not with --processes {count}: {why}", ctx)
    names = node_names(asked.get("hostname"), count)
    for option, setting in _FILES.items():
        path = asked.get(option) or state.celery.conf.get(setting)
        if path and not _is_different(str(path), names):
            raise click.UsageError(
                f"Not with --processes {count}: --{option} {path} would be one file for all. "
                f"Write %n where the name of a worker is to stand: --{option} %n-{path}",
                ctx,
            )
    info = ctx.ensure_object(ScriptInfo)
    flask = flask_command(info.app_import_path, has_factory=info.create_app is not None)
    words = [sys.executable, "-m", "flask_celeriac.cli.supervise.crew", "--names", ",".join(names)]
    if state.settings.state_dir:
        words += ["--state-dir", state.settings.state_dir]
    sys.stdout.flush()
    sys.stderr.flush()
    # Not a child: signals and the process id are those of the command that was typed.
    os.execv(sys.executable, [*words, "--", *flask, "celery", "worker", *arguments])  # noqa: S606


def node_names(hostname: str | None, count: int) -> list[str]:
    """Return the node name of each of *count* workers.

    Args:
        hostname: As in `celery worker --hostname`; %i in it stands for the number of a worker,
            which otherwise is put behind the name: `celery-1@host`.
    """
    from celery.utils.nodenames import default_nodename, host_format

    if not hostname or _NUMBER not in hostname:
        name, _, host = default_nodename(hostname or "").partition("@")
        hostname = f"{name}-{_NUMBER}@{host}"
    numbered = (hostname.replace(_NUMBER, str(number)) for number in range(1, count + 1))
    return [str(host_format(default_nodename(name))) for name in numbered]


def _is_different(path: str, names: list[str]) -> bool:
    from celery.utils.nodenames import node_format

    return len({node_format(path, name) for name in names}) == len(names)


def _parse(ctx: click.Context, celery: Celery, arguments: tuple[str, ...]) -> dict[str, Any]:
    """Return the options that were given, as text and by name; a misspelt one is an error."""
    from celery.bin import worker

    params = [*worker.worker.params, *celery.user_options["worker"]]
    command = click.Command("worker", params=params, add_help_option=False)
    parser = command.make_parser(click.Context(command, ctx.parent, "worker"))
    return parser.parse_args([*arguments])[0]
