"""What programs and people say of calls after they ended: ratings, scores, properties.

Source: Helicone's requestController.ts and sessionController.ts, and its documentation. An answer means that the journal
has it; the views show it within two seconds. What is said goes to every row with that id.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.ids import parse_uuid
from addon.intake import events
from addon.storage.record import EventRow
from analysis.api.bodies import read_object
from analysis.api.envelope import ApiError, answer
from analysis.api.openapi import BOOLEAN, NULL, NUMBER, TEXT, Schema, documented, nullable, record
from analysis.api.state import Api
from analysis.known_calls import first_of_session, is_known
from analysis.lake import Connection

Body = dict[str, Any]
RowMaker = Callable[[str, Body, datetime], Sequence[EventRow]]  # of an id and a body; raises ValueError

_SHOWN: Final = 100  # characters of an id in a message

_SCORE: Final[Schema] = {"anyOf": [NUMBER, BOOLEAN]}
_SCORES: Final[Schema] = {"type": "object", "additionalProperties": _SCORE}
_RATING: Final = record(rating=BOOLEAN)


def routes(api: Api) -> list[Route]:
    async def rate(request: Request) -> Response:
        return await of_call(request, lambda call, body, at: [events.feedback(call, body.get("rating"), at)])

    async def rate_by_body(request: Request) -> Response:
        """The older form: the id is in the body."""
        body = await _object(request)
        row = _checked(lambda: events.feedback(_call_id(body.get("helicone-id")), body.get("rating"), _now()))
        await tell_of_call(api, row.request_id, [row])
        return answer(None)

    async def score(request: Request) -> Response:
        return await of_call(request, lambda call, body, at: events.scores(call, body.get("scores"), at), status=201)

    async def score_one(request: Request) -> Response:
        return await of_call(
            request, lambda call, body, at: [events.score(call, body.get("name"), body.get("score"), at)]
        )

    async def set_property(request: Request) -> Response:
        return await of_call(
            request, lambda call, body, at: [events.property_change(call, body.get("key"), body.get("value"), at)]
        )

    async def rate_session(request: Request) -> Response:
        return await of_session(request, lambda call, body, at: [events.session_feedback(call, body.get("rating"), at)])

    async def tag_session(request: Request) -> Response:
        return await of_session(request, lambda call, body, at: [events.session_tag(call, body.get("tag"), at)])

    async def session_tag(request: Request) -> Response:
        session_id = request.path_params["id"]

        def newest(connection: Connection) -> object:
            found = connection.execute(
                "select value from property_changes where name = $name and request_id in"
                " (select request_id from requests where session_id = $id) order by created_at desc limit 1",
                {"name": events.SESSION_TAG, "id": session_id},
            ).fetchone()
            return found[0] if found else None

        return answer(await api.ask(newest))

    async def of_call(request: Request, make: RowMaker, status: int = 200) -> Response:
        body = await _object(request)
        request_id = _call_id(request.path_params["id"])
        await tell_of_call(api, request_id, _checked(lambda: make(request_id, body, _now())))
        return answer(None, status)

    async def of_session(request: Request, make: RowMaker) -> Response:
        body, session_id = await _object(request), request.path_params["id"]
        _checked(lambda: make("", body, _now()))  # a body that is wrong is told before the search
        call = await run_in_threadpool(first_of_session, api.lake, api.settings.data, session_id)
        if call is None:
            raise ApiError(404, f"no call has the session id {session_id[:_SHOWN]!r}")
        await run_in_threadpool(_tell, api, make(call, body, _now()))
        return answer(None)

    told: dict[str, Any] = {"data": NULL, "errors": (400, 404)}
    scores: dict[str, Any] = {"body": record(scores=_SCORES), "status": 201, **told}
    session = "/v1/session/{id:path}"  # a session's id may have a slash
    return [
        documented("/v1/request/{id}/feedback", rate, summary="Rate a call", body=_RATING, **told),
        documented("/v1/request/{id}/score", score, summary="Give a call scores", **scores),
        documented("/v1/webhook/request/{id}/score", score, summary="The same, in old programs", **scores),
        documented(
            "/v1/request/{id}/property",
            set_property,
            method="PUT",
            summary="Set a property of a call",
            body=record(key=TEXT, value=TEXT),
            **told,
        ),
        documented(
            "/v1/evals/{id}", score_one, summary="Give a call one score", body=record(name=TEXT, score=_SCORE), **told
        ),
        documented(
            "/v1/feedback",
            rate_by_body,
            summary="Rate a call, in old programs",
            body={
                "type": "object",
                "properties": {"helicone-id": TEXT, "rating": BOOLEAN},
                "required": ["helicone-id", "rating"],
            },
            **told,
        ),
        documented(f"{session}/feedback", rate_session, summary="Rate a session", body=_RATING, **told),
        documented(f"{session}/tag", tag_session, summary="Tag a session", body=record(tag=TEXT), **told),
        documented(
            f"{session}/tag",
            session_tag,
            method="GET",
            summary="The tag of a session",
            data=nullable(TEXT),
            errors=(404,),
        ),
    ]


async def tell_of_call(api: Api, request_id: str, rows: Sequence[EventRow]) -> None:
    """Raises ApiError: there is no such call, or the journal cannot be written."""

    def tell_if_known() -> None:
        if not is_known(api.lake, api.settings.data, request_id):
            raise ApiError(404, f"no call has the id {request_id}")
        _tell(api, rows)

    await run_in_threadpool(tell_if_known)


def _tell(api: Api, rows: Sequence[EventRow]) -> None:
    if not api.journal.tell(rows):
        raise ApiError(503, "the journal cannot be written just now; try again in a while")


async def _object(request: Request) -> Body:
    """The body. Whatever is wrong with it is a 400: Helicone's clients know no other."""
    try:
        return await read_object(request)
    except ApiError as error:
        raise ApiError(400, error.message) from error


def _checked[T](make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise ApiError(400, str(error)) from error


def _call_id(given: object) -> str:
    if not isinstance(given, str):
        raise ApiError(400, "helicone-id: is missing or no text; write the call's Helicone-Id")
    if (request_id := parse_uuid(given)) is None:
        raise ApiError(404, f"no call has the id {given[:_SHOWN]!r}: ids are UUIDs, as in the answer's Helicone-Id")
    return request_id


def _now() -> datetime:
    return datetime.now(UTC)
