"""What the transport relies on in kombu without a public name; fails when kombu changes it."""

from __future__ import annotations

import inspect

import pytest
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

SIGNATURES = {
    "_brpop_start": ["self", "timeout"],
    "_brpop_read": ["self", "options"],
    "_connparams": ["self", "asynchronous"],
    "_flush_brpop_reauth": ["self"],
    "_get_pool": ["self", "asynchronous"],
    "_maybe_update_queues_expire": ["self", "client", "queue"],
    "_put": ["self", "queue", "message", "kwargs"],
    "_put_fanout": ["self", "exchange", "message", "routing_key", "kwargs"],
    "_purge": ["self", "queue"],
    "_restore": ["self", "message", "leftmost"],
    "_get_message_priority": ["self", "message", "reverse"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_channel_has_what_ours_overrides_or_calls(name: str) -> None:
    method = getattr(kombu_redis.Channel, name)

    assert [*inspect.signature(method).parameters] == SIGNATURES[name]


def test_sentinels_are_asked_by_the_method_that_ours_overrides() -> None:
    source = inspect.getsource(kombu_redis.SentinelChannel)

    assert "return self._sentinel_managed_pool(asynchronous)" in source
    for name in ("self._sentinel_manager = ", "self._async_sentinel_manager = "):
        assert name in source


def test_the_poller_sends_and_reads_by_the_methods_that_ours_overrides() -> None:
    poller = inspect.getsource(kombu_redis.MultiChannelPoller._register_BRPOP)
    channel = inspect.getsource(kombu_redis.Channel.__init__)

    assert "if not channel._in_poll:" in poller
    assert "channel._brpop_start()" in poller
    assert "'BRPOP': self._brpop_read" in channel


def test_the_channel_keeps_its_state_where_ours_reads_it() -> None:
    source = inspect.getsource(kombu_redis.Channel)

    for name in ("self._queue_cycle", "self._expires", "_in_poll = False", "_brpop_sent_at = None"):
        assert name in source


def test_a_publish_keeps_its_properties_through_repetitions() -> None:
    # The token of a publish in doubt is kept there.
    source = inspect.getsource(virtual.Channel.prepare_message)

    assert "properties = properties or {}" in source


def test_delivered_messages_are_kept_where_ours_looks() -> None:
    source = inspect.getsource(virtual.QoS)

    for name in ("self._delivered = OrderedDict()", "self._on_collect = Finalize(", "def _flush("):
        assert name in source
