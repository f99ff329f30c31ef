"""The safe profile: what is applied, to whom, and that the user's keys win."""

from __future__ import annotations

import dataclasses

import pytest
from celery import Celery

REDIS = "redis://localhost:6379/0"
OPTIONS = "broker_transport_options"
REDIS_URLS = [REDIS, "rediss://h", "redis+socket:///x", "sentinel://a;b", None]


@pytest.fixture
def celery_of():
    """Configure a Celery app as a sender, or as a worker."""

    def celery_of(settings, *, is_worker=False):
        app = Celery("profiled", set_as_current=False)
        app.conf.update(settings.celery)
        if is_worker:
            app.conf.update(settings.worker)
        return app.conf

    return celery_of


def test_every_broker_gets_the_defaults_that_concern_all(read):
    for url in (REDIS, "amqp://h", "memory://"):
        celery = read({"CELERY_BROKER_URL": url}, is_production=True).celery
        assert celery["task_acks_late"] is True
        assert celery["worker_prefetch_multiplier"] == 1
        assert celery["accept_content"] == celery["result_accept_content"] == ["json"]
        assert celery["broker_connection_retry_on_startup"] is True
        assert celery["broker_connection_max_retries"] is None


@pytest.mark.parametrize("url", REDIS_URLS)
def test_redis_gets_its_options(read, url):
    settings = read({"CELERY_BROKER_URL": url})
    celery = settings.celery
    assert settings.worker[OPTIONS]["max_message_bytes"] == 16 * 1024 * 1024
    assert celery[OPTIONS] == {
        "visibility_timeout": 43200,
        "socket_timeout": 0.67,
        "socket_connect_timeout": 0.67,
        "health_check_interval": 10,
        "queue_order_strategy": "priority",
        "work_in_hand_s": 0.1,
        "max_message_bytes": 512 * 1024,
    }


@pytest.mark.parametrize(
    "name", ["CELERY_WORKER_PREFETCH_MULTIPLIER", "CELERYD_PREFETCH_MULTIPLIER"]
)
@pytest.mark.parametrize("multiplier", [1, 4])
def test_a_prefetch_multiplier_of_the_user_s_own_wins(read, name, multiplier):
    celery = read({"CELERY_BROKER_URL": REDIS, name: multiplier}).celery
    assert celery["worker_prefetch_multiplier"] == multiplier
    assert "work_in_hand_s" not in celery[OPTIONS]


def test_celery_s_own_transport_takes_nothing_in_hand(read):
    celery = read({"CELERY_BROKER_URL": REDIS, "CELERIAC_TRANSPORT": "kombu"}).celery
    assert "work_in_hand_s" not in celery[OPTIONS]


LOST = "worker_cancel_long_running_tasks_on_connection_loss"


@pytest.mark.parametrize("url", REDIS_URLS)
def test_on_our_transport_redis_counts_what_is_lost_and_keeps_delays(read, url):
    settings = read({"CELERY_BROKER_URL": url, "CELERIAC_TRANSPORT": "celeriac"})
    assert settings.is_carried_by_us
    celery = settings.celery
    assert celery["task_reject_on_worker_lost"] is True
    assert celery[LOST] is False
    assert not {"task_retry_on_worker_lost", "worker_eta_task_limit"} & set(celery)
    assert celery == read({"CELERY_BROKER_URL": url}).celery


@pytest.mark.parametrize(
    ("url", "transport"),
    [*((url, "kombu") for url in REDIS_URLS), ("amqp://h", "celeriac"), ("memory://", "celeriac")],
)
def test_on_celerys_transports_the_worker_makes_up_for_what_is_lost(read, url, transport):
    settings = read({"CELERY_BROKER_URL": url, "CELERIAC_TRANSPORT": transport})
    assert not settings.is_carried_by_us
    celery = settings.celery
    assert celery["task_retry_on_worker_lost"] is True
    assert celery["worker_eta_task_limit"] == 1000
    # Redis gives running tasks back when the connection is lost; the others do not.
    assert celery[LOST] is (transport == "kombu")
    assert "task_reject_on_worker_lost" not in celery


