"""`flask celery beat`: the scheduler, in the foreground; one for an application."""

from __future__ import annotations

import click

from .celery_command import PASS_ON, run


@click.command("beat", **PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run the scheduler. All options are those of `celery beat`."""
    run(ctx, "beat", arguments)
