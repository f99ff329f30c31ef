"""P17: whatever happens, in a mixture of faults: nothing lost, stuck or repeated undeclared."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from fleet import Worker
from kombu.exceptions import OperationalError
from ledger import Kill
from scale import PATIENCE_S, scaled
from scene import Scene

_POOLS = ("prefork", "prefork", "threads", "gevent")
_LENGTHS_S = (0.001, 0.02, 0.1, 0.5, 3.0)
#: A publish in the middle of these may raise: what was not accepted is not counted.
_PUBLISH_S = 0.03


class Faults:
    """One fault after the other, on a fleet that is kept at its size."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self.scene, self.chance = scene, chance
        self.done: Counter[str] = Counter()
        self._next: list[Callable[[], None]] = []
        self.workers = {place: scene.fleet.start(pool=pool) for place, pool in enumerate(_POOLS)}
        self.kinds: tuple[Callable[[], None], ...] = (
            self.kill,
            self.kill_child,
            self.end,
            self.freeze_shortly,
            self.cut_connections,
            self.stop_server,
        )

    def one(self) -> None:
        if not self._next:
            self._next = self.chance.sample(self.kinds, len(self.kinds))
        fault = self._next.pop()
        self.done[fault.__name__] += 1
        fault()
        for place, worker in self.workers.items():
            if not worker.is_running():
                self._replace(place)

    def _replace(self, place: int) -> None:
        environment = {"REMAP_SIGTERM": "SIGQUIT"}
        self.workers[place] = self.scene.fleet.start(pool=_POOLS[place], **environment)

    def _any(self) -> Worker:
        return self.chance.choice([w for w in self.workers.values() if w.is_running()])

    def kill(self) -> None:
        self.scene.fleet.kill(self._any())

    def kill_child(self) -> None:
        worker = self._any()
        if children := worker.children():
            self.scene.fleet.kill_child(worker, self.chance.choice(children))

    def end(self) -> None:
        """SIGQUIT; what does not end within the grace runs again."""
        worker = self._any()
        pids = frozenset((worker.pid, *worker.children()))
        worker.signal(signal.SIGQUIT)
        worker.exit_code()
        self.scene.fleet.kills.append(Kill(time.monotonic(), pids))

    def freeze_shortly(self) -> None:
        worker = self._any()
        os.killpg(worker.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.killpg(worker.pid, signal.SIGCONT)

    def cut_connections(self) -> None:
        for kind in ("normal", "pubsub"):
            self.scene.client.client_kill_filter(_type=kind, skipme=True)

    def stop_server(self) -> None:
        self.scene.kill_server()
        self.scene.restart_server()


class Sender(threading.Thread):
    """Sends tasks of all lengths until it is told to stop; a publish may be refused."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        super().__init__()
        self.scene, self.chance = scene, chance
        self.accepted: list[str] = []
        self.refused = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(_PUBLISH_S):
            # Most are short, and some are delayed.
            seconds = self.chance.choices(_LENGTHS_S, (40, 40, 20, 8, 1))[0]
            options = {"countdown": 2} if self.chance.random() < 0.1 else {}
            try:
                self.accepted.append(self.scene.send("work", seconds, **options))
            except OperationalError:
                self.refused += 1


def test_nothing_is_lost_stuck_or_repeated_undeclared_in_a_mixture_of_faults(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene(CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT=1.0)
    seed = int(os.environ.get("CELERIAC_CHAOS_SEED", "0")) or random.randrange(1, 10**6)
    print(f"CELERIAC_CHAOS_SEED={seed}")
    chance = random.Random(seed)
    faults, sender = Faults(scene, chance), Sender(scene, random.Random(seed))
    for worker in scene.fleet.workers:
        worker.wait_for(" ready.", 60)
    sender.start()
    try:
        for _ in range(scaled(18, 450)):
            time.sleep(1.0)
            faults.one()
    finally:
        sender.is_over.set()
        sender.join()
    counts = scene.sum_up(
        f"mixture of {faults.done.total()} faults", sender.accepted, seconds=2 * PATIENCE_S
    )
    assert not counts.faults, (seed, scene.logs())
    assert counts.dead == 0
    assert len(sender.accepted) > 10 * sender.refused
