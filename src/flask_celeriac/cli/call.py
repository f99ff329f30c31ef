"""`flask celery call TASK [ARGUMENTS]`: send one task from the command line."""

from __future__ import annotations

import json
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from .application import state_of
from .broker import reached

if TYPE_CHECKING:
    from celery import Celery

    from flask_celeriac.declare.state import AppState

_EXAMPLE = "for example: flask celery call app.tasks.multiply '[2, 3]' (or '{\"x\": 2, \"y\": 3}')"


@click.command("call")
@click.argument("task")
@click.argument("arguments", required=False, metavar="[ARGUMENTS]")
@click.option("--kwargs", help="Arguments by name, as a JSON object.")
@click.option("--queue", help="Queue to send it to.")
@click.option("--countdown", type=click.FloatRange(min=0), help="Seconds before it may start.")
@click.option("--wait", is_flag=True, help="Wait for the result and print it as JSON.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait  [default: CELERIAC_RESULT_TIMEOUT].",
)
@click.option("--force", is_flag=True, help="Send it though no task here has that name.")
@click.pass_context
def command(
    ctx: click.Context, /, task: str, arguments: str | None, kwargs: str | None, **options: Any
) -> None:
    """Send TASK to a worker and print the id of the message.

    ARGUMENTS is JSON: an array gives them by position, an object by name.

    \b
      flask celery call app.tasks.multiply '[2, 3]' --wait
      flask celery call app.tasks.multiply '{"x": 2, "y": 3}'

    Exit code 1 if nothing was sent, or, with --wait, if the task failed or took too long.
    """
    state = state_of(ctx)
    positional, named = _arguments(arguments, kwargs)
    if not options["force"]:
        _refuse_unknown(state.celery, task)
    if options["wait"]:
        _refuse_without_backend(state.celery)
    result = _send(state, task, positional, named, options)
    if not options["wait"]:
        click.echo(result.id)
        return
    click.echo(f"Sent {task} as {result.id}; waiting.", err=True)
    _report(ctx, state, result, options["timeout"])


def _arguments(arguments: str | None, kwargs: str | None) -> tuple[list[Any], dict[str, Any]]:
    given = [] if arguments is None else _parse(arguments, "ARGUMENTS")
    named = {} if kwargs is None else _parse(kwargs, "--kwargs")
    if not isinstance(named, dict):
        raise click.UsageError(f"--kwargs is not a JSON object; {_EXAMPLE}")
    if isinstance(given, dict):
        if named:
            raise click.UsageError("Arguments by name are given twice: in ARGUMENTS and --kwargs.")
        return [], given
    if not isinstance(given, list):
        raise click.UsageError(f"ARGUMENTS is neither a JSON array nor an object; {_EXAMPLE}")
    return given, named


def _parse(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{what} is not JSON ({error}): {text}\n{_EXAMPLE}") from None


def _refuse_unknown(celery: Celery, task: str) -> None:
    names = sorted(name for name in celery.tasks if not name.startswith("celery."))
    if task in celery.tasks:
        return
    ends = [name for name in names if name.endswith(f".{task}")]
    near = ends or get_close_matches(task, names, 3) or names[:8]
    hint = "".join(f"\n  {name}" for name in near)
    known = f" Near names:{hint}" if near else " This application has no tasks."
    raise click.ClickException(
        f"No task is called {task!r}; nothing was sent.{known}\n"
        "(--force sends it to workers that know it.)"
    )


def _refuse_without_backend(celery: Celery) -> None:
    from celery.backends.base import DisabledBackend

    if isinstance(celery.backend, DisabledBackend):
        raise click.ClickException(
            "--wait needs a result backend, and none is configured: set CELERY_RESULT_BACKEND. "
            "Nothing was sent."
        )


def _send(
    state: AppState, task: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    celery = state.celery
    route = {key: options[key] for key in ("queue", "countdown") if options[key] is not None}
    known: Any = celery.tasks.get(task)
    if known is not None and celery.conf.task_always_eager:
        return known.apply_async(args, kwargs, **route)
    with reached(celery) as reached_connection:
        connection: Any = reached_connection
        route |= {"connection": connection, "retry": False}
        try:
            if known is None:
                return celery.send_task(task, args, kwargs, **route)
            return known.apply_async(args, kwargs, **route)
        except TypeError as error:
            # Celery checks the arguments against the signature before it sends.
            raise click.ClickException(f"{task}: {error}. Nothing was sent.") from None
        except (*connection.connection_errors, OSError) as error:
            raise click.ClickException(f"The broker did not take the task: {error}") from None


def _report(ctx: click.Context, state: AppState, result: Any, timeout_s: float | None) -> None:
    """Wait, and print the result, or why there is none; exit code 1 for the latter."""
    try:
        value = _value_of(result, timeout_s or state.settings.result_timeout_s)
        has_succeeded, outcome = result.successful(), result.state
    finally:
        _let_go(result)
    if has_succeeded:
        click.echo(json.dumps(value, default=str, ensure_ascii=False))
        return
    click.echo(f"{outcome}: {_error_of(value)}", err=True)
    ctx.exit(1)


def _value_of(result: Any, deadline_s: float) -> Any:
    try:
        return result.get(timeout=deadline_s, propagate=False)
    except TimeoutError:
        raise click.ClickException(
            f"No result within {deadline_s:g} s. The task may still run; its id is {result.id}. "
            "Does a worker run? See `flask celery status`."
        ) from None
    except KeyboardInterrupt:
        raise click.ClickException(f"Not waiting longer; the task's id is {result.id}.") from None
    except Exception as error:
        raise click.ClickException(f"The result can not be read: {error}") from error


def _let_go(result: Any) -> None:
    """A result that ends with the interpreter would still talk to the backend, too late."""
    backend, result.backend = result.backend, None
    if hasattr(backend, "remove_pending_result"):
        with suppress(Exception):
            backend.remove_pending_result(result)


def _error_of(value: Any) -> str:
    return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
