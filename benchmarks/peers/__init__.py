"""Flask-Celeriac beside other task queues: `python -m benchmarks.peers`; see ../README.md."""
