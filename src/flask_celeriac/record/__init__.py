"""Where results are kept and awaited: a Celery result backend for Redis.

Knows no Flask. A plain Celery app chooses it by the scheme of its `result_backend`:
``celeriac-redis://``, ``celeriac-rediss://``, ``celeriac-socket://``, ``celeriac-sentinel://``.
"""
