"""`flask celery ...`: a door for people. Each command is a module, imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

__all__ = ["celery_group"]

#: Name of each command and of its module, with the line that `flask celery --help` shows.
_COMMANDS = {
    "up": "Start web, worker and beat in one terminal.",
    "worker": "Run a worker (production; options of `celery worker`).",
    "beat": "Run the scheduler (production; options of `celery beat`).",
    "status": "Show broker, workers, queues and what beat sends next.",
    "call": "Send a task by name, and wait for its result with --wait.",
    "dead": "List, show, replay and discard dead letters.",
    "transport": "Export what only our Redis transport keeps.",
    "doctor": "Check configuration, broker and schedule; say what to do.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, so that `flask run` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of a day's work."""
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command called *cmd_name*; None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, but an unknown command comes with the nearest known one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, 1)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None


def celery_group(**options: Any) -> click.Group:
    """Return the group `celery`, to be added to `app.cli`."""
    return LazyGroup(
        "celery", help="Run and look after background tasks.", no_args_is_help=True, **options
    )
