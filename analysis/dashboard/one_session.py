"""The page of one session: its calls as a tree by path with bars on a line of time, and all that was said in it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.envelope import ApiError
from analysis.conversations.blocks import turns_of
from analysis.conversations.messages import SessionTurn, session_turns
from analysis.dashboard.colours import colour_of
from analysis.dashboard.filters import Filters, exactly
from analysis.dashboard.pages import Site, kept, run
from analysis.dashboard.session_key import read_session_key
from analysis.dashboard.session_tools import tools_between
from analysis.dashboard.session_tree import DEEPEST, MOST_CALLS, MOST_PATHS, WIDTH, Node, session_tree
from analysis.dashboard.view import View, iso, view_of
from analysis.lake import Connection

PATH: Final = "/sessions/{key}"
TABS: Final = {"tree": "Calls", "conversation": "Conversation"}
MOST_OF_SESSION: Final = 20_000  # calls; of a longer session the first ones
TURNS_A_PAGE: Final = 25


def routes(site: Site) -> list[Route]:
    return [
        Route(PATH, partial(_page, site)),
        Route(f"{PATH}/-/tree", kept(site, partial(_tree, site))),
        Route(f"{PATH}/-/more", kept(site, partial(_more, site))),
        Route(f"{PATH}/-/conversation", kept(site, partial(_conversation, site))),
    ]


async def _page(site: Site, request: Request) -> Response:
    view, session_id = view_of(request), _session_id(request)
    rows = await site.dashboard.api.ask(lambda connection: _calls(connection, session_id))
    tab, whole = view.options.get("tab", ""), session_tree(rows)
    return site.page(
        request,
        "one_session.html",
        view,
        session_id=session_id,
        session_name=next((row["session_name"] for row in reversed(rows) if row["session_name"]), None),
        users=sorted({row["user_id"] for row in rows if row["user_id"]}),
        whole=whole,
        href=calls_of_node(view, session_id, whole),
        is_cut=len(rows) == MOST_OF_SESSION,
        first=rows[0],
        tabs=TABS,
        tab=tab if tab in TABS else "tree",
    )


async def _tree(site: Site, request: Request) -> Response:
    view, session_id = view_of(request), _session_id(request)

    def question(connection: Connection) -> Mapping[str, Any]:
        rows = _calls(connection, session_id)
        whole = session_tree(rows)
        shown = [row for node in _nodes(whole) for row in node.own[:MOST_CALLS]]
        return {"whole": whole, "shown": shown, "tools": tools_between(connection, session_id, rows, shown)}

    found = await site.dashboard.api.ask(question)
    colours = _colours(found["shown"])
    calls_of = partial(calls_of_node, view, session_id)
    return site.part(
        "session_tree.html", view, most=MOST_CALLS, width=WIDTH, colours=colours, calls_of=calls_of, **found
    )


def calls_of_node(view: View, session_id: str, node: Node) -> str | None:
    """Where the calls of a path and below it are shown; None: they have too many paths for an address."""
    filters = Filters().having("session", exactly(session_id))
    if node.name:
        if len(node.paths) > MOST_PATHS:
            return None
        for path in node.paths:
            filters = filters.having("path", exactly(path))
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (node.begins_ms, node.ends_ms))
    return view.url("/requests", filters, since=iso(begin), until=iso(end + timedelta(seconds=1)))


async def _more(site: Site, request: Request) -> Response:
    """The next calls of one node."""
    view, session_id = view_of(request), _session_id(request)
    path, start = view.options.get("name", "/"), _number(view.options.get("after"))

    def question(connection: Connection) -> Mapping[str, Any]:
        rows = _calls(connection, session_id)
        node = next((node for node in _nodes(session_tree(rows)) if node.path == path), None)
        if node is None:
            raise ApiError(404, "The session has no such path.")
        shown = node.own[start : start + MOST_CALLS]
        return {"node": node, "shown": shown, "tools": tools_between(connection, session_id, rows, shown)}

    found = await site.dashboard.api.ask(question)
    return site.part(
        "session_more.html",
        view,
        start=start,
        depth=min(_number(view.options.get("most")), DEEPEST),
        most=MOST_CALLS,
        width=WIDTH,
        colours=_colours(found["shown"]),
        **found,
    )


async def _conversation(site: Site, request: Request) -> Response:
    view, session_id = view_of(request), _session_id(request)
    start = _number(view.options.get("after"))

    def question(connection: Connection) -> Mapping[str, Any]:
        turns = session_turns(connection, session_id, start, TURNS_A_PAGE)
        ((count,),) = run(connection, "session_count", {"session": session_id}).rows
        return {"said": [_said(turn) for turn in turns], "calls": count}

    found = await site.dashboard.api.ask(question)
    return site.part("session_conversation.html", view, start=start, most=TURNS_A_PAGE, **found)


def _said(turn: SessionTurn) -> Mapping[str, Any]:
    said = turn.call.conversation
    return {
        "call": turn.call,
        "is_left_out": turn.is_left_out,
        "first_new": turn.first_new,
        "turns": turns_of(said, turn.first_new) if said else None,
    }


def _colours(calls: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Of the models of these calls, as in every chart."""
    return {model: colour_of(model) for call in calls if (model := call["model"]) is not None}


def _session_id(request: Request) -> str:
    """Raises ApiError 404."""
    session_id = read_session_key(request.path_params["key"])
    if session_id is None:
        raise ApiError(404, "There is no such session.")
    return session_id


def _calls(connection: Connection, session_id: str) -> list[dict[str, Any]]:
    """Raises ApiError 404."""
    rows = list(run(connection, "session_calls", {"session": session_id, "most": MOST_OF_SESSION}).records())
    if not rows:
        raise ApiError(404, "There is no such session. Its first call is found a second after it ended.")
    return rows


def _nodes(node: Node) -> list[Node]:
    """The node and all below it."""
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.children.values()
    return found


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
