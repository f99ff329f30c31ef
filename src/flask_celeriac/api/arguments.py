"""What a task takes, read from its function: a model of pydantic, made once for each task.

pydantic is imported when the first task is sent or described.
"""

from __future__ import annotations

import inspect
import json
import weakref
from collections.abc import Iterator, Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_type_hints

from flask_celeriac.errors import ConfigurationError

from .body import Body
from .pointers import mistakes
from .problem import Problem, invalid

if TYPE_CHECKING:
    from pydantic import BaseModel

_known: weakref.WeakKeyDictionary[Any, Arguments] = weakref.WeakKeyDictionary()


def arguments_of(task: Any) -> Arguments:
    """Return what *task*, one of Celery's, takes.

    Raises:
        ConfigurationError: Its annotations can not be read, or JSON has no form for one.
    """
    known = _known.get(task)
    if known is None:
        known = _known[task] = Arguments(task.name, task.run)
    return known


class Arguments:
    """What a task takes.

    Args:
        name: Of the task.
        function: Has no `self` any more.

    Attributes:
        model: Its fields have the names of the parameters as aliases.

    Raises:
        ConfigurationError: The annotations can not be read, or JSON has no form for one.
    """

    def __init__(self, name: str, function: Any) -> None:
        self.model = _model(name, function)

    def read(self, body: Body) -> dict[str, Any]:
        """Return the arguments in *body*, as the JSON values that are sent.

        These are the forms that pydantic gives to what it has read: "5" for an `int` becomes 5, and
        a `date` a text again. What is not given is left to the defaults of the function.

        Raises:
            Problem: 400 or 422; names each wrong field.
        """
        from pydantic import ValidationError

        try:
            read = self.model.model_validate_json(body.text)
            values = _dumped(read)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
        else:
            return {name: value for name, value in values.items() if name in body.values}
        if found[0]["type"] == "json_invalid":
            raise Problem(400, "The body is no JSON: a text in it is none.")
        raise invalid("The arguments do not fit the task.", mistakes(found, body.values))

    @property
    def are_required(self) -> bool:
        """Whether the task can not be sent without any."""
        return any(field.is_required() for field in self.model.model_fields.values())

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the object that is sent."""
        return self.model.model_json_schema(schema_generator=_generator())


def schemas_of(every: Mapping[str, Arguments], ref_template: str) -> tuple[dict[str, Any], Any]:
    """Return the JSON Schemas of several tasks, and the definitions that they refer to.

    Args:
        every: By the name of the task.
        ref_template: Where definitions will lie, with ``{model}`` for their name.
    """
    from pydantic.json_schema import models_json_schema

    models: Any = [(each.model, "validation") for each in every.values()]
    found, shared = models_json_schema(
        models, ref_template=ref_template, schema_generator=_generator()
    )
    schemas = {name: found[each.model, "validation"] for name, each in every.items()}
    return schemas, shared.get("$defs", {})


def _model(name: str, function: Any) -> type[BaseModel]:
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        hints = get_type_hints(inspect.unwrap(function), include_extras=True)
        parameters = inspect.signature(function).parameters.values()
        is_open = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
        config = ConfigDict(
            title=name,
            extra="allow" if is_open else "forbid",
            allow_inf_nan=False,
            hide_input_in_errors=True,
        )
        fields: dict[str, Any] = dict(_fields(parameters, hints))
        model: type[BaseModel] = create_model(name.replace(".", "_"), __config__=config, **fields)
        _refuse_secrets(name, model)
    except (PydanticUserError, PydanticUndefinedAnnotation, NameError, TypeError) as error:
        raise ConfigurationError(
            f"The task {name!r} can not be exposed, because its annotations have no form in JSON "
            f"or can not be read: {str(error).partition(chr(10))[0]}"
        ) from error
    return model


def _fields(parameters: Any, hints: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from pydantic import Field

    for place, each in enumerate(parameters):
        hint: Any = hints.get(each.name, Any)
        if each.kind is Parameter.VAR_KEYWORD:
            # Written so, since to type checkers it is no type.
            yield "__pydantic_extra__", (dict.__class_getitem__((str, hint)), ...)
        elif each.kind is not Parameter.VAR_POSITIONAL:
            default = ... if each.default is Parameter.empty else each.default
            # A parameter may have a name that a model keeps for itself.
            yield f"argument_{place}", (hint, Field(default, alias=each.name))


def _dumped(read: BaseModel) -> dict[str, Any]:
    """Return the JSON forms of what was given.

    Raises:
        Problem: 422: a text was read as a number that JSON does not have.
    """
    values = read.model_dump(
        mode="json", by_alias=True, round_trip=True, include=read.model_fields_set, warnings=False
    )
    try:
        json.dumps(values, allow_nan=False)
    except ValueError:
        detail = "a number is not finite"
        raise invalid(
            "The arguments do not fit the task.", [{"pointer": "#", "detail": detail}]
        ) from None
    return values


def _refuse_secrets(name: str, model: type[BaseModel]) -> None:
    """Refuse types that pydantic writes as asterisks, which is what the task would get.

    Raises:
        TypeError: There is one.
    """
    schema = json.dumps(model.model_json_schema(schema_generator=_generator()), default=str)
    if '"writeOnly": true' in schema and '"format": "password"' in schema:
        raise TypeError(f"{name!r} takes a secret, which can not be sent: take the id of one.")


def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    class Quiet(GenerateJsonSchema):
        # A default that JSON has no form for is not shown.
        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012

    return Quiet
