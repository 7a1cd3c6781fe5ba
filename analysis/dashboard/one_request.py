"""The page of one request: what was said, how it came, what it cost, and what can be done with it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.metering.explain import explain_row
from analysis.api.envelope import ApiError
from analysis.conversations.blocks import message_turns, turns_of
from analysis.conversations.messages import by_id, new_from, turn_after, turn_before
from analysis.conversations.turn_diff import turn_diff
from analysis.dashboard import again, request_notes
from analysis.dashboard.json_tree import hits, json_tree
from analysis.dashboard.one_call import Row, asked_id, bodies_of, row_of
from analysis.dashboard.pages import Site, kept, run
from analysis.dashboard.prices import price_list
from analysis.dashboard.replay import proxy_url
from analysis.dashboard.session_key import session_path_of
from analysis.dashboard.stream_pieces import HEIGHT, WIDTH, pieces_of
from analysis.dashboard.view import View, view_of
from analysis.explained import request_rows
from analysis.lake import Connection

PATH: Final = "/requests/{request_id}"
TABS: Final = {
    "conversation": "Conversation",
    "turns": "Turns",
    "raw": "Raw",
    "stream": "Stream",
    "cost": "Cost",
    "http": "HTTP",
    "again": "Send again",
}
MOST_TURNS: Final = 300  # messages of one page
MOST_COPIED_CHARS: Final = 100_000  # of a body inside a text to copy
MOST_RAW_CHARS: Final = 200_000  # of a body that is not JSON

type Part = Callable[[Connection, View, Row], Mapping[str, Any]]


def routes(site: Site) -> list[Route]:
    async def page(request: Request) -> Response:
        view = view_of(request)

        def question(connection: Connection) -> dict[str, Any]:
            row = row_of(connection, asked_id(request))
            variables = {"id": row["request_id"], "started_us": row["started_us"]}
            (beside,) = run(connection, "one_request_beside", variables).records()
            return {"row": row, "beside": beside}

        found = await site.ask(view, question)
        tab = view.options.get("tab", "")
        return site.page(
            request,
            "one_request.html",
            view,
            tabs=TABS,
            tab=tab if tab in TABS else "conversation",
            session_path=session_path_of(found["row"]["session_id"]),
            **found,
        )

    def part(name: str, answer: Part) -> Route:
        async def asked(request: Request) -> Response:
            view = view_of(request)

            def question(connection: Connection) -> Mapping[str, Any]:
                row = row_of(connection, asked_id(request))
                return {"row": row, **answer(connection, view, row)}

            return site.part(f"request_{name}.html", view, **await site.dashboard.api.ask(question))

        return Route(f"{PATH}/-/{name}", kept(site, asked))

    async def cost(request: Request) -> Response:
        view = view_of(request)
        prices = await run_in_threadpool(price_list, site.dashboard.settings())

        def question(connection: Connection) -> Mapping[str, Any]:
            row = row_of(connection, asked_id(request))
            kept = request_rows(connection, row["request_id"], row["date"])[-1]
            return {"row": row, "explained": explain_row(kept, prices), "kept": kept}

        return site.part("request_cost.html", view, **await site.dashboard.api.ask(question))

    async def body(request: Request) -> Response:
        """A whole body, to keep as a file: never shown as a page."""
        side = request.path_params["side"]

        def question(connection: Connection) -> Row:
            return bodies_of(connection, row_of(connection, asked_id(request)))

        found = await site.dashboard.api.ask(question)
        text = found[f"{side}_body"]
        if text is None:
            raise ApiError(404, f"the body of this {side} was not kept, or is empty")
        name = f"{request.path_params['request_id'][:40]}-{side}.txt"
        return Response(
            text, media_type="text/plain", headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    async def send_again(request: Request) -> Response:
        view = view_of(request)

        def question(connection: Connection) -> Mapping[str, Any]:
            row = row_of(connection, asked_id(request))
            return {"row": row, **_again(connection, view, row, proxy_url(site.dashboard.api.settings.data))}

        return site.part("request_again.html", view, **await site.dashboard.api.ask(question))

    return [
        Route(PATH, page),
        Route(f"{PATH}/body/{{side:path}}", _only_sides(body)),
        part("conversation", _conversation),
        part("turns", _turns),
        part("raw", _raw),
        part("stream", _stream),
        part("http", _http),
        Route(f"{PATH}/-/cost", kept(site, cost)),
        Route(f"{PATH}/-/again", send_again),
        *request_notes.routes(site),
    ]


def _only_sides(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def asked(request: Request) -> Response:
        if request.path_params["side"] not in ("request", "response"):
            raise ApiError(404, "There is no such page.")
        return await answer(request)

    return asked


def _conversation(connection: Connection, view: View, row: Row) -> Mapping[str, Any]:
    calls = by_id(connection, row["request_id"], row["date"])
    call = calls[-1]
    found = call.conversation
    if found is None:
        return {"turns": None, "said": call.said, "start": 0, "first_new": 0, "tools": (), "servers": ()}
    messages = len(found.input_messages)
    start = _number(view.options.get("after"), max(0, messages - MOST_TURNS))
    start = min(start, max(0, messages - 1))
    turns = turns_of(found, start)
    return {
        "turns": turns[: MOST_TURNS + 2] if start + MOST_TURNS < messages else turns,
        "said": call.said,
        "start": start,
        "messages": messages,
        "most": MOST_TURNS,
        "first_new": new_from(connection, call),
        "tools": [str(tool["name"]) for tool in found.tool_definitions],
        "servers": found.mcp_servers,
    }


def _turns(connection: Connection, view: View, row: Row) -> Mapping[str, Any]:
    call = by_id(connection, row["request_id"], row["date"])[-1]
    before, after = turn_before(connection, call), turn_after(connection, call)
    shown = []
    for title, earlier, later, other in (
        ("Since the turn before", before, call, before),
        ("Until the next turn", call, after, after),
    ):
        diff = turn_diff(earlier, later) if earlier and later else None
        shown.append(
            {
                "title": title,
                "other": other.request_id if other else None,
                "diff": diff,
                "added": message_turns(diff.added) if diff else [],
                "removed": message_turns(diff.removed) if diff else [],
            }
        )
    return {"shown": shown}


def _raw(connection: Connection, view: View, row: Row) -> Mapping[str, Any]:
    bodies = bodies_of(connection, row)
    words = view.options.get("q", "")
    sides = []
    for side in ("request", "response"):
        text = bodies[f"{side}_body"]
        tree = json_tree(text) if text else None
        sides.append(
            {
                "side": side,
                "size": None if text is None else len(text),
                "is_cut": bodies[f"{side}_truncated"],
                "tree": tree,
                "text": None if text is None or tree else text[:MOST_RAW_CHARS],
                "left_out": 0 if text is None or tree else max(0, len(text) - MOST_RAW_CHARS),
                "found": hits(text, words) if text and words else None,
            }
        )
    return {"sides": sides, "words": words}


def _stream(connection: Connection, view: View, row: Row) -> Mapping[str, Any]:
    bodies = bodies_of(connection, row)
    coding = (bodies["response_headers"] or {}).get("content-encoding")
    pieces = pieces_of(bodies["response_piece_times"], bodies["response_body"], coding)
    return {"found": pieces, "coding": coding, "width": WIDTH, "height": HEIGHT}


def _http(connection: Connection, view: View, row: Row) -> Mapping[str, Any]:
    bodies = bodies_of(connection, row)
    return {"bodies": bodies, "attempts": request_notes.attempts_of(row)}


def _again(connection: Connection, view: View, row: Row, proxy: str | None) -> Mapping[str, Any]:
    address = proxy or "http://127.0.0.1:8787"
    try:
        call = again.again({**row, **bodies_of(connection, row)})
    except again.NotAgain as problem:
        return {"problem": str(problem), "texts": {}, "proxy": proxy, "call": None}
    if len(call.body) > MOST_COPIED_CHARS:
        file = f"{row['request_id']}-request.txt"
        texts = {"curl, with the body downloaded": again.as_curl(call, address, file)}
    else:
        texts = {
            "curl": again.as_curl(call, address),
            "Python": again.as_python(call, address),
            "JavaScript": again.as_javascript(call, address),
        }
    return {"problem": None, "texts": texts, "proxy": proxy, "call": call}


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else otherwise
