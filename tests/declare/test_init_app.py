from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest
from celery import Celery, shared_task
from flask import Flask, current_app

from flask_celeriac import Celeriac
from flask_celeriac.declare import app_task
from flask_celeriac.errors import (
    AlreadyInitialized,
    AmbiguousApp,
    BrokerMissing,
    ConfigurationError,
    DuplicateTask,
    NotInitialized,
)


def test_the_celery_app_stands_where_flask_documents_it(celeriac, make_app):
    app = make_app(celeriac=celeriac)
    assert isinstance(app.extensions["celery"], Celery)
    assert app.extensions["celery"] is app.extensions["celeriac"].celery
    assert celeriac.celery is app.extensions["celery"]


def test_the_celery_app_shows_no_password_of_its_configuration(celeriac, make_app):
    app = make_app(celeriac=celeriac, CELERY_BROKER_PASSWORD="canary")
    assert "canary" not in repr(app.extensions["celery"].conf)


def test_an_app_given_at_once_is_initialised(make_app):
    app = make_app()
    Celeriac(app)
    assert "celery" in app.extensions


def test_two_init_apps_on_one_app_say_what_to_do(celeriac, make_app):
    app = make_app(celeriac=celeriac)
    with pytest.raises(AlreadyInitialized, match="call it once"):
        celeriac.init_app(app)


def test_a_hand_made_celery_app_beside_ours_says_what_to_do(celeriac, make_app):
    app = make_app()
    app.extensions["celery"] = Celery(set_as_current=False)
    with pytest.raises(AlreadyInitialized, match=r"Celeriac\(celery="):
        celeriac.init_app(app)


def test_use_before_init_app_says_what_to_do(celeriac):
    @celeriac.task
    def plant() -> None: ...

    with pytest.raises(NotInitialized, match=r"plant.*init_app"):
        plant.delay()


def test_two_tasks_of_one_name_say_which(celeriac):
    @celeriac.task(name="plant")
    def plant() -> None: ...

    with pytest.raises(DuplicateTask, match=r"plant.*other_plant.*name="):

        @celeriac.task(name="plant")
        def other_plant() -> None: ...


@pytest.mark.filterwarnings("ignore::celery.exceptions.DuplicateTaskNameWarning")
def test_a_task_with_the_name_of_a_task_declared_elsewhere_says_which(celeriac, make_app):
    @celeriac.task(name="plant")
    def plant() -> None: ...

    app = make_app(celeriac=celeriac)

    @app.extensions["celery"].task(name="water", shared=False)
    def water() -> None: ...

    @celeriac.task(name="water")
    def other_water() -> None: ...

    for _ in range(2):
        with pytest.raises(DuplicateTask, match=r"water.*other_water"):
            other_water.delay()


def test_two_apps_do_not_see_each_other(celeriac, make_eager_app):
    @celeriac.task
    def where() -> str:
        return f"{current_app.name} {where.app.conf.task_default_queue}"

    one = make_eager_app("one", celeriac=celeriac, CELERY_TASK_DEFAULT_QUEUE="first")
    two = make_eager_app("two", celeriac=celeriac, CELERY_TASK_DEFAULT_QUEUE="second")
    assert one.extensions["celery"] is not two.extensions["celery"]
    with one.app_context():
        assert where.delay().get() == "one first"
    with two.app_context():
        assert where.delay().get() == "two second"


def test_outside_a_context_several_apps_are_an_error_that_names_them(celeriac, make_app):
    @celeriac.task
    def plant() -> None: ...

    apps = [make_app("one", celeriac=celeriac), make_app("two", celeriac=celeriac)]
    with pytest.raises(AmbiguousApp, match=r"plant.*'one', 'two'.*app_context"):
        plant.delay()
    assert len(apps) == 2


def test_in_the_context_of_a_foreign_app_the_error_names_both(celeriac, make_app):
    @celeriac.task
    def plant() -> None: ...

    app = make_app("home", celeriac=celeriac)
    with Flask("abroad").app_context(), pytest.raises(NotInitialized, match=r"abroad.*home"):
        plant.delay()
    assert app


def test_an_app_that_is_gone_does_not_count(celeriac, make_eager_app):
    @celeriac.task
    def plant() -> str:
        return current_app.name

    gone = weakref.ref(make_eager_app("gone", celeriac=celeriac))
    app = make_eager_app("here", celeriac=celeriac)
    assert plant.delay().get() == "here"
    gc.collect()
    assert gone() is None
    assert app


def test_no_broker_in_production_is_an_error_that_says_what_to_set(celeriac):
    with pytest.raises(BrokerMissing, match="CELERY_BROKER_URL"):
        celeriac.init_app(Flask("shop"))


def test_no_broker_in_development_is_an_error_when_something_is_sent(celeriac, tmp_path):
    @celeriac.task
    def plant() -> None: ...

    app = Flask("shop", instance_path=str(tmp_path))
    app.debug = True
    celeriac.init_app(app)
    with pytest.raises(BrokerMissing, match="flask celery up"):
        plant.delay()


