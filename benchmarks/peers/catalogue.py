"""Which systems are compared, and how the workers of each are started."""

from __future__ import annotations

from dataclasses import dataclass

#: What all are compared with.
BASELINE = "celery"
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class System:
    """One row of the tables.

    Attributes:
        environment: Of `requirements.toml`; also its module in `systems`.
        command: Arguments of its Python; started `times` times, `{number}` tells them apart.
        slots: Tasks that its workers run at a time, together.
        flavour: What the module reads as `PEERS_FLAVOUR`.
        scale: How many tasks it is given, over what others are given: a drain is to take seconds.
        has_web: It has a client for synchronous code.
    """

    environment: str
    command: str
    slots: int
    times: int = 1
    flavour: str = ""
    scale: float = 1.0
    has_web: bool = False

    @property
    def module(self) -> str:
        """The module with its tasks."""
        return f"benchmarks.peers.systems.{self.environment}"


_MODULES = "benchmarks.peers.systems"
_CELERY = f"-m celery -A {_MODULES}.celery worker --loglevel WARNING"
_TUNED = f"{_CELERY} -n w{{number}}@%h --without-gossip --without-mingle --without-heartbeat"
_CELERIAC = f"-m flask --app {_MODULES}.celeriac:flask_app celery worker --loglevel WARNING"
_HUEY = f"-m huey.bin.huey_consumer {_MODULES}.huey.huey --quiet --no-periodic"
_TASKIQ = (
    f"-m taskiq worker {_MODULES}.taskiq:broker --workers 2 --max-async-tasks 100 --no-parse "
    "--log-level WARNING"
)
_ARQ = f"-m arq {_MODULES}.arq.WorkerSettings --custom-log-dict {_MODULES}.arq.LOG"


def _celery(pool: str, slots: int, flavour: str = "tuned", *, has_web: bool = False) -> System:
    return System(
        "celery", f"{_TUNED} {pool}", slots, times=2, flavour=flavour, scale=0.5, has_web=has_web
    )


def _celeriac(pool: str, slots: int, scale: float, *, has_web: bool = False) -> System:
    return System("celeriac", f"{_CELERIAC} {pool}", slots, scale=scale, has_web=has_web)


#: In the order of the tables.
SYSTEMS: dict[str, System] = {
    BASELINE: System("celery", f"{_CELERY} --concurrency 2", 2, scale=0.4, has_web=True),
    "celery tuned solo x2": _celery("-P solo", 2, has_web=True),
    "celery tuned threads 8 x2": _celery("-P threads -c 8", 16),
    "celery tuned gevent 20 x2": _celery("-P gevent -c 20", 40, "greenlets"),
    "celeriac prefork 2": _celeriac("--pool prefork --concurrency 2", 2, 0.8),
    "celeriac solo x2": _celeriac("--processes 2 --pool solo", 2, 2, has_web=True),
    "celeriac threads 8 x2": _celeriac(
        "--processes 2 --pool threads --concurrency 8", 16, 2, has_web=True
    ),
    "celeriac gevent 20 x2": _celeriac("--processes 2 --pool gevent --concurrency 20", 40, 2),
    "huey": System("huey", f"{_HUEY} -k process -w 2", 2),
    "huey notify": System("huey", f"{_HUEY} -k process -w 2", 2, flavour="notify", has_web=True),
    "huey threads 8 x2": System("huey", f"{_HUEY} -k thread -w 8", 16, times=2),
    "dramatiq 2 x 8": System(
        "dramatiq", f"-m dramatiq {_MODULES}.dramatiq --processes 2 --threads 8", 16, has_web=True
    ),
    "taskiq list": System("taskiq", _TASKIQ, 200),
    "taskiq stream": System("taskiq", _TASKIQ, 200, flavour="stream"),
    "saq": System("saq", f"-m saq {_MODULES}.saq.settings --workers 2", 200, scale=0.8),
    "arq": System("arq", _ARQ, 200, times=2, scale=0.5),
    "rq simple x2": System(
        "rq",
        "-m rq.cli worker --quiet --worker-class rq.SimpleWorker --url {url}",
        2,
        times=2,
        scale=0.2,
        has_web=True,
    ),
    "streaq": System("streaq", f"-m streaq run {_MODULES}.streaq:worker --workers 2", 200),
}
