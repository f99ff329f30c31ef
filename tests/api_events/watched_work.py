"""An application with a worker: tasks that tell how far they are. `WORK_URL` is its Redis."""

from __future__ import annotations

import os

from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.api.blueprint import Api

celeriac = Celeriac()


@celeriac.expose()
@celeriac.task(name="work.count")
def count(steps: int) -> int:
    for _ in celeriac.track(range(steps), message="counting"):
        pass
    return steps


@celeriac.expose()
@celeriac.task(name="work.stumble")
def stumble() -> None:
    celeriac.progress(1, 10)
    celeriac.progress(2, 10)
    raise ValueError("no way on")


@celeriac.expose()
@celeriac.task(name="work.again", bind=True, max_retries=1)
def again(self) -> str:
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return "at last"


def create_app() -> Flask:
    app = Flask("work")
    url = os.environ["WORK_URL"]
    app.config.update(
        TESTING=True,
        CELERY_BROKER_URL=url,
        CELERY_RESULT_BACKEND=url,
        CELERIAC_PROGRESS_INTERVAL=float(os.environ.get("WORK_INTERVAL", "0.000001")),
    )
    celeriac.access(lambda request, ask: True)
    celeriac.init_app(app)
    app.register_blueprint(Api(), url_prefix="/tasks")
    return app
