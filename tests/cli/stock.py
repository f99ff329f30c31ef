"""A plain Celery app without Flask-Celeriac: a worker as it was before, or is afterwards."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("stock", broker=os.environ["SHOP_URL"], backend=os.environ["SHOP_URL"])
app.conf.task_acks_late = True


@app.task(name="shop.greet")
def greet(name: str) -> None:
    with app.connection_for_write() as connection:
        connection.default_channel.client.rpush("ran", name)


@app.task(name="later.greet")
def later_greet(name: str) -> None:
    greet(name)
