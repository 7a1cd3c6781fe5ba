"""What people say of a call on its page: rating, scores, properties; and the replay. Told as the API's endpoints tell it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from addon.ids import parse_uuid
from addon.intake import events
from addon.storage.record import EventRow
from analysis.api.envelope import ApiError
from analysis.api.feedback import tell_of_call
from analysis.dashboard import again
from analysis.dashboard.forms import read_form
from analysis.dashboard.one_call import asked_id, bodies_of, row_of, row_or_none
from analysis.dashboard.pages import Site, run
from analysis.dashboard.replay import NotSent, Replayed, answer_of, proxy_url, replay
from analysis.dashboard.stream_pieces import Words
from analysis.dashboard.view import View, view_of
from analysis.lake import Connection

_PATH: Final = "/requests/{request_id}"
MOST_SHOWN_CHARS: Final = 20_000  # of an answer as it came


def routes(site: Site) -> list[Route]:
    async def notes(request: Request) -> Response:
        return await show(request)

    async def rate(request: Request) -> Response:
        form = await read_form(request)
        rating = {"good": True, "bad": False}.get(form.get("rating", ""))
        return await tell(request, lambda call, at: [events.feedback(call, rating, at)])

    async def score(request: Request) -> Response:
        form = await read_form(request)
        value = events.parse_score(form.get("value", ""))
        return await tell(request, lambda call, at: events.scores(call, {form.get("name", "").strip(): value}, at))

    async def set_property(request: Request) -> Response:
        form = await read_form(request)
        return await tell(
            request,
            lambda call, at: [events.property_change(call, form.get("name", ""), form.get("value", ""), at)],
        )

    async def tell(request: Request, make: Any) -> Response:
        request_id = parse_uuid(request.path_params["request_id"])
        if request_id is None:
            raise ApiError(404, "There is no such call.")
        try:
            rows: Sequence[EventRow] = make(request_id, datetime.now(UTC))
        except ValueError as problem:
            return await show(request, problem=str(problem))
        await tell_of_call(site.dashboard.api, request_id, rows)
        return await show(request, told=True)

    async def show(request: Request, *, told: bool = False, problem: str | None = None) -> Response:
        view = view_of(request)
        request_id = asked_id(request)

        def question(connection: Connection) -> dict[str, Any]:
            (found,) = run(connection, "one_request_notes", {"id": request_id}).records()
            row = row_or_none(connection, request_id)
            return {**found, "properties": dict(row["properties"] or {}) if row else {}}

        found = await site.dashboard.api.ask(question)
        return site.part("request_notes.html", view, request_id=request_id, told=told, problem=problem, **found)

    async def send(request: Request) -> Response:
        view, form = view_of(request), await read_form(request)
        request_id = asked_id(request)
        proxy = proxy_url(site.dashboard.api.settings.data)
        if proxy is None:
            raise ApiError(409, "No proxy runs on this data folder.")
        if form.get("sure") != "yes":
            raise ApiError(400, "Tick the box first: sending the call again costs money.")

        def question(connection: Connection) -> dict[str, Any]:
            row = row_of(connection, request_id)
            return {**row, **bodies_of(connection, row)}

        try:
            row = await site.dashboard.api.ask(question)
            call = again.again(row)
            answer = replay(call, proxy, form.get("key", ""), form.get("own_key", ""), request_id)
            first = await run_in_threadpool(next, answer)
        except (again.NotAgain, NotSent) as problem:
            raise ApiError(409, str(problem)) from problem
        told = _told(site, view, row, chain([first], answer))
        return StreamingResponse(told, media_type="application/x-ndjson")

    return [
        Route(f"{_PATH}/-/notes", notes),
        Route(f"{_PATH}/-/rating", rate, methods=["POST"]),
        Route(f"{_PATH}/-/score", score, methods=["POST"]),
        Route(f"{_PATH}/-/property", set_property, methods=["POST"]),
        Route(f"{_PATH}/-/replay", send, methods=["POST"]),
    ]


def _told(site: Site, view: View, row: Mapping[str, Any], answer: Iterator[bytes | Replayed]) -> Iterator[bytes]:
    """Lines of JSON: the `words` of the new answer as they come, at the end the whole of it as `html` of ours."""
    words = Words()
    try:
        for piece in answer:
            if isinstance(piece, bytes):
                if said := words.of(piece):
                    yield _line(words=said)
            else:
                shown = {"sent": piece, "turns": answer_of(row, piece), "most": MOST_SHOWN_CHARS}
                yield _line(html=site.fragment("request_replayed.html", view, **shown))
    except NotSent as problem:  # it broke off
        yield _line(html=site.fragment("error_part.html", view, message=str(problem)))


def _line(**told: str) -> bytes:
    return orjson.dumps({name: text.encode("utf-8", "replace").decode() for name, text in told.items()}) + b"\n"


def attempts_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All attempts of a call, the last one made of the row itself. None were made for an answer from the cache."""
    failed = _failed_attempts(row["failed_attempts"])
    if not row["attempts"]:
        return failed
    begun = failed[-1]["started_ms"] + failed[-1]["duration_ms"] if failed else 0
    last = {name: row[name] for name in ("provider_name", "host", "status", "error_type")}
    length = None if row["duration_ms"] is None else max(0, row["duration_ms"] - begun)
    return [*failed, {**last, "started_ms": begun, "duration_ms": length}]


def _failed_attempts(text: str | None) -> list[dict[str, Any]]:
    """Those that are as ours are."""
    try:
        found = orjson.loads(text or "[]")
    except ValueError:
        return []
    shape = {"provider_name": str, "host": str, "status": int | None, "error_type": str | None}
    shape |= {"started_ms": int, "duration_ms": int}
    return [
        each
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict) and all(name in each and isinstance(each[name], kind) for name, kind in shape.items())
    ]