def test_the_reasons_are_those_of_the_transport(read):
    def reasons(transport):
        profile = read({"CELERY_BROKER_URL": REDIS, "CELERIAC_TRANSPORT": transport}).profile
        return {applied.key: applied.reason for applied in profile}

    ours, stock = reasons("celeriac"), reasons("kombu")
    assert "On SIGTERM running tasks get" in ours["worker_soft_shutdown_timeout"]
    assert "On SIGQUIT running tasks get" in stock["worker_soft_shutdown_timeout"]
    assert "runs twice" in stock[f"{OPTIONS}.visibility_timeout"]
    assert "runs twice" not in ours[f"{OPTIONS}.visibility_timeout"]


def test_rabbitmq_gets_quorum_queues_behind_topic_exchanges_and_confirmed_sending(read):
    settings = read({"CELERY_BROKER_URL": "amqp://h"})
    celery = settings.celery
    assert celery[OPTIONS] == {"confirm_publish": True, "read_timeout": 1.0}
    assert settings.worker[OPTIONS] == {"confirm_publish": True}
    assert celery["task_default_queue_type"] == "quorum"
    assert celery["task_create_missing_queue_type"] == "quorum"
    assert celery["task_default_exchange_type"] == "topic"
    assert celery["task_create_missing_queue_exchange_type"] == "topic"
    assert celery["worker_cancel_long_running_tasks_on_connection_loss"] is False


def test_queues_with_priorities_stay_classic_on_rabbitmq(read):
    celery = read({"CELERY": {"broker_url": "amqp://h", "task_queue_max_priority": 10}}).celery
    assert "task_default_queue_type" not in celery


def test_other_brokers_get_no_transport_options(read):
    assert OPTIONS not in read({"CELERY_BROKER_URL": "memory://"}).celery


def test_the_visibility_timeout_follows_the_time_limit(read):
    for limit, expected in ((60, 3600), (7200, 7500), (None, 43200)):
        celery = read({"CELERY": {"task_time_limit": limit}}).celery
        assert celery[OPTIONS]["visibility_timeout"] == expected


def test_results_on_redis_are_waited_for_briefly_by_senders(read):
    settings = read({"CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": REDIS})
    assert settings.celery["redis_socket_timeout"] == 1.0
    assert settings.celery["result_backend_transport_options"]["retry_policy"]["max_retries"] == 0
    # Celery's 19 s end before a failover by Sentinel does, and then a success is a failure.
    policy = settings.worker["result_backend_transport_options"]["retry_policy"]
    assert policy["max_retries"] * policy["interval_max"] == 600
    assert settings.worker["redis_socket_timeout"] == 10.0
    assert "redis_socket_timeout" not in read({"CELERY_RESULT_BACKEND": "rpc://"}).celery


def test_a_worker_waits_longer_than_a_sender(read, celery_of):
    settings = read({"CELERY_BROKER_URL": REDIS, "CELERY_RESULT_BACKEND": REDIS})
    sender, worker = celery_of(settings), celery_of(settings, is_worker=True)
    assert sender[OPTIONS]["socket_timeout"] < 1 < 5 <= worker[OPTIONS]["socket_timeout"] < 30
    assert worker[OPTIONS]["visibility_timeout"] == sender[OPTIONS]["visibility_timeout"]
    assert sender.broker_pool_acquire_timeout == 2.0
    assert worker.broker_pool_acquire_timeout is None
    assert sender.task_publish_retry_policy["max_retries"] == 1
    # A task's retry must get through a restart of Redis; what arrived is not doubled there.
    assert worker.task_publish_retry_policy["max_retries"] == 30
    assert worker.broker_connection_max_retries is None


def test_under_up_a_worker_shuts_down_sooner(read):
    assert read({}, environ={"CELERIAC_UP": "1"}).celery["worker_soft_shutdown_timeout"] == 6.0
    assert read({}).celery["worker_soft_shutdown_timeout"] == 20.0


