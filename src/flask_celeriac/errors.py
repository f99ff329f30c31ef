"""Every error that Flask-Celeriac raises.

    CeleriacError
    ├── ConfigurationError (ValueError)      the configuration is wrong; nothing was started
    │   └── BrokerMissing                    no broker is configured where one is needed
    ├── NotInitialized (LookupError)         a task was used before any app was initialised
    ├── AmbiguousApp (LookupError)           several apps, and no app context that says which
    ├── AlreadyInitialized (ValueError)      init_app twice on one app
    ├── DuplicateTask (ValueError)           two functions under one task name
    ├── CarryError (ValueError)              a carried value could not be dumped or loaded
    ├── ArgumentsNotJSON (kombu.exceptions.EncodeError, TypeError)
    ├── MessageTooLarge (ValueError)         a message is larger than one may be
    ├── AsyncUnsupported (TypeError)         an async task where no event loop can run
    ├── ResultTimeout (TimeoutError, celery.exceptions.TimeoutError)
    ├── ResultBackendMissing (NotImplementedError)
    ├── ResultBackendUnavailable (kombu.exceptions.OperationalError)
    ├── Unroutable (kombu.exceptions.OperationalError)
    ├── NotAllSent (kombu.exceptions.OperationalError)
    ├── TaskIsDead (RuntimeError)            the task is a dead letter and will not run
    ├── TaskCancelled (celery.exceptions.Ignore)  raised inside a task that somebody has cancelled
    ├── QueueFull (kombu.exceptions.OperationalError)  the queue has as many messages as it may
    ├── EmbeddedServerError (OSError)        the embedded server can not be started or reached
    └── MissingExtra (ImportError)           an optional dependency is not installed

Each can be pickled, names what was wrong and says what to do.
"""

from __future__ import annotations

from celery.exceptions import Ignore
from celery.exceptions import TimeoutError as CeleryTimeoutError
from kombu.exceptions import EncodeError, OperationalError


class CeleriacError(Exception):
    """Flask-Celeriac could not go on."""


class ConfigurationError(CeleriacError, ValueError):
    """The configuration is wrong: correct the named key. Nothing was started."""


class BrokerMissing(ConfigurationError):
    """No broker is configured: set CELERY_BROKER_URL, or run `flask celery up` for development."""


class NotInitialized(CeleriacError, LookupError):
    """No Flask app was initialised: call `celeriac.init_app(app)` first. Nothing was sent."""


class AmbiguousApp(CeleriacError, LookupError):
    """Several Flask apps are initialised: use the task inside `with app.app_context():`."""


class AlreadyInitialized(CeleriacError, ValueError):
    """`init_app` was called twice for one Flask app: call it once, in the app factory."""


class DuplicateTask(CeleriacError, ValueError):
    """Two tasks have one name: rename one, or give it `name=...`."""


class CarryError(CeleriacError, ValueError):
    """A carried value could not be dumped (nothing was sent) or loaded (the task did not run)."""


class ArgumentsNotJSON(CeleriacError, EncodeError, TypeError):
    """The arguments of a task can not be encoded: pass ids, numbers, texts. Nothing was sent."""


class MessageTooLarge(CeleriacError, ValueError):
    """A message is larger than one may be: keep the data elsewhere and send where it is."""


class AsyncUnsupported(CeleriacError, TypeError):
    """`async def` tasks need the prefork, threads or solo pool."""


class ResultTimeout(CeleriacError, CeleryTimeoutError, TimeoutError):
    """The result did not arrive in time. The task may still run; ask again later."""


class ResultBackendMissing(CeleriacError, NotImplementedError):
    """A result was asked for, but no result backend is configured: set CELERY_RESULT_BACKEND."""


class ResultBackendUnavailable(CeleriacError, OperationalError):
    """The result backend does not answer. Ask again later."""

    @classmethod
    def because(
        cls, error: object, consequence: str = "Ask again later."
    ) -> ResultBackendUnavailable:
        """Return what tells of the *error* by which the backend was lost, and what follows."""
        return cls(f"The result backend does not answer: {error}. {consequence}")


class Unroutable(CeleriacError, OperationalError):
    """No queue is bound to the exchange for this routing key. Nothing was sent."""


class NotAllSent(CeleriacError, OperationalError):
    """The broker failed while many tasks were sent: send again what `sent_ids` do not name.

    Attributes:
        sent_ids: Of the tasks that were sent, the first of all, in their order.
        uncertain_ids: Of those after them that may or may not have arrived.
    """

    def __init__(
        self,
        message: str = "",
        sent_ids: tuple[str, ...] = (),
        uncertain_ids: tuple[str, ...] = (),
    ) -> None:
        # All are in `args`, by which an error is pickled.
        super().__init__(message, sent_ids, uncertain_ids)
        self.sent_ids, self.uncertain_ids = sent_ids, uncertain_ids

    def __str__(self) -> str:
        return str(self.args[0]) or str(self.__doc__).partition("\n")[0]


class TaskIsDead(CeleriacError, RuntimeError):
    """The task is a dead letter and will not run: see `flask celery dead`."""


class TaskCancelled(CeleriacError, Ignore):
    """Somebody wants this task to end. Let it pass: the state of the task becomes REVOKED."""


class QueueFull(CeleriacError, OperationalError):
    """The queue has as many messages as it may. Nothing was sent; send again later."""


class EmbeddedServerError(CeleriacError, OSError):
    """The embedded server could not be started or reached."""


class MissingExtra(CeleriacError, ImportError):
    """An optional dependency is missing: install the named extra."""
