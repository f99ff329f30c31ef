from celery.exceptions import TimeoutError

from app.api import api
from app.tasks import greet, log, third_time


@api.get("/hello-world")
def hello_world() -> dict[str, str]:
    try:
        info = log.delay("hello world").get(timeout=3)
    except TimeoutError:
        info = "celery run failed"
    return {"info": info}


@api.get("/greeting")
def greeting() -> dict[str, str]:
    return {"info": greet.delay().get(timeout=10)}


@api.get("/third-time")
def retried() -> dict[str, int]:
    return {"retries": third_time.apply_async().get(timeout=10)}
