"""`flask celery up`: everything that development needs, in one terminal."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click
from flask.cli import ScriptInfo

from flask_celeriac.declare.state import AppState, private_folder
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import CeleriacError

from .application import state_of
from .supervise import keeper, preflight
from .supervise.changes import Changes
from .supervise.child import Child, child_environ
from .supervise.giveback import give_back
from .supervise.program import Program, Wish, address, flask_command, programs
from .supervise.roots import code_roots
from .supervise.supervisor import Supervisor
from .supervise.terminal import Terminal
from .supervise.workers import Workers


@click.command("up", context_settings={"show_default": True})
@click.option("--host", "-h", default="127.0.0.1", help="Where the web server listens.")
@click.option("--port", "-p", default=5000, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--workers", "-w", default=1, type=click.IntRange(1, 64), help="How many workers.")
@click.option("--concurrency", "-c", help="Tasks at a time in each worker (Celery's option).")
@click.option("--pool", "-P", help="Kind of pool: prefork, threads, gevent, solo ...")
@click.option("--web/--no-web", default=True, help="Run the web server.")
@click.option("--beat/--no-beat", default=True, help="Run beat, which sends periodic tasks.")
@click.option("--reload/--no-reload", default=True, help="Restart when code changes.")
@click.pass_context
def command(
    ctx: click.Context,
    host: str,
    port: int,
    workers: int,
    concurrency: str | None,
    pool: str | None,
    web: bool,
    beat: bool,
    reload: bool,
) -> None:
    """Run web, worker and beat in one terminal, for development.

    Where no broker is configured, a private Redis or Valkey server is started as well. Ctrl-C
    stops everything.
    """
    # Before the app is loaded: it decides whether this is production.
    os.environ["CELERIAC_UP"] = "1"
    state = state_of(ctx)
    wish = Wish(host, port, workers, web, beat, reload, concurrency, pool)
    ctx.exit(_run(ctx.ensure_object(ScriptInfo), state, wish))


def _run(info: ScriptInfo, state: AppState, wish: Wish) -> int:
    instance = Path(state.app.instance_path)
    folder = private_folder(state.app)
    has_own_broker = state.settings.broker_url is not None and not state.settings.is_embedded
    with preflight.claim_folder(folder) as lock:
        needs_sigquit = has_own_broker and not state.settings.is_carried_by_us
        wish = replace(_with_port(wish), needs_sigquit=needs_sigquit)
        preflight.name_owner(lock, address(wish.host, wish.port) if wish.has_web else "")
        if has_own_broker:
            preflight.check_broker(state)
        flask = flask_command(info.app_import_path, has_factory=info.create_app is not None)
        to_run = programs(flask, wish, folder, instance)
        terminal = Terminal([keeper.NAME, *(program.name for program in to_run)])
        terminal.say(
            f"Flask-Celeriac {version('flask-celeriac')}, app {state.app.name!r}", is_bold=True
        )
        server = None if has_own_broker else _start_server(folder)
        try:
            return _supervise(state, wish, to_run, terminal, server)
        finally:
            if server is not None:
                server.stop()


def _with_port(wish: Wish) -> Wish:
    if not wish.has_web:
        return wish
    return replace(wish, port=preflight.claim_port(wish.host, wish.port))


def _start_server(folder: Path) -> EmbeddedServer:
    server = EmbeddedServer(folder)
    try:
        server.start()
    except CeleriacError as error:
        raise click.ClickException(str(error)) from None
    return server


def _supervise(
    state: AppState,
    wish: Wish,
    to_run: list[Program],
    terminal: Terminal,
    server: EmbeddedServer | None,
) -> int:
    if server is None:
        terminal.say(f"broker {preflight.broker_name(state)}")
    else:
        terminal.write(keeper.NAME, f"{server.version} at {server.place}")
    changes = None
    if wish.has_reload:
        roots = code_roots(state.app, state.settings.task_packages)
        changes = Changes(roots, Path(state.app.instance_path))
        changes.start()
    environ = child_environ()
    children = [Child(program, terminal, environ) for program in to_run]
    staff = None
    if server is not None:
        workers = [child for child in children if child.program.name.startswith("worker")]
        staff = Workers(workers, terminal, lambda: give_back(state))
    ready = f"Ready: {address(wish.host, wish.port)}" if wish.has_web else "Ready"
    return Supervisor(
        children,
        terminal,
        keeper=keeper.ServerKeeper(server, terminal) if server else None,
        workers=staff,
        changes=changes,
        ready_text=f"{ready}  (Ctrl-C stops everything)",
    ).run()
