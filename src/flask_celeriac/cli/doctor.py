"""`flask celery doctor`: everything that is examined, why it matters, and what to do."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .application import state_of
from .broker import BrokerUnreachable, masked, reached, server_of
from .checks.finding import Finding, error, ok

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState
    from flask_celeriac.settings import Applied

_LOOK = {"ok": ("OK", "green"), "warning": ("WARN", "yellow"), "error": ("ERROR", "red")}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check configuration, broker and schedule; say why, and what to do.

    \b
    Keys of --json:
      findings  [check, level (ok, warning, error), says, remedy]
      profile   [key, value, reason, is_default, process]: the safe defaults; with is_default
                false the value is yours
      errors, warnings   how many

    Exit code 1 if there is an error, 0 with warnings only.
    """
    state = state_of(ctx)
    findings = list(_examine(state))
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if as_json:
        report = {
            "findings": [_as_dict(finding) for finding in findings],
            "profile": [_applied_as_dict(applied) for applied in state.settings.profile],
            "errors": errors,
            "warnings": warnings,
        }
        click.echo(json.dumps(report, indent=2, default=str))
    else:
        _print_for_people(findings, state.settings.profile)
        click.echo(f"\n{_count(errors, 'error')}, {_count(warnings, 'warning')}.")
    ctx.exit(1 if errors else 0)


def _examine(state: AppState) -> Iterator[Finding]:
    from .checks import access, configuration, schedule, web_server

    yield from _examine_broker(state)
    yield from access.examine(state.settings)
    yield from configuration.examine(state)
    yield from schedule.examine(state.celery)
    yield from web_server.examine(state)


def _examine_broker(state: AppState) -> Iterator[Finding]:
    """What needs an answer from the broker; without one, there is a single finding."""
    from .checks import redis_server, running

    settings = state.settings
    try:
        with reached(state.celery) as connection:
            server = server_of(connection)
            yield ok("broker", f"{masked(state.celery)} answers: {server}.")
            if server.kind == "redis":
                yield from redis_server.examine(
                    server.name, server.info, require_durable=settings.require_durable
                )
            if not server.info.get("cluster_enabled"):  # which answers no further question
                yield from running.examine(state.celery, connection, settings.state_dir)
    except BrokerUnreachable as unreachable:
        yield error(
            "broker", unreachable.message, "Start it, or correct CELERY_BROKER_URL; then ask again."
        )
    except click.ClickException as missing:
        yield error("broker", missing.message, "Set CELERY_BROKER_URL, or run `flask celery up`.")


def _print_for_people(findings: list[Finding], profile: tuple[Applied, ...]) -> None:
    order = {"error": 0, "warning": 1, "ok": 2}
    for finding in sorted(findings, key=lambda finding: order[finding.level]):
        word, colour = _LOOK[finding.level]
        _print_item(click.style(f"{word:<5}", fg=colour, bold=True), finding.says, finding.remedy)
    ours = [applied for applied in profile if applied.is_default]
    yours = [applied for applied in profile if not applied.is_default]
    _print_profile("Safe defaults that hold", ours)
    _print_profile("Safe defaults that you set otherwise", yours)


def _print_item(label: str, says: str, remedy: str) -> None:
    click.echo(f"{label}  {_wrapped(says, 7)}")
    if remedy:
        click.echo(" " * 7 + click.style("do: ", bold=True) + _wrapped(remedy, 11))


def _print_profile(title: str, profile: list[Applied]) -> None:
    if not profile:
        return
    click.echo("\n" + click.style(title, bold=True))
    for applied in profile:
        where = "" if applied.process == "all" else f"  ({applied.process} processes)"
        click.echo(f"  {applied.key} = {applied.value!r}{click.style(where, dim=True)}")
        click.echo(" " * 6 + _wrapped(applied.reason, 6))


def _wrapped(text: str, indent: int) -> str:
    width = max(min(shutil.get_terminal_size().columns, 100) - indent, 40)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "level": finding.level,
        "says": finding.says,
        "remedy": finding.remedy,
    }


def _applied_as_dict(applied: Applied) -> dict[str, Any]:
    return {
        "key": applied.key,
        "value": applied.value,
        "reason": applied.reason,
        "is_default": applied.is_default,
        "process": applied.process,
    }


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
