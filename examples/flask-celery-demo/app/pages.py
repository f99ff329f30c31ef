"""The page at /. Which runs it shows is in its address, so it needs no session and no cookie."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from celery.states import SUCCESS
from flask import Blueprint, abort, redirect, render_template, request, url_for

from app import runs

pages = Blueprint("pages", __name__)

RUN = re.compile(rf"({'|'.join(runs.TASKS)})\.([0-9a-f-]{{36}})")
SHOWN_RUNS = 8
as_json = partial(json.dumps, ensure_ascii=False)


@pages.get("/")
def index() -> Any:
    return show()


@pages.post("/start/<name>")
def start(name: str) -> Any:
    """Without JavaScript the forms arrive here; the script posts to /api/v1/tasks instead."""
    try:
        result = runs.start(name, runs.from_form(name, request.form))
    except KeyError:
        abort(404)
    except runs.WrongArgument as error:
        return show(problem=f"{name}: {error}"), 400
    except runs.UNREACHABLE as error:
        return show(problem=f"{name} was not sent. {error}"), 503
    shown = [f"{name}.{result.id}", *request.args.getlist("run")][:SHOWN_RUNS]
    return redirect(url_for("pages.index", run=shown), 303)


def show(problem: str | None = None) -> str:
    """Render the page with the runs that its address names, and *problem* above them."""
    wanted = filter(None, map(RUN.fullmatch, request.args.getlist("run")[:SHOWN_RUNS]))
    shown, minute_job = [], None
    try:
        minute_job = runs.last_minute_job()
        shown = [in_words(run[1], runs.look_up(run[2])) for run in wanted]
    except runs.UNREACHABLE as error:
        problem = problem or f"The broker does not answer. {error}"
    return render_template("index.html", runs=shown, minute_job=minute_job, problem=problem)


def in_words(name: str, run: dict[str, Any]) -> dict[str, Any]:
    """Add to *run* its `call` and its `outcome`, as a person reads them."""
    arguments = run["arguments"]
    call = name if arguments is None else f"{name}({', '.join(map(as_json, arguments))})"
    result = as_json(run["result"]) if run["state"] == SUCCESS else ""
    return {**run, "call": call, "outcome": run["error"] or result}


@pages.after_request
def allow_own_files_only(response: Any) -> Any:
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
