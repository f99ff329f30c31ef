"""`flask celery transport`: the way back to Celery's own transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .application import state_of
from .layout import count
from .messages import opened

if TYPE_CHECKING:
    from flask_celeriac.transport.redis.store import MessageStore

_NAMED = 5


@click.group("transport", no_args_is_help=True)
def command() -> None:
    """Look after what only our Redis transport keeps."""


@command.command("export")
@click.option("--force", is_flag=True, help="Even while workers on our transport live.")
@click.pass_context
def export(ctx: click.Context, force: bool) -> None:
    """Move messages to where a worker on Celery's own transport finds them.

    That is what is delayed, parked, suspected, or claimed by processes that are dead. A delayed
    message keeps its time. Dead letters stay.

    Exit code 1, and nothing is moved, while workers of ours live: they would take it all back.
    """
    with opened(state_of(ctx).celery) as store:
        _look_for_workers(store, is_forced=force)
        moved = store.export()
        dead = store.count_dead()
    click.echo(f"{count(moved, 'message')} moved to the queues that every Celery worker reads.")
    if dead:
        click.echo(
            f"{count(dead, 'dead letter')} left where nobody but `flask celery dead` finds them: "
            "replay or discard them, and export again.",
            err=True,
        )


def _look_for_workers(store: MessageStore, *, is_forced: bool) -> None:
    leases = store.leases()
    living = sorted(name for name, left_s in leases.items() if left_s > 0)
    if not living:
        return
    names = ", ".join(living[:_NAMED]) + (" ..." if len(living) > _NAMED else "")
    says = f"{count(len(living), 'worker')} on our transport may still live: {names}."
    if is_forced:
        click.echo(f"{says} They take delayed messages back.", err=True)
        return
    longest_s = max(leases[name] for name in living)
    raise click.ClickException(
        f"{says} Stop them first (a killed one counts for {longest_s:.0f} s more), or use --force. "
        "Nothing was moved."
    )
