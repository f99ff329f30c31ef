"""A list of brokers, `redis://a;redis://b`: a worker moves to the next when one is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import redis
from application import create_app
from fleet import wait_until
from scene import Scene, kill_server, restart_server

from flask_celeriac.embedded import EmbeddedServer

MakeScene = Callable[..., Scene]


def claims(client: redis.Redis) -> int:
    return sum(client.hlen(key) for key in client.scan_iter(match="celeriac:1:claims:*"))


def test_a_worker_moves_to_the_next_broker_and_what_waits_in_the_first_waits_there(
    other_server: EmbeddedServer, make_scene: MakeScene
) -> None:
    scene = make_scene()
    both = {**scene.config, "CELERY_BROKER_URL": f"{other_server.url};{scene.server.url}"}
    first, second = (urlsplit(server.url).port for server in (other_server, scene.server))
    worker = scene.fleet.ready(CHAOS_CONFIG=json.dumps(both))
    assert f"127.0.0.1:{first}" in worker.log
    sender = create_app(other_server.url, **scene.config)
    running = [scene.send("work", 2.0, app=sender) for _ in range(2)]
    scene.wait_started(*running)
    waiting = [scene.send("work", app=sender) for _ in range(5)]

    kill_server(other_server)
    worker.wait_for(f"Cannot connect to redis://:**@127.0.0.1:{first}")
    worker.wait_for("Will retry using next failover.")
    worker.wait_for(f"Connected to redis://:**@127.0.0.1:{second}")
    ids = [*running, *(scene.send("work", 0.05) for _ in range(10))]
    counts = scene.sum_up("broker list, first is gone", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0

    restart_server(other_server)
    with redis.Redis.from_url(other_server.url) as client:
        # The worker still owes the first one the ends of what it took there.
        wait_until(lambda: claims(client) == 0, 20, scene.logs)
        assert client.llen("celery") == len(waiting)
    scene.fleet.ready(CHAOS_URL=other_server.url)
    counts = scene.sum_up("broker list, first is back", [*ids, *waiting])
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert worker.is_running()
    sender.extensions["celery"].close()
