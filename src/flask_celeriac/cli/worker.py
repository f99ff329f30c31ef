"""`flask celery worker`: one production worker, in the foreground."""

from __future__ import annotations

import click

from .celery_command import PASS_ON, run


@click.command("worker", **PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run a worker. All options are those of `celery worker`."""
    run(ctx, "worker", arguments)
