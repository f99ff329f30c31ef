"""The channel behind kombu's own interface: what producers and consumers see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import Empty
from typing import Any

import pytest
import redis
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import OperationalError

from flask_celeriac.errors import Unroutable
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.claimants import forget
from flask_celeriac.transport.redis.store import MessageStore

WaitUntil = Callable[..., None]

#: Renewed so often that a test need not wait, and by a lease that ends soon.
FAST = {"lease_s": 2.0, "renew_s": 0.1}


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def connect(redis_url: str) -> Iterator[Callable[..., Connection]]:
    """Open connections by our transport; all are closed at the end, and all claims given back."""
    urls.register()
    opened: list[Connection] = []

    def open_one(**options: Any) -> Connection:
        connection = Connection(urls.ours(redis_url), transport_options={**FAST, **options})
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.release()


@pytest.fixture
def store(connect: Callable[..., Connection]) -> MessageStore:
    return connect().default_channel.store


def claims(client: redis.Redis) -> int:
    return sum(client.hlen(key) for key in client.keys("celeriac:1:claims:*"))


def test_a_message_is_claimed_when_it_is_taken_and_gone_when_it_is_acknowledged(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put({"letter": 1})
    assert client.llen("post") == 1

    message = queue.get(timeout=5)

    assert message.payload == {"letter": 1}
    assert (client.llen("post"), claims(client)) == (0, 1)
    message.ack()
    assert claims(client) == 0


def test_a_message_that_is_requeued_comes_after_those_that_wait(
    connect: Callable[..., Connection],
) -> None:
    queue = connect().SimpleQueue("post")
    for number in range(3):
        queue.put(number)

    queue.get(timeout=5).requeue()

    assert [queue.get(timeout=5).payload for _ in range(3)] == [1, 2, 0]


def test_closing_a_channel_gives_back_what_was_not_acknowledged_in_its_order(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    for number in range(3):
        queue.put(number)
    first, second = queue.get(timeout=5), queue.get(timeout=5)
    assert (first.payload, second.payload) == (0, 1)

    queue.channel.close()

    assert claims(client) == 0
    again = connect().SimpleQueue("post")
    assert [again.get(timeout=5).payload for _ in range(3)] == [0, 1, 2]


def test_claims_that_last_outlive_their_channel_and_can_be_settled_after_it(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put("letter")
    message = queue.get(timeout=5)
    message.channel.claimant.is_lasting = True

    queue.channel.connection.close_connection(queue.channel.connection)

    assert claims(client) == 1
    message.ack()
    assert claims(client) == 0


def test_a_claimant_connects_when_its_first_channel_is_closed(
    connect: Callable[..., Connection],
) -> None:
    channel = connect().channel()
    claimant = channel.claimant
    channel.connection.close_connection(channel.connection)

    assert claimant.new_store().client.ping()


def test_a_process_that_leaves_takes_nothing_more(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put("first")
    claimant = queue.get(timeout=5).channel.claimant
    claimant.is_lasting = True
    assert claimant.leave(claimant.new_store()) == 1

    with pytest.raises(Empty):
        queue.get(timeout=2)

    assert client.llen("post") == 1
    assert claims(client) == 0


def test_a_claim_that_arrives_after_its_process_has_left_brings_nothing(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    claimant = queue.channel.claimant
    claimant.leave(claimant.store)
    queue.put("late")
    found = claimant.store.claim(claimant.incarnation, {"post": True}, 1, lease_s=30.0)
    assert (found.deliveries, claims(client), client.llen("post")) == ((), 0, 1)


def acknowledge_in_vain(message: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledge *message* while the server does not answer."""

    def refuse(*_: object) -> int:
        raise redis.ConnectionError("gone")

    with monkeypatch.context() as away:
        away.setattr(message.channel.claimant.store, "finish", refuse)
        message.ack()


def test_what_is_settled_while_the_server_does_not_answer_is_sent_later(
    connect: Callable[..., Connection],
    client: redis.Redis,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put("letter")
    message = queue.get(timeout=5)

    acknowledge_in_vain(message, monkeypatch)

    assert "Acknowledgements wait until the broker answers" in caplog.text
    wait_until(lambda: claims(client) == 0)


def test_what_is_owed_is_sent_as_soon_as_a_claim_is_answered(
    connect: Callable[..., Connection],
    client: redis.Redis,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = connect(renew_s=60.0, lease_s=90.0).SimpleQueue("post")
    queue.put("letter")
    message = queue.get(timeout=5)
    claimant = message.channel.claimant

    acknowledge_in_vain(message, monkeypatch)
    assert claims(client) == 1

    claimant.hold(())
    # It may leave that to the thread which renews, if that is about it at this moment.
    wait_until(lambda: claims(client) == 0, 2.0)


def test_a_claim_that_nobody_knows_of_is_given_back(
    connect: Callable[..., Connection],
    store: MessageStore,
    client: redis.Redis,
    wait_until: WaitUntil,
) -> None:
    channel = connect().channel()
    incarnation = channel.claimant.incarnation
    channel._put("post", channel.prepare_message("letter", properties={"delivery_info": {}}))

    # As when the reply is lost on its way.
    assert store.claim(incarnation, {"post": True}, 1, lease_s=30).deliveries

    wait_until(lambda: client.llen("post") == 1)
    assert claims(client) == 0


def test_a_consumer_without_acknowledgement_leaves_no_claim(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post", no_ack=True)
    queue.put("letter")

    assert queue.get(timeout=5).payload == "letter"
    assert (client.llen("post"), claims(client)) == (0, 0)


@pytest.mark.parametrize("no_ack", [False, True])
def test_a_message_can_be_taken_directly(
    connect: Callable[..., Connection], client: redis.Redis, no_ack: bool
) -> None:
    connection = connect()
    connection.SimpleQueue("post").put("letter")
    channel = connection.channel()

    message = channel.basic_get("post", no_ack=no_ack)

    assert message.decode() == "letter"
    assert claims(client) == (0 if no_ack else 1)
    assert channel.basic_get("post") is None


def test_messages_can_be_taken_directly_when_a_worker_of_this_process_has_left(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    connection = connect()
    queue = connection.SimpleQueue("post")
    queue.put("first")
    queue.put("second")
    channel = connection.channel()
    before = channel.basic_get("post")
    kept = channel.kept
    forget(kept)
    kept.claimant.leave(kept.claimant.store)
    message = channel.basic_get("post")
    assert message.decode() == "first"
    before.ack()  # too late: it was given back
    assert claims(client) == 1
    message.ack()
    assert (claims(client), client.llen("post")) == (0, 1)


def test_a_waiting_consumer_gets_a_message_of_a_stock_producer_within_a_second(
    connect: Callable[..., Connection], redis_url: str
) -> None:
    queue = connect().SimpleQueue("post")
    with pytest.raises(Empty):
        queue.get(timeout=0.1)
    with Connection(redis_url) as stock:
        stock.SimpleQueue("post").put("letter")

    assert queue.get(timeout=1.5).payload == "letter"


def test_a_stock_consumer_gets_what_we_publish(
    connect: Callable[..., Connection], redis_url: str
) -> None:
    connect().SimpleQueue("post").put("letter")

    with Connection(redis_url) as stock:
        message = stock.SimpleQueue("post").get(timeout=5)
        assert message.payload == "letter"
        assert "celeriac" not in json.dumps(message.properties)
        message.ack()


def test_what_can_not_be_read_is_kept_and_the_next_message_is_delivered(
    connect: Callable[..., Connection], store: MessageStore, client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    client.lpush("post", b"\xff\xfe no json", b'{"body": 1}', b"[]")
    queue.put("letter")

    assert queue.get(timeout=5).payload == "letter"

    letters = {letter.body: letter.reason for letter in store.dead_letters()}
    assert letters.keys() == {b"\xff\xfe no json", b'{"body": 1}', b"[]"}
    assert all(reason.startswith("unreadable: not ") for reason in letters.values())


def test_a_message_that_is_rejected_is_a_dead_letter(
    connect: Callable[..., Connection], store: MessageStore
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put("letter")

    queue.get(timeout=5).reject()

    [letter] = store.dead_letters()
    assert (letter.queue, letter.reason) == ("post", "rejected without requeue")


def in_seconds(seconds: float) -> dict[str, str]:
    return {"eta": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()}


def test_a_message_with_an_eta_waits_in_redis_also_when_a_stock_producer_sent_it(
    connect: Callable[..., Connection], redis_url: str, client: redis.Redis, wait_until: WaitUntil
) -> None:
    ours = connect().SimpleQueue("post")
    ours.put("ours", headers=in_seconds(60))
    assert (client.llen("post"), client.zcard("celeriac:1:delayed")) == (0, 1)
    with Connection(redis_url) as stock:
        stock.SimpleQueue("post").put("stock", headers=in_seconds(60))

    with pytest.raises(Empty):
        ours.get(timeout=1.5)

    assert (client.llen("post"), client.zcard("celeriac:1:delayed")) == (0, 2)
    assert claims(client) == 0


def test_a_delayed_message_comes_when_it_is_due(connect: Callable[..., Connection]) -> None:
    queue = connect().SimpleQueue("post")
    queue.put("later", headers=in_seconds(0.3))
    queue.put("now")

    assert [queue.get(timeout=2).payload for _ in range(2)] == ["now", "later"]


def test_a_publish_whose_answer_was_lost_is_repeated_without_a_second_message(
    connect: Callable[..., Connection], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect()
    producer = Producer(connection)
    publish, answers = MessageStore.publish, []

    def publish_and_lose(self: MessageStore, *args: Any, **kwargs: Any) -> bool:
        arrived = publish(self, *args, **kwargs)
        answers.append(arrived)
        if len(answers) == 1:
            raise redis.ConnectionError("the answer was lost")
        return arrived

    monkeypatch.setattr(MessageStore, "publish", publish_and_lose)

    producer.publish("letter", routing_key="post", retry=True, retry_policy={"max_retries": 3})

    assert answers == [True, False]
    assert client.llen("post") == 1
    producer.publish("letter", routing_key="post")
    assert client.llen("post") == 2


def test_a_repeated_publish_to_several_queues_reaches_each_once(
    connect: Callable[..., Connection], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect()
    exchange = Exchange("news", type="topic")
    queues = [Queue(name, exchange, routing_key="news.#") for name in ("one", "two")]
    publish, calls = MessageStore.publish, []

    def fail_once(self: MessageStore, *args: Any, **kwargs: Any) -> bool:
        calls.append(args)
        if len(calls) == 2:
            raise redis.ConnectionError("lost between the two queues")
        return publish(self, *args, **kwargs)

    monkeypatch.setattr(MessageStore, "publish", fail_once)

    Producer(connection).publish(
        "flash", exchange=exchange, routing_key="news.now", retry=True, declare=queues
    )

    assert (client.llen("one"), client.llen("two")) == (1, 1)


def test_without_repetition_a_failed_publish_is_an_error(
    connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise redis.ConnectionError("gone")

    connection = connect()
    producer = Producer(connection)
    monkeypatch.setattr(MessageStore, "publish", fail)

    with pytest.raises((OperationalError, redis.ConnectionError)):
        producer.publish("letter", routing_key="post", retry=True, retry_policy={"max_retries": 1})


def test_a_task_that_no_queue_is_bound_for_is_an_error_and_not_gone(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    exchange = Exchange("work", type="topic")
    queue = Queue("mail", exchange, routing_key="mail.#")
    producer = Producer(connect(), exchange=exchange)
    producer.publish("one", routing_key="mail.now", headers={"task": "t"}, declare=[queue])
    assert client.llen("mail") == 1
    client.delete("_kombu.binding.work")

    with pytest.raises(Unroutable, match=r"'work' .* 'mail\.now'"):
        producer.publish("two", routing_key="mail.now", headers={"task": "t"})

    producer.publish("no task", routing_key="mail.now")


def test_fanout_reaches_all_who_listen(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    exchange = Exchange("all", type="fanout")
    heard: list[tuple[str, Any]] = []
    listeners = {"one": connect(), "two": connect()}
    for name, connection in listeners.items():
        connection.Consumer(
            Queue(name, exchange, auto_delete=True),
            callbacks=[lambda body, _message, name=name: heard.append((name, body))],
            no_ack=True,
        ).consume()
    while sum(other["psub"] != "0" for other in client.client_list()) < 2:
        for connection in listeners.values():
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.1)
    Producer(connect(), exchange=exchange).publish("hello")

    for connection in listeners.values():
        with suppress(TimeoutError):
            while len(heard) < 2:
                connection.drain_events(timeout=0.5)

    assert sorted(heard) == [("one", "hello"), ("two", "hello")]


def test_a_lost_connection_of_a_consumer_is_a_connection_error_and_loses_nothing(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    connection = connect()
    queue = connection.SimpleQueue("post")
    with pytest.raises(Empty):
        queue.get(timeout=0.1)
    client.client_kill_filter(_type="normal", skipme=True)
    queue.put("letter")

    with pytest.raises(connection.connection_errors):
        queue.get(timeout=5)
    with connect() as again:
        assert again.SimpleQueue("post").get(timeout=5).payload == "letter"


def test_a_server_that_forgot_the_scripts_is_sent_them_again(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect().SimpleQueue("post")
    queue.put(1)
    assert queue.get(timeout=5).payload == 1
    client.script_flush()
    queue.put(2)

    assert queue.get(timeout=5).payload == 2


def test_purging_a_queue_deletes_what_is_delayed_too(connect: Callable[..., Connection]) -> None:
    connection = connect()
    queue = connection.SimpleQueue("post")
    queue.put("now")
    queue.put("later", headers=in_seconds(60))

    assert connection.default_channel.queue_purge("post") == 2
    with pytest.raises(Empty):
        queue.get(timeout=0.1)


def test_a_key_prefix_is_before_every_key(
    connect: Callable[..., Connection], client: redis.Redis
) -> None:
    queue = connect(global_keyprefix="shop.").SimpleQueue("post")
    queue.put("letter")

    assert queue.get(timeout=5).payload == "letter"
    assert client.keys("shop.celeriac:1:claims:*")
    assert all(key.startswith(b"shop.") for key in client.keys("*"))
