"""The page at /. Which runs it shows is in the visitor's signed cookie: nobody else sees them."""

from __future__ import annotations

import json
import secrets
from functools import partial
from typing import Any

from celery.states import SUCCESS
from flask import Blueprint, abort, redirect, render_template, request, session, url_for

from app import runs

pages = Blueprint("pages", __name__)

SHOWN_RUNS = 8
as_json = partial(json.dumps, ensure_ascii=False)


@pages.before_request
def know_the_visitor() -> None:
    session.setdefault("visitor", secrets.token_urlsafe(16))


@pages.get("/")
def index() -> Any:
    return show()


@pages.post("/start/<name>")
def start(name: str) -> Any:
    """Without JavaScript the forms arrive here; the script posts to /api/v1/tasks instead."""
    try:
        result = runs.start(name, request.form)
    except KeyError:
        abort(404)
    except runs.WrongArgument as error:
        return show(problem=f"{name}: {error}"), 400
    except runs.UNREACHABLE as error:
        return show(problem=f"{name} was not sent. {error}"), 503
    remember(name, result.id)
    return redirect(url_for("pages.index"), 303)


@pages.get("/run/<uuid:task_id>")
def run(task_id: Any) -> dict[str, Any]:
    """What a row shows beside the task's status: which worker ran it, why it is tried again."""
    names = {id_: name for name, id_ in session.get("runs", [])}
    found = in_words(names.get(str(task_id)) or abort(404), runs.look_up(str(task_id)))
    return {key: found[key] for key in ("outcome", "worker")}


@pages.after_app_request
def remember_what_the_script_sent(response: Any) -> Any:
    is_sent = request.endpoint == "celeriac_api.submit" and response.status_code == 202
    if is_sent and "visitor" in session:
        name = response.json["task"].rpartition(".")[2]
        remember(name, response.json["id"])
    return response


def remember(name: str, task_id: str) -> None:
    session["runs"] = [[name, task_id], *session.get("runs", [])][:SHOWN_RUNS]


def show(problem: str | None = None) -> str:
    """Render the page with the visitor's runs, and *problem* above them."""
    shown, minute_job = [], None
    try:
        minute_job = runs.last_minute_job()
        shown = [in_words(name, runs.look_up(id_)) for name, id_ in session.get("runs", [])]
    except runs.UNREACHABLE as error:
        problem = problem or f"The broker does not answer. {error}"
    return render_template("index.html", runs=shown, minute_job=minute_job, problem=problem)


def in_words(name: str, run: dict[str, Any]) -> dict[str, Any]:
    """Add to *run* its `name`, its `call` and its `outcome`, as a person reads them."""
    call = f"{name}({', '.join(map(as_json, run['arguments']))})" if run["arguments"] else name
    result = as_json(run["result"]) if run["state"] == SUCCESS else ""
    return {**run, "name": name, "call": call, "outcome": run["error"] or result}


@pages.after_request
def allow_own_files_only(response: Any) -> Any:
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
