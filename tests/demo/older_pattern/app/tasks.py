from flask import current_app

from service import my_celery as celery


@celery.task()
def log(message: str) -> str:
    return message


@celery.task()
def greet() -> str:
    return current_app.config["GREETING"]


@celery.task(bind=True, max_retries=2, default_retry_delay=0)
def third_time(self) -> int:
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries
