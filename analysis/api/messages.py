"""The conversation of one call, the same for every provider: OpenTelemetry's GenAI messages. Ours; Helicone has no such path."""

from functools import partial
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.conversations.model import dumped
from analysis.api.calls import query_flag
from analysis.api.envelope import ApiError, answer
from analysis.api.openapi import ANY, BOOLEAN, INTEGER, TEXT, TIME, documented, list_of, nullable, record
from analysis.api.state import Api
from analysis.conversations.messages import as_record, by_id, new_from
from analysis.lake import Connection

_MESSAGES: Final = nullable(list_of(record(role=TEXT, parts=list_of(ANY))))
SCHEMA: Final = record(
    request_id=TEXT,
    started_at=TIME,
    provider_name=TEXT,
    operation_name=TEXT,
    model=nullable(TEXT),
    input_messages=_MESSAGES,
    output_messages=_MESSAGES,
    system_instructions=nullable(list_of(ANY)),
    tool_definitions=nullable(list_of(record(type=TEXT, name=TEXT))),
    mcp_servers=nullable(list_of(TEXT)),
    first_new=nullable(INTEGER),
)


def conversation_of(connection: Connection, request_id: str, *, with_new: bool) -> bytes:
    """As JSON, empty where there is no such call; of a repeated id that of the newest call. `first_new` is null unless it is
    asked for."""
    calls = by_id(connection, request_id)
    if not calls:
        return b""
    call = calls[-1]
    return dumped(as_record(call) | {"first_new": new_from(connection, call) if with_new else None})


def routes(api: Api) -> list[Route]:
    async def messages(request: Request) -> Response:
        request_id = request.path_params["request_id"]
        with_new = query_flag(request, "new")
        # The turn before it may be of any earlier day.
        asked = api.ask if with_new else partial(api.ask_by_id, request_id)
        found = await asked(lambda connection: conversation_of(connection, request_id, with_new=with_new))
        if not found:
            raise ApiError(404, f"no request {request_id!r}; one is found a second after it ended")
        return answer(orjson.Fragment(found))

    about: dict[str, Any] = {"components": {"Conversation": SCHEMA}, "errors": (400, 404, 422)}
    return [
        documented(
            "/v1/request/{request_id}/messages",
            messages,
            method="GET",
            summary="What was said in a call, as OpenTelemetry's messages; with `new=true` where its turn begins",
            query={"new": BOOLEAN},
            data={"$ref": "#/components/schemas/Conversation"},
            **about,
        )
    ]