def test_the_users_keys_win_under_any_name_and_one_by_one_inside_options(read):
    config = {
        "CELERY_ACKS_LATE": False,
        "CELERYD_PREFETCH_MULTIPLIER": 8,
        "BROKER_TRANSPORT_OPTIONS": {"socket_timeout": 20, "sep": "-"},
        "CELERY_RESULT_BACKEND": REDIS,
        "CELERY": {"redis_socket_timeout": 5, "worker_eta_task_limit": None},
    }
    settings = read(config)
    for celery in (settings.celery, {**settings.celery, **settings.worker}):
        assert celery["task_acks_late"] is False
        assert celery["worker_prefetch_multiplier"] == 8
        assert celery["worker_eta_task_limit"] is None
        assert celery["redis_socket_timeout"] == 5
        assert celery[OPTIONS]["socket_timeout"] == 20
        assert celery[OPTIONS]["sep"] == "-"
        assert celery[OPTIONS]["health_check_interval"] == 10


def test_results_are_accepted_in_what_the_user_accepts(read):
    celery = read({"CELERY_ACCEPT_CONTENT": ["json", "msgpack"]}).celery
    assert celery["result_accept_content"] == ["json", "msgpack"]


def test_the_profile_says_of_each_default_whether_it_holds_and_why(read):
    settings = read(
        {"CELERY": {"task_acks_late": False, OPTIONS: {"socket_timeout": 20}}, "BROKER_URL": REDIS}
    )
    by_key = {}
    for applied in settings.profile:
        by_key.setdefault(applied.key, []).append(applied)
        assert applied.reason.endswith(".")
    (acks,) = by_key["task_acks_late"]
    assert (acks.value, acks.is_default, acks.process) == (False, False, "all")
    (timeout,) = by_key[f"{OPTIONS}.socket_timeout"]
    assert (timeout.value, timeout.is_default) == (20, False)
    sender, worker = by_key[f"{OPTIONS}.socket_connect_timeout"]
    assert (sender.process, sender.is_default) == ("sender", True)
    assert (worker.process, worker.value) == ("worker", 2.0)


def test_every_default_is_a_setting_that_celery_knows(read):
    known = set(Celery("known", set_as_current=False).conf)
    for url in (REDIS, "amqp://h", "memory://"):
        for applied in read({"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": REDIS}).profile:
            assert applied.key.partition(".")[0] in known


def test_without_a_broker_the_embedded_server_carries_messages_and_results(read):
    settings = read({}, embedded_url="redis://:p@127.0.0.1:7000/0")
    assert settings.is_embedded
    assert settings.broker_url == settings.result_backend == "redis://:p@127.0.0.1:7000/0"
    assert settings.celery["broker_url"] == settings.celery["result_backend"] == settings.broker_url


def test_a_result_backend_of_the_users_stays_beside_the_embedded_server(read):
    settings = read({"CELERY_RESULT_BACKEND": "rpc://"}, embedded_url="redis://e")
    assert (settings.broker_url, settings.result_backend) == ("redis://e", "rpc://")


def test_a_configured_broker_is_never_replaced_and_gets_no_result_backend(read):
    settings = read({"CELERY_BROKER_URL": REDIS}, embedded_url="redis://e")
    assert not settings.is_embedded
    assert settings.broker_url == REDIS
    assert settings.result_backend is None
    assert "result_backend" not in settings.celery


def test_without_any_broker_reading_is_no_error_in_development(read):
    settings = read({})
    assert (settings.broker_url, settings.result_backend, settings.is_embedded) == (
        None,
        None,
        False,
    )
    assert "broker_url" not in settings.celery


@pytest.mark.parametrize("name", ["broker_read_url", "broker_write_url", "broker_host"])
def test_a_broker_written_in_celerys_other_ways_counts(read, name):
    assert read({"CELERY": {name: REDIS}}, is_production=True).broker_url == REDIS


def test_settings_can_not_be_written_to(read):
    settings = read({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.broker_url = REDIS
    with pytest.raises(TypeError):
        settings.celery["broker_url"] = REDIS
    assert len(settings.celery) == len(list(settings.celery))
