"""The demo's JSON interface, from outside."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from celery.states import READY_STATES

from demo_processes import RUN_SH, Processes, broker, free_port, until

HELLO = "/api/v1/hello-world"
TASKS = "/api/v1/tasks"


def start(address: str, name: str, **arguments: Any) -> str:
    answer = requests.post(f"{address}{TASKS}/app.tasks.{name}", json=arguments, timeout=20)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{TASKS}/{answer.json()['id']}"
    return str(answer.json()["id"])


def look(address: str, task_id: str) -> dict[str, Any]:
    run: dict[str, Any] = requests.get(f"{address}{TASKS}/{task_id}", timeout=20).json()
    return run


def finished(address: str, task_id: str, within_s: float = 40) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        run = look(address, task_id)
        return run if run["state"] in READY_STATES else None

    return until(ready, f"{task_id} finished", within_s)


def test_hello_world_answers_what_the_worker_returned(running_demo: str) -> None:
    answer = requests.get(running_demo + HELLO, timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"info": "hello world"})


def test_log_and_multiply_give_their_results(running_demo: str) -> None:
    log = start(running_demo, "log", message="good morning")
    multiply = start(running_demo, "multiply", x=6, y=7)
    run = finished(running_demo, log)
    assert (run["state"], run["result"], run["attempts"]) == ("SUCCESS", "good morning", 1)
    assert finished(running_demo, multiply)["result"] == 42


@pytest.mark.slow
def test_calc_gives_n_plus_1_or_says_why_not(running_demo: str) -> None:
    """Its time is random: each of its three ends is right, and enough runs show more than one."""
    ids = [start(running_demo, "calc", n=n) for n in range(12)]
    runs = [finished(running_demo, task_id, within_s=90) for task_id in ids]
    for n, run in enumerate(runs):
        assert run["attempts"] <= 3
        if run["state"] == "SUCCESS":
            assert run["result"] == n + 1
        else:
            slow = "a run of" in run["error"]["message"] and run["attempts"] == 3
            assert slow or run["error"]["type"] == "TimeLimitExceeded"
    assert any(run["state"] == "SUCCESS" for run in runs)


def test_a_task_nobody_sent_is_a_404(running_demo: str) -> None:
    answer = requests.get(f"{running_demo}{TASKS}/{uuid.uuid4()}", timeout=20)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "status", "reason"),
    [
        ("multiply", b"{", 400, "no JSON"),
        ("multiply", b"[6, 7]", 422, "no object"),
        ("multiply", b"", 422, "#/x"),
        ("multiply", b'{"x": 6}', 422, "#/y"),
        ("multiply", b'{"x": 6, "y": "7"}', 422, "#/y"),
        ("multiply", b'{"x": 6, "y": true}', 422, "#/y"),
        ("multiply", b'{"x": 6, "y": NaN}', 400, "no JSON"),
        ("multiply", b'{"x": 6, "y": 1' + b"0" * 300 + b"}", 422, "#/y"),
        ("multiply", b'{"x": 6, "y": 7, "z": 8}', 422, "#/z"),
        ("calc", b'{"n": null}', 422, "#/n"),
        ("log", b'{"message": ""}', 422, "#/message"),
        ("log", b'{"message": 1}', 422, "#/message"),
        ("log", b'{"message": "' + b"a" * 201 + b'"}', 422, "#/message"),
        ("render_report", b'{"pages": 0}', 422, "#/pages"),
    ],
)
def test_wrong_arguments_are_refused_with_the_reason(
    running_demo: str, name: str, body: bytes, status: int, reason: str
) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{running_demo}{TASKS}/app.tasks.{name}"
    answer = requests.post(url, data=body, headers=headers, timeout=20)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert reason in str([told["detail"], *(each["pointer"] for each in told.get("errors", []))])


def test_an_unknown_task_is_a_404_and_a_list_names_those_there_are(running_demo: str) -> None:
    answer = requests.post(f"{running_demo}{TASKS}/format-disk", json={}, timeout=20)
    assert answer.status_code == 404
    tasks = requests.get(f"{running_demo}{TASKS}/", timeout=20).json()["tasks"]
    names = [f"app.tasks.{name}" for name in ("calc", "log", "multiply", "render_report")]
    assert sorted(task["name"] for task in tasks) == names


def test_a_body_that_is_not_json_is_refused_with_a_reason_in_json(running_demo: str) -> None:
    url = f"{running_demo}{TASKS}/app.tasks.log"
    answer = requests.post(url, data={"message": "hi"}, timeout=20)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_visitor_s_run_is_found_with_their_cookie_only(running_demo: str) -> None:
    one, other = requests.Session(), requests.Session()
    for visitor in (one, other):
        visitor.get(running_demo, timeout=20)
    url = f"{running_demo}{TASKS}/app.tasks.log"
    mine = running_demo + one.post(url, json={"message": "hi"}, timeout=20).headers["Location"]
    assert one.get(mine, timeout=20).status_code == 200
    for foreign in (other.get(mine, timeout=20), requests.get(mine, timeout=20)):
        assert foreign.status_code == 404
    nobodys = start(running_demo, "log", message="hi")
    assert one.get(f"{running_demo}{TASKS}/{nobodys}", timeout=20).status_code == 404


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
        ("POST", f"{TASKS}/app.tasks.log", {"message": "hi"}),
        ("GET", f"{TASKS}/{uuid.uuid4()}", None),
        ("GET", "/api/v1/minute-job", None),
    ]
    for method, path, body in asked:
        began = time.monotonic()
        answer = requests.request(method, address + path, json=body, timeout=30)
        assert answer.status_code == 503, (path, answer.text)
        told = answer.json()
        assert "does not answer" in (told["detail"] if path.startswith(TASKS) else told["error"])
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
