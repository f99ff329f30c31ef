"""TLS on the wire, as users write it: real workers on a server that has no other port."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from kombu.exceptions import OperationalError
from scene import Scene
from servers import PASSWORD, Encrypted, encrypted, running

MakeScene = Callable[..., Scene]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Encrypted]:
    place = encrypted(tmp_path)
    with running(place.server):
        yield place


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """An authority that the server's certificate is not of."""
    path = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def by_query(place: Encrypted, authority: Path) -> dict[str, Any]:
    return {"url": place.url_trusting(authority)}


def by_dicts(place: Encrypted, authority: Path) -> dict[str, Any]:
    options = place.options(authority)
    return {
        "url": place.url.replace("rediss:", "redis:"),
        "CELERY_BROKER_USE_SSL": options,
        "CELERY_REDIS_BACKEND_USE_SSL": options,
    }


def by_scheme_and_dicts(place: Encrypted, authority: Path) -> dict[str, Any]:
    return {**by_dicts(place, authority), "url": place.url}


def scene_on(make_scene: MakeScene, place: Encrypted, config: dict[str, Any]) -> Scene:
    client = redis.Redis.from_url(place.url_trusting(place.authority))
    return make_scene(client=client, **config)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_health_probe_takes_a_server_that_wants_a_certificate_for_alive(
    place: Encrypted, version: str
) -> None:
    with redis.Redis.from_url(place.url_trusting(place.authority)) as client:
        client.config_set("tls-protocols", version)
    probe = [sys.executable, "-m", "flask_celeriac.health", "broker", "--url", place.url]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    assert (done.returncode, "wants a certificate" in done.stdout) == (0, True), done


@pytest.mark.parametrize(
    ("way", "pool"),
    [(by_query, "prefork"), (by_dicts, "threads"), (by_scheme_and_dicts, "prefork")],
)
def test_a_worker_on_tls_runs_tasks_and_outlives_broken_connections(
    place: Encrypted, make_scene: MakeScene, way: Any, pool: str
) -> None:
    scene = scene_on(make_scene, place, way(place, place.authority))
    worker = scene.fleet.ready(pool=pool)
    ids = [scene.send("work", 0.05) for _ in range(20)]
    assert scene.result(ids[0]).get(timeout=20) > 0
    long = scene.send("work", 2.0)
    scene.wait_started(long)
    for kind in ("normal", "pubsub"):
        scene.client.client_kill_filter(_type=kind, skipme=True)
    ids += [long, scene.send("work")]
    assert [scene.result(id_).get(timeout=20) > 0 for id_ in ids] == [True] * len(ids)
    counts = scene.sum_up(f"TLS {way.__name__}, CLIENT KILL, {pool}", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert worker.is_running()
    assert PASSWORD not in worker.log
    assert [each["pid"] for each in scene.ask("status")["workers"]] == [worker.pid]
    assert scene.errors() == {}


@pytest.mark.parametrize("way", [by_query, by_dicts])
def test_a_certificate_of_another_authority_is_a_clear_error_without_a_password(
    place: Encrypted, make_scene: MakeScene, stranger: Path, way: Any
) -> None:
    scene = scene_on(make_scene, place, way(place, stranger))
    began_s = time.monotonic()
    with pytest.raises(OperationalError, match="certificate verify failed") as caught:
        scene.send("work")
    assert time.monotonic() - began_s < 5
    assert PASSWORD not in str(caught.value)
    assert "certificate verify failed" in scene.errors()["broker"]
    worker = scene.fleet.start(pool="solo")
    worker.wait_for("certificate verify failed")
    assert worker.is_running()
    assert PASSWORD not in worker.log
