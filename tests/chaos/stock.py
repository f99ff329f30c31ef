"""The same tasks in a plain Celery app on Celery's transport; as a program, a producer of them."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from celery import Celery
from ledger import written

app = Celery("stock", broker=os.environ["CHAOS_URL"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@app.task(name="chaos.work", bind=True)
def work(self: Any, seconds: float = 0.0) -> int:
    with written(self.request.id):
        time.sleep(seconds)
    return os.getpid()


def produce(count: int, countdown_s: float) -> None:
    """Send *count* tasks and print their ids."""
    for _ in range(count):
        options = {"countdown": countdown_s} if countdown_s else {}
        print(work.apply_async((0.02,), **options).id, flush=True)


if __name__ == "__main__":
    produce(int(sys.argv[1]), float(sys.argv[2]))
