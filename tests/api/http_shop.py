"""A shop whose tasks are exposed by HTTP; `create_app` is for workers."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any

from flask import Flask, Request
from pydantic import BaseModel, Field, field_validator

from flask_celeriac import Celeriac
from flask_celeriac.access import Ask

PREFIX = "/api/v1/tasks"
#: All that were made and not closed.
made: list[Flask] = []


class Kind(Enum):
    PLAIN = "plain"
    GIFT = "gift"


class Item(BaseModel):
    name: str
    weight_kg: float = 0.5
    tags: list[str] = []

    @field_validator("name")
    @classmethod
    def be_sold_here(cls, name: str) -> str:
        if name == "unicorn":
            raise ValueError(f"{name} is not sold here")
        return name


def order(
    item: Item,
    quantity: Annotated[int, Field(gt=0)] = 1,
    due: date | None = None,
    kind: Kind = Kind.PLAIN,
    code: int | list[int] | None = None,
) -> dict[str, Any]:
    """Order something.

    What comes back is what came.
    """
    return {"item": item, "quantity": quantity, "due": due, "kind": str(kind), "code": code}


def fail(text: str = "no", json: Any = None) -> None:
    """Fail with a text."""
    raise ValueError(text)


def take_anything(first, *rest, second=2, **more):  # type: ignore[no-untyped-def]
    return [first, *rest, second, more]


def model_of(item: Item) -> str:
    """Say of which type the argument is."""
    return type(item).__name__


def count(self: Any, number: int) -> int:
    """Count, and say how far."""
    for done in self.app.celeriac.app.extensions["shop"].track(range(number)):
        del done
    return number


def make(**config: Any) -> tuple[Celeriac, Flask]:
    """Return the extension and the application of a new shop, whose users are named in a header."""
    celeriac = Celeriac()
    options = {"countdown": 3600, "priority": (0, 9), "queue": ("mail", "slow")}
    celeriac.expose(**options)(celeriac.task(name="shop.order")(order))  # type: ignore[arg-type]
    celeriac.task(name="shop.fail", expose=True)(fail)
    celeriac.task(name="shop.take_anything", expose=True)(take_anything)
    celeriac.task(name="shop.model_of", expose=True, pydantic=True)(model_of)
    celeriac.task(name="shop.count", expose=True, bind=True)(count)
    celeriac.task(name="shop.hidden")(model_of)
    app = Flask("shop")
    app.extensions["shop"] = celeriac
    app.config.from_prefixed_env("SHOP")
    app.config.update({"TESTING": True, "PROPAGATE_EXCEPTIONS": False, **config})
    celeriac.init_app(app)
    made.append(app)
    app.register_blueprint(celeriac.api, url_prefix=PREFIX)

    @celeriac.access
    def may(request: Request, ask: Ask) -> bool:
        return request.headers.get("User") != "nobody"

    @celeriac.owner
    def owner(request: Request) -> str | None:
        return request.headers.get("User")

    return celeriac, app


def without_request_id(answer: Any) -> dict[str, str]:
    """Return the headers of an answer that might tell one from another."""
    return {name: value for name, value in answer.headers if name != "X-Request-ID"}


def create_app() -> Flask:
    return make()[1]
