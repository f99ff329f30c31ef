"""What `import flask_celeriac` adds to a program that has Flask and Celery already."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

_BARE = "import flask, celery; flask.Flask; celery.Celery; celery.Task; celery.shared_task"

# A plain program up to the point where it could send its first task: nothing is connected.
_PLAIN_PROGRAM = """\
from celery import Celery, Task, shared_task
from flask import Flask

class FlaskTask(Task):
    def __call__(self, *args, **kwargs):
        with app.app_context():
            return self.run(*args, **kwargs)

@shared_task(name="echo")
def echo(number):
    return number

app = Flask("program")
celery = Celery(app.name, task_cls=FlaskTask)
celery.config_from_object({"broker_url": "redis://127.0.0.1:1/0"})
celery.set_default()
celery.tasks["echo"]
"""

_CELERIAC_PROGRAM = """\
from flask import Flask
from flask_celeriac import Celeriac

celeriac = Celeriac()

@celeriac.task(name="echo")
def echo(number):
    return number

app = Flask("program")
app.config["CELERY"] = {"broker_url": "redis://127.0.0.1:1/0"}
celeriac.init_app(app)
celeriac.celery.tasks["echo"]
"""

_CELERIAC = "import flask_celeriac; flask_celeriac.Celeriac"

#: Name of each comparison with the program it begins with, and what is then added to it.
_ADDED = {
    "import": (_BARE, _CELERIAC),
    "import, in a program": (_PLAIN_PROGRAM, _CELERIAC),
}
_WHOLE = "whole program"
COMPARISONS = (*_ADDED, _WHOLE)

_TIMER = """\
import json, sys, time
names, taken = {"__name__": "program"}, []
for part in [compile(source, "program", "exec") for source in sys.argv[1:]]:
    began, used = time.perf_counter(), time.process_time()
    exec(part, names)
    taken.append([time.perf_counter() - began, time.process_time() - used])
print(json.dumps(taken))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """How long one program took, in seconds, without the start of the interpreter."""

    elapsed_s: float
    processor_s: float

    def __add__(self, other: Start) -> Start:
        return Start(self.elapsed_s + other.elapsed_s, self.processor_s + other.processor_s)


def measure(pairs: int) -> dict[str, list[tuple[Start, Start]]]:
    """Run each comparison *pairs* times (1 or more).

    What an import adds is timed in the process that has done all the rest before: nothing is
    noisier than the start of a process. Whole programs are started in changing order.

    Returns:
        Pairs by the name of the comparison: without, with.

    Raises:
        subprocess.CalledProcessError: A program failed.
    """
    measured: dict[str, list[tuple[Start, Start]]] = {name: [] for name in COMPARISONS}
    for number in range(-1, pairs):
        measured_now = {name: _added(*parts) for name, parts in _ADDED.items()}
        measured_now[_WHOLE] = _whole(is_swapped=number % 2 == 1)
        if number >= 0:  # the first of all only compiles and fills the system's cache
            for name, pair in measured_now.items():
                measured[name].append(pair)
    return measured


def _added(program: str, addition: str) -> tuple[Start, Start]:
    without, added = _time(program, addition)
    return without, without + added


def _whole(*, is_swapped: bool) -> tuple[Start, Start]:
    if is_swapped:
        (with_it,), (without,) = _time(_CELERIAC_PROGRAM), _time(_PLAIN_PROGRAM)
    else:
        (without,), (with_it,) = _time(_PLAIN_PROGRAM), _time(_CELERIAC_PROGRAM)
    return without, with_it


def _time(*parts: str) -> list[Start]:
    """Run *parts* one after the other in a process of their own."""
    command = [sys.executable, "-W", "ignore", "-c", _TIMER, *parts]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [Start(*taken) for taken in json.loads(printed)]
