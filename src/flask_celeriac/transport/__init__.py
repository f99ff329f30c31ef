"""The way to the broker. Knows no Flask: a plain Celery app can use it."""