def test_a_passed_celery_object_is_adopted_in_place(make_eager_app):
    my_celery = Celery("service", broker="memory://")

    @my_celery.task()
    def before() -> str:
        return current_app.name

    app = make_eager_app(CELERY_BROKER_URL=None, celeriac=Celeriac(celery=my_celery))

    @my_celery.task()
    def after() -> str:
        return current_app.name

    assert app.extensions["celery"] is my_celery
    assert before.delay().get() == after.delay().get() == "garden"


def test_a_passed_celery_object_keeps_what_it_was_configured_with(make_app, redis_url):
    my_celery = Celery("service", broker=redis_url, task_default_queue="own")
    app = Flask("garden")
    Celeriac(celery=my_celery).init_app(app)
    assert my_celery.conf.task_default_queue == "own"
    with my_celery.connection_for_write() as connection:
        assert connection.as_uri(include_password=True) == redis_url
    assert my_celery.conf.accept_content == ["json"]


def test_a_passed_celery_object_serves_one_app_after_the_other(make_app):
    my_celery = Celery("service", task_default_queue="own")

    @my_celery.task()
    def where() -> str:
        return current_app.name

    def make(name: str, **config) -> Flask:
        return make_app(name, celeriac=Celeriac(celery=my_celery), **config)

    eager = make("eager", CELERY_TASK_ALWAYS_EAGER=True, CELERY_TASK_DEFAULT_PRIORITY=3)
    assert where.delay().get() == "eager"
    later = make("later", CELERY_RESULT_BACKEND=None)
    assert where.app.conf.task_always_eager is False
    assert where.app.conf.task_default_priority is None
    assert where.app.conf.task_default_queue == "own"
    assert where.apply().get() == "later"
    assert [app.extensions["celery"] for app in (eager, later)] == [my_celery, my_celery]


def test_a_passed_celery_object_that_contradicts_the_app_is_an_error(make_app):
    my_celery = Celery("service", broker="redis://elsewhere/1")
    with pytest.raises(ConfigurationError, match="broker_url"):
        make_app(celeriac=Celeriac(celery=my_celery))


def test_receivers_connected_after_init_app_still_get_on_after_configure(make_app, celeriac):
    app = make_app(celeriac=celeriac)
    heard = []
    app.extensions["celery"].on_after_configure.connect(
        lambda sender, **_: heard.append(sender), weak=False
    )
    assert app.extensions["celery"].conf.accept_content == ["json"]
    assert heard == [app.extensions["celery"]]


def test_a_passed_celery_object_still_sends_on_after_configure_late():
    my_celery = Celery("service", broker="memory://")
    Celeriac(celery=my_celery).init_app(Flask("garden"))
    heard = []
    my_celery.on_after_configure.connect(lambda sender, **_: heard.append(sender), weak=False)
    assert my_celery.conf.accept_content == ["json"]
    assert heard == [my_celery]


_BEFORE_ANY_APP = """
from celery import shared_task, signature
from flask import Flask, current_app
from flask_celeriac import Celeriac
from flask_celeriac.errors import NotInitialized

celeriac = Celeriac()

@shared_task(name="early")
def early():
    return current_app.name if current_app else "no app"

early_signature = early.s()
chained = early.si() | early.si()
assert early() == "no app"
for send in (early.delay, early_signature.delay, chained.delay, signature("early").delay):
    try:
        send()
    except NotInitialized as error:
        assert "init_app" in str(error)
    else:
        raise AssertionError("sent")

for name in ("one", "two"):
    app = Flask(name)
    app.testing = True
    app.config.update(CELERY_BROKER_URL="memory://", CELERY_TASK_ALWAYS_EAGER=True)
    celeriac.init_app(app)
    with app.app_context():
        for signed in (early_signature, chained):
            assert signed.delay().get() == name
"""


def test_a_shared_task_before_any_app_is_held_and_not_sent():
    # A process of its own: here other tests have made apps.
    subprocess.run([sys.executable, "-c", _BEFORE_ANY_APP], check=True, timeout=60)


def test_shared_tasks_run_in_the_context_of_the_app_that_is_meant(make_eager_app):
    @shared_task(name="test_init_app.shared")
    def shared() -> str:
        return current_app.name

    one = make_eager_app("one", celeriac=Celeriac())
    two = make_eager_app("two", celeriac=Celeriac())
    with one.app_context():
        assert shared.delay().get() == "one"
    with two.app_context():
        assert shared.delay().get() == "two"


def test_a_second_thread_waits_until_all_tasks_are_there(celeriac, make_eager_app, monkeypatch):
    @celeriac.task
    def plant() -> str:
        return "grown"

    begun, may_go_on = threading.Event(), threading.Event()
    adopt = app_task.adopt_task

    def adopt_slowly(task) -> None:
        begun.set()
        may_go_on.wait(timeout=10)
        adopt(task)

    monkeypatch.setattr(app_task, "adopt_task", adopt_slowly)
    app = make_eager_app(celeriac=celeriac)
    known: list[str] = []
    threads = [threading.Thread(target=lambda: known.append(plant.run())) for _ in range(2)]
    threads[0].start()
    assert begun.wait(timeout=10)
    threads[1].start()
    threads[1].join(timeout=0.3)
    may_go_on.set()
    for thread in threads:
        thread.join(timeout=10)
    assert known == ["grown", "grown"]
    assert app
