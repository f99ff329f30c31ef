"""What a container or a monitor asks: is this worker, beat or broker well?

Worker and beat keep a small state file; `python -m flask_celeriac.health` reads it. Nothing
here imports Flask, Celery or the application, so a probe costs a tenth of a second.

    state_file.py   where the files are, and how one is written and read safely
    heartbeat.py    the thread that rewrites a process's file every two seconds
    judgement.py    what a judgement is, and its limits
    verdict.py      what a state file says about its process
    supervised.py   workers that should be there and are not
    broker.py       one round trip to the broker over a plain socket
    __main__.py     the command
"""
