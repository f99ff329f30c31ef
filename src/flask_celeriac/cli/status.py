"""`flask celery status`: broker, workers, queues and what beat sends next, at one look."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from flask_celeriac.transport.redis import census

from . import layout
from .application import state_of
from .broker import BrokerUnreachable, masked, reached, server_of
from .messages import store_of
from .schedule import next_entries

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

#: Seconds for workers to answer the first question.
ANSWER_S = 1.0


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show broker, workers, queues and what beat sends next.

    \b
    Keys of --json:
      broker    url (masked), is_reachable, name, version, error
      workers   [name, pool, slots, busy, uptime_s, queues, pid]
      queues    [name, messages, workers]; messages is null if the broker does not say
      elsewhere delayed, parked, claimed, dead: how many messages are not in a queue; null where
                another transport than ours carries them
      beat      [name, task, schedule, next_at]; next_at is the latest possible time

    Exit code 1 when the broker does not answer. That no worker runs is no error here; ask
    `flask celery doctor`.
    """
    celery = state_of(ctx).celery
    try:
        found = _look(celery)
    except BrokerUnreachable as error:
        if not as_json:
            raise
        found = _down(celery, error.message)
    click.echo(json.dumps(found, indent=2) if as_json else _for_people(found))
    if not found["broker"]["is_reachable"]:
        ctx.exit(1)


def _look(celery: Celery) -> dict[str, Any]:
    with reached(celery) as connection:
        server = server_of(connection)
        names, _ = nodes_of(celery, connection)
        workers = workers_of(celery, connection, names)
        return {
            "broker": {
                "url": masked(celery),
                "is_reachable": True,
                "name": server.name,
                "version": server.version,
                "error": None,
            },
            "workers": workers,
            "queues": queues_of(celery, workers),
            "elsewhere": _elsewhere(connection),
            "beat": _beat(celery),
        }


def _down(celery: Celery, error: str) -> dict[str, Any]:
    broker = {"url": masked(celery), "is_reachable": False, "name": None, "version": None}
    return {
        "broker": {**broker, "error": error},
        "workers": [],
        "queues": [],
        "elsewhere": None,
        "beat": _beat(celery),
    }


def nodes_of(celery: Celery, connection: Connection) -> tuple[list[str], list[str]]:
    """Return the names of the workers and of the beats that answer a ping within `ANSWER_S`."""
    replies = celery.control.ping(timeout=ANSWER_S, connection=connection) or []
    names = sorted({str(name) for reply in replies for name in reply})
    beats = [name for name in names if name.startswith("celerybeat@")]
    return [name for name in names if name not in beats], beats


def workers_of(celery: Celery, connection: Connection, names: list[str]) -> list[dict[str, Any]]:
    """Ask the workers called *names*, waiting for no more answers than that."""
    if not names:
        return []
    inspect = celery.control.inspect(
        timeout=ANSWER_S, connection=connection, limit=len(names), destination=names
    )
    stats = inspect.stats() or {}
    active, consumed = inspect.active(safe=True) or {}, inspect.active_queues() or {}
    return [
        {
            "name": name,
            "pool": _pool_name(str(said.get("pool", {}).get("implementation", ""))),
            "slots": said.get("pool", {}).get("max-concurrency"),
            "busy": len(active.get(name) or []),
            "uptime_s": said.get("uptime"),
            "queues": sorted(queue["name"] for queue in consumed.get(name) or []),
            "pid": said.get("pid"),
        }
        for name, said in sorted(stats.items())
    ]


def _pool_name(implementation: str) -> str:
    """Return `prefork` for `celery.concurrency.prefork:TaskPool`."""
    return implementation.partition(":")[0].rpartition(".")[2]


def queues_of(celery: Celery, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each queue that the configuration or a worker names, with its depth."""
    from flask_celeriac.transport.probe import BrokerProbe

    names = {*known_queues(celery), *(queue for worker in workers for queue in worker["queues"])}
    probe = BrokerProbe(celery)
    try:
        depths = probe.depths(sorted(names))
    finally:
        probe.close()
    return [
        {
            "name": name,
            "messages": depths[name],
            "workers": sum(name in worker["queues"] for worker in workers),
        }
        for name in sorted(names)
    ]


def _elsewhere(connection: Connection) -> dict[str, int] | None:
    """Count the messages that only our transport keeps; None with another one."""
    store = store_of(connection)
    return None if store is None else asdict(census.take(store))


def known_queues(celery: Celery) -> set[str]:
    """Return the queues that are named: declared, default, of routes, tasks and schedule."""
    names = {str(queue.name) for queue in celery.amqp.queues.values()}
    routes = celery.conf.task_routes
    if isinstance(routes, dict):
        names |= {str(r["queue"]) for r in routes.values() if isinstance(r, dict) and "queue" in r}
    own = (getattr(task, "queue", None) for task in celery.tasks.values())
    names |= {str(queue) for queue in own if queue}
    for entry in (celery.conf.beat_schedule or {}).values():
        options = entry.get("options") or {} if isinstance(entry, dict) else {}
        if "queue" in options:
            names.add(str(options["queue"]))
    return names


def _beat(celery: Celery) -> list[dict[str, Any]]:
    return [
        {
            "name": due.name,
            "task": due.task,
            "schedule": due.schedule,
            "next_at": due.at.isoformat(timespec="seconds") if due.at else None,
        }
        for due in next_entries(celery)
    ]


def _for_people(found: dict[str, Any]) -> str:
    broker = found["broker"]
    parts = [
        _title("Broker"),
        f"  {broker['url']}  {broker['name']} {broker['version']}".rstrip(),
        _title("Workers"),
        _worker_table(found["workers"]),
        _title("Queues"),
        _queue_table(found["queues"]),
        *_elsewhere_line(found["elsewhere"]),
        _title("Beat"),
        _beat_table(found["beat"]),
    ]
    return "\n".join(parts)


def _title(text: str) -> str:
    return click.style(text, bold=True)


def _worker_table(workers: list[dict[str, Any]]) -> str:
    if not workers:
        return "  none answers: start one with `flask celery worker`"
    return layout.table(
        ("name", "pool", "busy", "uptime", "queues"),
        [
            (
                worker["name"],
                worker["pool"],
                f"{worker['busy']} of {worker['slots']}",
                layout.duration(worker["uptime_s"] or 0),
                ", ".join(worker["queues"]) or "none",
            )
            for worker in workers
        ],
    )


def _queue_table(queues: list[dict[str, Any]]) -> str:
    return layout.table(
        ("name", "messages", "workers"),
        [
            (q["name"], "-" if q["messages"] is None else q["messages"], q["workers"])
            for q in queues
        ],
    )


def _elsewhere_line(counts: dict[str, int] | None) -> list[str]:
    if counts is None:
        return []
    said = ", ".join(f"{number} {name}" for name, number in counts.items())
    hint = "; see `flask celery dead list`" if counts["dead"] else ""
    return [f"  and not in a queue: {said}{hint}"]


def _beat_table(entries: list[dict[str, Any]]) -> str:
    if not entries:
        return "  no entries in CELERY_BEAT_SCHEDULE"
    return layout.table(
        ("next, at the latest", "entry", "task", "schedule"),
        [
            ((e["next_at"] or "-").replace("T", " "), e["name"], e["task"], e["schedule"])
            for e in entries
        ],
    )
