"""A message that is too large is not sent, whichever way it would go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import chain, group
from flask import Flask
from post_office import Post

from flask_celeriac import Celeriac
from flask_celeriac.errors import MessageTooLarge

LARGE = "x" * 400_000


@pytest.fixture
def task(celeriac: Celeriac, app: Flask) -> Any:
    @celeriac.task(name="post.keep")
    def keep(text: str) -> str:
        return text

    with app.app_context():
        yield keep


@pytest.mark.parametrize(
    "send",
    [
        lambda task: task.delay(LARGE),
        lambda task: task.apply_async((LARGE,), countdown=60),
        lambda task: task.apply_async((LARGE,), shadow="another"),
        lambda task: task.enqueue_many([(("small",), {})] * 600 + [((LARGE,), {})]),
        lambda task: task.s(LARGE).apply_async(),
        lambda task: chain(task.s("small"), task.si(LARGE)).apply_async(),
        lambda task: group([task.s(LARGE)]).apply_async(),
    ],
)
def test_it_is_an_error_that_names_the_task_and_nothing_is_sent(
    task: Any, post: Post, send: Callable[[Any], Any]
) -> None:
    with pytest.raises(MessageTooLarge, match=r"task 'post.keep' has [\d,]+ bytes"):
        send(task)
    assert post.client.llen("celery") == 0


def test_what_is_compressed_counts_as_it_is_sent(task: Any, post: Post) -> None:
    task.apply_async((LARGE,), compression="gzip")
    assert post.client.llen("celery") == 1


def test_the_limit_is_an_option_of_the_transport(
    make_app: Callable[..., Flask], celeriac: Celeriac, post: Post
) -> None:
    @celeriac.task(name="post.keep")
    def keep(text: str) -> str:
        return text

    options = {"max_message_bytes": 1_000_000}
    with make_app(CELERY_BROKER_TRANSPORT_OPTIONS=options).app_context():
        keep.delay(LARGE)
        with pytest.raises(MessageTooLarge, match="1,000,000"):
            keep.delay(LARGE * 2)
    assert post.client.llen("celery") == 1
