"""`flask celery dead`: the tasks that nobody runs any more, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from . import letters
from .application import state_of
from .layout import count
from .messages import opened

if TYPE_CHECKING:
    from flask_celeriac.transport.redis.store import MessageStore

_AT_ONCE = 500


@click.group("dead", no_args_is_help=True)
def command() -> None:
    """Look at dead letters, run them again, or delete them.

    A dead letter is a message that was taken out of its queue for good: its task ended its
    process too often, or it can not be read. It stays until somebody decides.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option("--limit", default=100, type=click.IntRange(1, 10000), show_default=True)
@click.option("--task", help="Only those of this task.")
@click.option("--queue", help="Only those of this queue.")
@click.pass_context
def list_(
    ctx: click.Context, as_json: bool, limit: int, task: str | None, queue: str | None
) -> None:
    """List dead letters, the youngest first. Arguments are not shown.

    \b
    Keys of --json:
      dead    [number, task, id, queue, reason, attempts, died_at]
      total   how many there are in all
    """
    with opened(state_of(ctx).celery) as store:
        total = store.count_dead()
        found = list(islice(letters.each(store, task=task, queue=queue), limit))
    if as_json:
        report = {"dead": [letter.as_dict() for letter in found], "total": total}
        click.echo(json.dumps(report, indent=2))
        return
    if found:
        click.echo(letters.table(found))
    if len(found) < total:
        click.echo(f"{len(found)} of {total} shown.")
    elif not total:
        click.echo("There are no dead letters.")


@command.command("show")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--body", "has_body", is_flag=True, help="Show the body too: it has the arguments.")
@click.pass_context
def show(ctx: click.Context, number: int, has_body: bool) -> None:
    """Show one dead letter: why it died, and its headers without arguments."""
    with opened(state_of(ctx).celery) as store:
        found = store.dead_letter(number)
    if found is None:
        raise _unknown([number])
    click.echo(letters.in_full(letters.read(found), has_body=has_body))


def _chosen(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which dead letters are meant."""
    for option in (
        click.option("--queue", help="With --all: only those of this queue."),
        click.option("--task", help="With --all: only those of this task."),
        click.option("--all", "is_all", is_flag=True, help="All dead letters."),
        click.argument("numbers", nargs=-1, type=click.IntRange(min=1)),
    ):
        function = option(function)
    return function


@command.command("replay")
@_chosen
@click.pass_context
def replay(ctx: click.Context, /, **choice: Any) -> None:
    """Put dead letters back into their queues, as if they had never been tried."""
    _check(choice)
    with opened(state_of(ctx).celery) as store:
        done = _in_portions(store.replay, _numbers(store, choice))
    click.echo(f"{count(done, 'message')} ready again.")


@command.command("discard")
@_chosen
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def discard(ctx: click.Context, /, yes: bool, **choice: Any) -> None:
    """Delete dead letters for good."""
    _check(choice)
    with opened(state_of(ctx).celery) as store:
        numbers = _numbers(store, choice)
        if numbers and not yes:
            click.confirm(f"Delete {count(len(numbers), 'dead letter')} for good?", abort=True)
        done = _in_portions(store.discard, numbers)
    click.echo(f"{count(done, 'dead letter')} deleted.")


def _check(choice: dict[str, Any]) -> None:
    if bool(choice["numbers"]) == choice["is_all"]:
        raise click.UsageError("Name dead letters by their numbers, or choose --all.")
    if choice["numbers"] and (choice["task"] or choice["queue"]):
        raise click.UsageError("--task and --queue choose among --all.")


def _numbers(store: MessageStore, choice: dict[str, Any]) -> list[int]:
    """Return the numbers that are meant, the eldest first."""
    if choice["is_all"]:
        found = letters.each(store, task=choice["task"], queue=choice["queue"])
        # The pages move while others die.
        return list(dict.fromkeys(letter.number for letter in found))[::-1]
    numbers = list(dict.fromkeys(choice["numbers"]))
    if missing := [number for number in numbers if store.dead_letter(number) is None]:
        raise _unknown(missing)
    return numbers


def _in_portions(do: Callable[[Sequence[int]], int], numbers: Sequence[int]) -> int:
    return sum(do(numbers[i : i + _AT_ONCE]) for i in range(0, len(numbers), _AT_ONCE))


def _unknown(numbers: Sequence[int]) -> click.ClickException:
    names = ", ".join(map(str, numbers))
    return click.ClickException(
        f"No dead letter has the number {names}; nothing was changed. See `flask celery dead list`."
    )
