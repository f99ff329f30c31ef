"""A small Flask app for the commands. Configured by SHOP_URL (broker) and SHOP_CONFIG (JSON)."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from flask import Flask, current_app

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.task
def multiply(x: int, y: int) -> int:
    return x * y


@celeriac.task
def greet(name: str = "you") -> dict[str, str]:
    return {"hello": name, "from": current_app.name}


@celeriac.task
def nap(seconds: float) -> None:
    time.sleep(seconds)


@celeriac.task
def fail() -> None:
    raise ValueError("as asked")


def create_app(**config: Any) -> Flask:
    app = Flask("shop", instance_path=os.environ["SHOP_INSTANCE"])
    url = os.environ["SHOP_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    app.config.update(json.loads(os.environ.get("SHOP_CONFIG", "{}")))
    app.config.update(config)
    celeriac.init_app(app)
    return app
