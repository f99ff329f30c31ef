"""The demo's JSON interface, from outside."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from demo_processes import RUN_SH, Processes, broker, free_port, until

HELLO = "/api/v1/hello-world"
TASKS = "/api/v1/tasks"


def start(address: str, name: str, **arguments: Any) -> str:
    answer = requests.post(f"{address}{TASKS}/{name}", json=arguments, timeout=20)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{TASKS}/{answer.json()['id']}"
    return str(answer.json()["id"])


def look(address: str, task_id: str) -> dict[str, Any]:
    run: dict[str, Any] = requests.get(f"{address}{TASKS}/{task_id}", timeout=20).json()
    return run


def finished(address: str, task_id: str, within_s: float = 40) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        run = look(address, task_id)
        return run if run["is_finished"] else None

    return until(ready, f"{task_id} finished", within_s)


def test_hello_world_answers_what_the_worker_returned(running_demo: str) -> None:
    answer = requests.get(running_demo + HELLO, timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"info": "hello world"})


def test_log_and_multiply_give_their_results(running_demo: str) -> None:
    log = start(running_demo, "log", message="good morning")
    multiply = start(running_demo, "multiply", x=6, y=7)
    run = finished(running_demo, log)
    assert (run["state"], run["result"], run["retries"]) == ("SUCCESS", "good morning", 0)
    assert run["worker"] == "one@demo"
    assert finished(running_demo, multiply)["result"] == 42


@pytest.mark.slow
def test_calc_gives_n_plus_1_or_says_why_not(running_demo: str) -> None:
    """Its time is random: each of its three ends is right, and enough runs show more than one."""
    ids = [start(running_demo, "calc", n=n) for n in range(12)]
    runs = [finished(running_demo, task_id, within_s=90) for task_id in ids]
    for n, run in enumerate(runs):
        assert run["retries"] <= 2
        if run["state"] == "SUCCESS":
            assert run["result"] == n + 1
        else:
            slow = "a run of" in run["error"] and run["retries"] == 2
            assert slow or "TimeLimitExceeded" in run["error"]
    assert any(run["state"] == "SUCCESS" for run in runs)


def test_the_state_of_a_task_nobody_sent_is_pending(running_demo: str) -> None:
    run = look(running_demo, str(uuid.uuid4()))
    assert (run["state"], run["is_finished"], run["result"]) == ("PENDING", False, None)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("multiply", b"{", "could not understand"),
        ("multiply", b"[6, 7]", "must be a JSON object"),
        ("multiply", b"", "could not understand"),
        ("multiply", b'{"x": 6}', "y: must be a number"),
        ("multiply", b'{"x": 6, "y": "7"}', "y: must be a number"),
        ("multiply", b'{"x": 6, "y": true}', "y: must be a number"),
        ("multiply", b'{"x": 6, "y": NaN}', "y: must be a number"),
        ("multiply", b'{"x": 6, "y": 1' + b"0" * 400 + b"}", "y: must be a number"),
        ("multiply", b'{"x": 6, "y": 7, "z": 8}', "z: multiply has no such argument"),
        ("calc", b'{"n": null}', "n: must be a number"),
        ("log", b'{"message": ""}', "message: must be a text"),
        ("log", b'{"message": 1}', "message: must be a text"),
        ("log", b'{"message": "' + b"a" * 201 + b'"}', "message: must be a text"),
    ],
)
def test_wrong_arguments_are_a_400_that_says_why(
    running_demo: str, name: str, body: bytes, reason: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{running_demo}{TASKS}/{name}", data=body, headers=headers, timeout=20)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_an_unknown_task_is_a_404_that_names_those_there_are(running_demo: str) -> None:
    answer = requests.post(f"{running_demo}{TASKS}/format-disk", json={}, timeout=20)
    assert answer.status_code == 404
    assert "log, multiply, calc" in answer.json()["error"]


def test_a_body_that_is_not_json_is_refused_with_a_reason_in_json(running_demo: str) -> None:
    answer = requests.post(f"{running_demo}{TASKS}/log", data={"message": "hi"}, timeout=20)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]


def test_without_a_worker_hello_world_gives_up_after_3_seconds_and_delays_nobody(
    processes: Processes, redis_url: str
) -> None:
    address = processes.web(RUN_SH, "flask", **broker(redis_url))

    def ask(path: str) -> tuple[float, requests.Response]:
        began = time.monotonic()
        answer = requests.get(address + path, timeout=20)
        return time.monotonic() - began, answer

    with ThreadPoolExecutor(3) as pool:
        first, second, page = pool.map(ask, [HELLO, HELLO, "/"])
    for took_s, answer in (first, second, ask(HELLO)):
        assert (answer.status_code, answer.json()) == (200, {"info": "celery run failed"})
        assert 2.9 < took_s < 5
    assert page[0] < 2.5


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_broker_that_is_down_is_a_503_within_seconds(
    processes: Processes, environment: str
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    address = processes.web(
        RUN_SH, "flask", path="/static/demo.css", FLASK_ENV=environment, **broker(url)
    )
    asked = [
        ("GET", HELLO, None),
        ("POST", f"{TASKS}/log", {"message": "hi"}),
        ("GET", f"{TASKS}/{uuid.uuid4()}", None),
        ("GET", "/api/v1/minute-job", None),
    ]
    for method, path, body in asked:
        began = time.monotonic()
        answer = requests.request(method, address + path, json=body, timeout=30)
        assert answer.status_code == 503, (path, answer.text)
        assert answer.json()["error"] == "the broker does not answer"
        assert time.monotonic() - began < 8, path


def test_a_broker_that_went_away_later_is_a_503_and_its_return_is_noticed(
    processes: Processes, own_server: Any
) -> None:
    own_server.start()
    environ = {"FLASK_ENV": "production", **broker(own_server.url)}
    processes.worker(RUN_SH, "celery-worker", "--concurrency", "1", **environ)
    address = processes.web(RUN_SH, "flask", **environ)
    assert requests.get(address + HELLO, timeout=20).json() == {"info": "hello world"}
    own_server.stop()
    began = time.monotonic()
    assert requests.get(address + HELLO, timeout=30).status_code == 503
    assert time.monotonic() - began < 8
    own_server.start()

    def look() -> bool:
        return requests.get(address + HELLO, timeout=30).text.startswith('{"info":"hello world"}')

    until(look, "hello world again")
