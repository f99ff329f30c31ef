"""Those who ask the same at the same time get one answer, which is not older than they."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_celeriac.record.journal.shared import Shared

PATIENCE_S = 10


class Key(str):
    """A key that counts who has come with it: each looks twice."""

    looks = 0

    def __hash__(self):
        self.looks += 1
        return super().__hash__()

    @property
    def came(self):
        return self.looks // 2


class Server:
    """Counts questions, and answers when it is told to."""

    def __init__(self):
        self.shared = Shared()
        self.key = Key("a")
        self.questions = []
        self.may_begin, self.may_answer = threading.Event(), threading.Event()
        self.has_begun = threading.Event()

    def ask(self, key=None):
        key = key or self.key

        def put(begin):
            self.questions.append(key)
            number = len(self.questions)
            assert self.may_begin.wait(PATIENCE_S)
            begin()
            self.has_begun.set()
            assert self.may_answer.wait(PATIENCE_S)
            return number

        return self.shared.ask(key, put)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_those_who_come_before_the_question_share_the_answer(server, pool, wait_until):
    answers = [pool.submit(server.ask) for _ in range(4)]
    wait_until(lambda: server.key.came == 4, PATIENCE_S)
    server.may_begin.set()
    server.may_answer.set()
    assert [answer.result() for answer in answers] == [1, 1, 1, 1]
    assert server.questions == ["a"]


def test_who_comes_after_the_question_was_put_asks_anew(server, pool):
    server.may_begin.set()
    first = pool.submit(server.ask)
    assert server.has_begun.wait(PATIENCE_S)
    second = pool.submit(server.ask)
    server.may_answer.set()
    assert (first.result(), second.result()) == (1, 2)


def test_other_questions_do_not_wait(server, pool):
    server.may_begin.set()
    first = pool.submit(server.ask)
    assert server.has_begun.wait(PATIENCE_S)
    other = pool.submit(server.ask, "b")
    server.may_answer.set()
    assert {first.result(), other.result()} == {1, 2}


def test_an_error_is_that_of_who_asked_and_others_ask_themselves(server, pool, wait_until):
    may_fail = threading.Event()

    def fail(begin):
        assert may_fail.wait(PATIENCE_S)
        raise OSError("no")

    first = pool.submit(server.shared.ask, server.key, fail)
    wait_until(lambda: server.key.came == 1, PATIENCE_S)
    others = [pool.submit(server.ask) for _ in range(2)]
    wait_until(lambda: server.key.came == 3, PATIENCE_S)
    server.may_begin.set()
    server.may_answer.set()
    assert not server.questions
    may_fail.set()
    with pytest.raises(OSError, match="no"):
        first.result()
    assert all(answer.result() >= 1 for answer in others)
