"""The Celery app of a Flask app: made here, or the user's own, adopted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from celery.utils import uuid
from kombu.exceptions import EncodeError
from kombu.utils.objects import cached_property

from flask_celeriac.enqueue import originals
from flask_celeriac.errors import BrokerMissing
from flask_celeriac.record import urls as record_urls
from flask_celeriac.transport.attach import AMQP, CONTROL
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.messages import PUBLISH_TOKEN

from . import carry, collect, context, internals, late, links
from .app_task import FlaskTask, FlaskTaskRegistry, not_json
from .result import AsyncResult, GroupResult, ResultSet, name_lost_backend
from .state import make_default, private_folder

if TYPE_CHECKING:
    from flask import Flask

    from flask_celeriac.enqueue.direct import DirectSender

    from .grouped import Holding
    from .state import AppState


_finalizing = threading.RLock()


class FlaskCelery(Celery):
    """A Celery app that belongs to one Flask app (`app.extensions["celery"]`)."""

    task_cls: Any = FlaskTask
    registry_cls: Any = FlaskTaskRegistry
    amqp_cls: Any = AMQP
    control_cls: Any = CONTROL
    finalized: bool
    is_ready = False
    is_finalizing = False
    celeriac: AppState
    #: Of an adopted object: what the user gave it, and the names that a Flask app set on it.
    own: Mapping[str, Any] = MappingProxyType({})
    applied: frozenset[str] = frozenset()
    _direct: DirectSender | None = None

    def set_current(self) -> None:
        """Do nothing: the app context decides which app is current, thread by thread."""

    def set_default(self) -> None:
        """Answer, as the worker's app, where neither an app context nor an only app does."""
        make_default(self.celeriac)

    def finalize(self, auto: bool = False) -> None:
        """As in Celery.

        Raises:
            DuplicateTask: Two functions under one name; the app stays unfinalised.
        """
        if self.is_ready:
            return
        # Celery says `finalized` before it is: who comes second must wait for the first to end.
        with _finalizing:
            if self.is_ready or self.is_finalizing:
                return
            self.is_finalizing = True
            try:
                super().finalize(auto=auto)
                collect.check_names(self.celeriac)
            except BaseException:
                # Half of the tasks would be missing for good: the next use tries, and fails, again.
                self.finalized = False
                raise
            finally:
                self.is_finalizing = False
            self.is_ready = True

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Send as Celery does, with what the request knows in the message's headers."""
        if late.is_sent_by_late_run(self, name, options):
            return self.AsyncResult(options.get("task_id") or uuid())
        headers = carry.outgoing(self.celeriac, options.get("headers"))
        if headers is not None:
            options["headers"] = headers
        if self.celeriac.settings.is_carried_by_us and (token := links.token_of(options)):
            options[PUBLISH_TOKEN] = token
        # Celery listens for the result before it publishes: when that fails, nothing was sent.
        try:
            return super().send_task(name, *args, **options)
        except EncodeError as error:
            raise not_json(name, error) from error
        except RuntimeError as error:
            name_lost_backend(error, "Nothing was sent.")
            raise

    @property
    def direct_sender(self) -> DirectSender | None:
        """What sends tasks past `send_task`; None where that is replaced or the broker another."""
        is_replaced = (
            "send_task" in self.__dict__
            or type(self).send_task is not _send_task
            or getattr(super().send_task, "__func__", None) is not originals.send_task
        )
        if is_replaced or not self.celeriac.settings.is_carried_by_us:
            return None
        if self._direct is None or self._direct.ways.amqp is not vars(self).get("amqp"):
            from flask_celeriac.enqueue.direct import DirectSender

            self._direct = DirectSender(self)
        return self._direct

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """As in Celery; a group that takes its producer here is published in batches."""
        context = super().producer_or_acquire(producer)
        is_held = producer is None and self.celeriac.settings.is_carried_by_us
        return self.holding.around(context) if is_held else context

    @cached_property
    def holding(self) -> Holding:
        """Members of groups that are to be published."""
        from .grouped import Holding

        return Holding()

    def connection_for_write(self, url: Any = None, **options: Any) -> Any:
        """As in Celery; raises `BrokerMissing` where Celery would try RabbitMQ on localhost."""
        self._require_broker(url)
        return super().connection_for_write(url, **options)

    def connection_for_read(self, url: Any = None, **options: Any) -> Any:
        """As in Celery; raises `BrokerMissing` where Celery would try RabbitMQ on localhost."""
        self._require_broker(url)
        return super().connection_for_read(url, **options)

    @property
    def backend(self) -> Any:
        """The result backend of this thread, as in Celery."""
        if self.celeriac.settings.broker_url is None:
            self._find_embedded()
        return super().backend

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802 - Celery's name
        return self.subclass_with_self(AsyncResult)

    @cached_property
    def GroupResult(self) -> Any:  # noqa: N802 - Celery's name
        return self.subclass_with_self(GroupResult)

    @cached_property
    def ResultSet(self) -> Any:  # noqa: N802 - Celery's name
        return self.subclass_with_self(ResultSet)

    def _require_broker(self, url: Any) -> None:
        if url or self.celeriac.settings.broker_url is not None:
            return
        if not self._find_embedded() and not self.conf.task_always_eager:
            raise BrokerMissing(
                f"The Flask app {self.celeriac.app.name!r} has no broker: set CELERY_BROKER_URL, "
                "or run `flask celery up`, which starts one for development. Nothing was sent."
            )

    def _find_embedded(self) -> bool:
        """Configure the server that a `flask celery up` beside us started after we did."""
        url = running_server(self.celeriac.app)
        if url is not None and urls.stock(self.conf.broker_url or "") != url:
            settings = self.celeriac.settings
            self.conf.update(broker_url=urls.ours(url) if settings.is_carried_by_us else url)
            if settings.result_backend is None:
                is_ours = settings.is_kept_by_us
                self.conf.update(result_backend=record_urls.ours(url) if is_ours else url)
        return url is not None


_send_task = FlaskCelery.send_task


def running_server(app: Flask) -> str | None:
    """The URL of the embedded server that runs for *app*; None where there is none."""
    from flask_celeriac.embedded import find_running  # not needed in production

    running = find_running(private_folder(app))
    return running.url if running else None


def make(name: str) -> FlaskCelery:
    """A Celery app called *name* that no thread takes for its current one."""
    return FlaskCelery(name, set_as_current=False)


@signals.celeryd_init.connect(weak=False, dispatch_uid="flask_celeriac.declare.celery_app.worker")
def _on_worker(instance: Any = None, **_: Any) -> None:
    _wait_as_a_worker(instance.app)


@signals.beat_init.connect(weak=False, dispatch_uid="flask_celeriac.declare.celery_app.beat")
def _on_beat(sender: Any = None, **_: Any) -> None:
    _wait_as_a_worker(sender.app)


def _wait_as_a_worker(celery: Celery) -> None:
    """Let worker and beat wait longer than a request may, and reconnect for ever."""
    if isinstance(celery, FlaskCelery):
        celery.conf.update(celery.celeriac.settings.worker)


def attach(celery: FlaskCelery, state: AppState) -> None:
    """Join *celery* to the Flask app of *state*: its tasks run in that app's context."""
    celery.celeriac = state
    internals.guard_settings(celery)
    loader: Any = celery.loader
    loader.on_task_init = context.entering(loader.on_task_init)
