"""Parameters of the routes: each has a type, a range and a cap, and a wrong one is named.

A route declares its parameters as a pydantic model and gets an instance of it:

    class Delay(Params):
        seconds: float = Field(1.0, ge=0, le=MAX_SECONDS, description="wait, in seconds")

    @takes(Delay)
    async def delay(request, params): ...
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MAX_SECONDS = 30.0
MAX_BYTES = 32 * 1024 * 1024
MAX_PIECES = 1000
NAME_PATTERN = r"^[A-Za-z0-9_.-]{1,40}$"


class Params(BaseModel):
    """The parameters of one route, from its query string."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class BadParameter(Exception):
    """A parameter that is unknown, given twice, of the wrong type or out of its range."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(problems)
        self.problems = problems


def takes(model: type[Params]) -> Callable[[Callable[..., Awaitable[Response]]], Callable]:
    """Give a route its parameters as the second argument, checked against `model`."""

    def decorate(handler: Callable[[Request, Any], Awaitable[Response]]) -> Callable:
        defaults = model()  # frozen, so all requests without a query may share it

        @functools.wraps(handler)
        async def endpoint(request: Request) -> Response:
            if not request.scope["query_string"]:
                return await handler(request, defaults)
            return await handler(request, parse(model, request.query_params.multi_items()))

        endpoint.params = model
        return endpoint

    return decorate


def parse(model: type[Params], given: list[tuple[str, str]]) -> Params:
    """Return the query's name-value pairs as an instance of `model`.

    Raises `BadParameter`, which names every problem: the parameter, what came, what is allowed.
    """
    values = dict(given)
    names = [name for name, _ in given]
    twice = [name for name in values if names.count(name) > 1]
    if twice:
        raise BadParameter(
            [
                {
                    "parameter": name,
                    "got": [v for n, v in given if n == name],
                    "allowed": "one value",
                }
                for name in twice
            ]
        )
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        allowed = describe(model)
        problems = []
        for error in exc.errors():
            name = str(error["loc"][0])
            problems.append(
                {
                    "parameter": name,
                    "got": values.get(name, error["input"]),
                    "allowed": allowed.get(name, f"no such parameter; there are: {_names(model)}"),
                }
            )
        raise BadParameter(problems) from exc


async def bad_parameter_response(request: Request, exc: BadParameter) -> JSONResponse:
    """Answer 422 (RFC 9110, 15.5.21) with the list of problems."""
    return JSONResponse({"error": "bad parameter", "problems": exc.problems}, status_code=422)


def describe(model: type[Params]) -> dict[str, str]:
    """Return what is allowed for each parameter of `model`, in words."""
    properties = model.model_json_schema().get("properties", {})
    return {name: _describe_one(schema) for name, schema in properties.items()}


def _describe_one(schema: dict[str, Any]) -> str:
    # An optional parameter is described by the type that it has when it is given.
    schema = {**schema, **schema.get("anyOf", [{}])[0]}
    if "enum" in schema:
        kind = "one of " + ", ".join(map(str, schema["enum"]))
    elif schema.get("pattern") == NAME_PATTERN:
        kind = "1 to 40 letters, digits, dots, dashes or underscores"
    else:
        kind = {"integer": "a whole number", "number": "a number"}[schema["type"]]
        kind += f" from {schema['minimum']:g} to {_plain(schema['maximum'])}"
    default = f", by default {schema['default']}" if schema.get("default") is not None else ""
    return f"{schema['description']}: {kind}{default}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _names(model: type[Params]) -> str:
    return ", ".join(model.model_fields) or "none"
