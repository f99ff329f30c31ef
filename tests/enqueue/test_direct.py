"""A message that is sent past Celery arrives once, or its sender is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import redis
from celery.utils.nodenames import anon_nodename
from flask import Flask
from kombu.exceptions import OperationalError
from post_office import Post

from flask_celeriac.errors import ArgumentsNotJSON
from flask_celeriac.transport.redis.store import MessageStore

MakeApp = Callable[..., Flask]


def lose_answers(monkeypatch: pytest.MonkeyPatch, *, lost: int) -> list[bool]:
    """Let the first *lost* publishes arrive and fail; return what each was answered."""
    publish_many, answers = MessageStore.publish_many, []

    def publish_and_lose(self: MessageStore, *args: Any, **options: Any) -> bool:
        answers.append(publish_many(self, *args, **options))
        if len(answers) <= lost:
            raise redis.ConnectionError("the answer was lost")
        return answers[-1]

    monkeypatch.setattr(MessageStore, "publish_many", publish_and_lose)
    return answers


def test_a_publish_whose_answer_was_lost_is_repeated_without_a_second_message(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = lose_answers(monkeypatch, lost=1)
    result = add.delay(1)
    assert answers == [True, False]
    [message] = post.take()
    assert message["headers"]["id"] == result.id
    assert app


def test_a_publish_is_repeated_as_often_as_celery_is_told_to(
    make_app: MakeApp, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_app(CELERY={"task_publish_retry": False})
    answers = lose_answers(monkeypatch, lost=1)
    with pytest.raises(OperationalError, match="the answer was lost"):
        add.delay(1)
    assert answers == [True]
    assert len(post.take()) == 1
    add.delay(2)
    assert len(post.take()) == 1


def test_one_id_may_be_sent_twice(app: Flask, add: Any, post: Post) -> None:
    for _ in range(2):
        add.apply_async((1,), task_id="same")
    assert [message["headers"]["id"] for message in post.take()] == ["same", "same"]
    assert app


def test_bad_arguments_are_refused_before_anything_is_sent(
    app: Flask, add: Any, post: Post
) -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        add.delay()
    with pytest.raises(ArgumentsNotJSON, match=r"'add'.*object"):
        add.delay(object())
    assert post.take() == []
    assert app


def test_a_queue_is_declared_by_each_new_connection(app: Flask, add: Any, post: Post) -> None:
    for _ in range(2):
        # Connections outlive the apps of tests: kombu's pools go by the URL.
        app.extensions["celery"].pool.force_close_all(close_pool=False)
        add.delay(1)
        assert post.client.exists("_kombu.binding.celery")
        post.take()


def test_a_forked_process_names_itself(app: Flask, add: Any, post: Post) -> None:
    add.delay(1)
    [message] = post.take()
    assert message["headers"]["origin"] == anon_nodename()
    child = os.fork()
    if not child:
        try:
            add.delay(1)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    [message] = post.take()
    assert message["headers"]["origin"].startswith(f"gen{child}@")
    assert app
