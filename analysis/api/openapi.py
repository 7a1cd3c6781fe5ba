"""The OpenAPI document, made of what each route says of itself.

A module of routes writes `documented("/v1/thing/{id}", endpoint, method="POST", summary=..., body=SCHEMA, data=SCHEMA)`
in place of `Route(...)`. Schemas are JSON Schema 2020-12 as plain dicts; what several share goes into `components`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from addon.routing.own_endpoints import ENDPOINTS

Schema = Mapping[str, Any]

_IN_TABLE: Final = {(own.method, own.pattern) for own in ENDPOINTS if own.served_by == "api"}

PATH: Final = "/openapi.json"
ANY: Final[Schema] = {}
TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
INTEGER: Final[Schema] = {"type": "integer"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
NULL: Final[Schema] = {"type": "null"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}

_ERRORS: Final[Mapping[int, str]] = {
    400: "What was sent cannot be used; `error` names the field and says what is allowed.",
    404: "There is no such thing.",
    413: "The body is too long.",
    422: "Well-formed, but too much at once or without an answer; `error` says how to ask instead.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the document says of a route. `data` is in the envelope `{"data": ..., "error": null}`."""

    summary: str
    data: Schema = field(default_factory=dict)
    body: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    errors: Sequence[int] = ()
    components: Mapping[str, Schema] = field(default_factory=dict)  # what `#/components/schemas/NAME` refers to
    replaced: Mapping[str, Any] = field(default_factory=dict)  # parts of the operation object, where no envelope fits


class Documented(Route):
    """A route that says what it takes and answers."""

    def __init__(self, path: str, endpoint: Callable[..., Any], method: str, operation: Operation) -> None:
        if (method, path) not in _IN_TABLE:
            raise ValueError(f"{method} {path} is not in addon/routing/own_endpoints.py")
        super().__init__(path, endpoint, methods=[method])
        self.method, self.operation = method, operation


def documented(path: str, endpoint: Callable[..., Any], *, method: str = "POST", **about: Any) -> Documented:
    """A route with its part of the document: `about` are the fields of Operation."""
    return Documented(path, endpoint, method, Operation(**about))


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def record(**fields: Schema) -> Schema:
    """An object with all of these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes that are documented."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Schema] = {"Error": _envelope(NULL, TEXT)}
    for route in routes:
        if isinstance(route, Documented):
            path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(path, route.operation)
            components |= route.operation.components
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "heliograph",
            "version": version("heliograph"),
            "description": "Feedback, logs and questions in Helicone's wire format, answered from your own files.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def openapi_route(routes: Sequence[BaseRoute]) -> Documented:
    """Serves the document of `routes` and of itself."""

    def answer(_: Request) -> Response:
        return JSONResponse(document([*routes, own]))

    own = documented(
        PATH,
        answer,
        method="GET",
        summary="This document",
        replaced={"responses": {"200": {"description": "OpenAPI 3.1", "content": _json({"type": "object"})}}},
    )
    return own


def _operation(path: str, operation: Operation) -> dict[str, Any]:
    answers = {operation.status: {"description": "Done", "content": _json(_envelope(operation.data, NULL))}}
    for status in operation.errors:
        error = {"$ref": "#/components/schemas/Error"}
        answers[status] = {"description": _ERRORS[status], "content": _json(error)}
    result: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {str(status): answer for status, answer in sorted(answers.items())},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"\{(\w+)\}", path)
    ] + [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    if parameters:
        result["parameters"] = parameters
    if operation.body is not None:
        result["requestBody"] = {"required": True, "content": _json(operation.body)}
    return result | dict(operation.replaced)


def _envelope(data: Schema, error: Schema) -> Schema:
    return record(data=data, error=error)


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
