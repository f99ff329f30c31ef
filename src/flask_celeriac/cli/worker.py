"""`flask celery worker`: a production worker in the foreground, or several under a supervisor."""

from __future__ import annotations

from typing import Any

import click

from .application import state_of
from .celery_command import PASS_ON, refuse_without_broker, run
from .processes import explain, launch

# Our option may stand between Celery's.
_PASS_ON: dict[str, Any] = {
    **PASS_ON,
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": True},
}


@click.command("worker", **_PASS_ON)
@click.option("--processes", default=1, type=click.IntRange(1, 256))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, processes: int, arguments: tuple[str, ...]) -> None:
    """Run a worker. All options but --processes are those of `celery worker`."""
    if "--help" in arguments:
        explain(state_of(ctx).celery)
    elif processes > 1:
        refuse_without_broker(state_of(ctx))
        launch(ctx, state_of(ctx), processes, arguments)
    run(ctx, "worker", arguments)
