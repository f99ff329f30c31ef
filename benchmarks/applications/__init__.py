"""The application of the benchmark, twice: on plain Celery and on Flask-Celeriac."""
