"""A request that says what an earlier one said is read by what is known of that one: it becomes the same call, with an id, a time and
headers of its own."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addon.calls.call import Call
from addon.calls.marks import ASKED_HOST, OWN
from addon.config.settings import Settings
from addon.config.upstreams import Origin
from addon.hooks import known_heads
from addon.hooks.proxy import Proxy
from addon.hooks.route import Routing
from addon.hooks.services import open_services
from addon.storage.journal_lines import CallStart

CHAT = "/openai/v1/chat/completions"
SECRET, OURS = "sk-very-secret", "sk-helicone-secret"
HEAD = {
    "host": "127.0.0.1:8787",
    "authorization": f"Bearer {SECRET}",
    "helicone-auth": f"Bearer {OURS}",
    "helicone-user-id": "user-1",
    "helicone-property-team": "blue",
    "helicone-nobody-knows": "x",
    "content-type": "application/json",
    "user-agent": "test",
    "content-length": "17",
}


@pytest.fixture
def routing(tmp_path: Path) -> Iterator[Routing]:
    services = open_services(Settings(data=tmp_path, config=tmp_path / "heliograph.toml"))
    yield Routing(Proxy(), services)
    asyncio.run(services.close())


def routed(routing: Routing, path: str = CHAT, project: str | None = None, **changed: str) -> tuple[http.Request, Call]:
    """What became of a request. In names of headers `_` stands for `-`."""
    flow = tflow.tflow()
    headers = HEAD | {name.replace("_", "-"): value for name, value in changed.items()}
    flow.request = http.Request.make("POST", f"http://127.0.0.1:8787{path}")
    flow.request.headers = http.Headers([(name.encode(), value.encode()) for name, value in headers.items()])
    flow.metadata |= {OWN: True, ASKED_HOST: "127.0.0.1:8787"}
    routing.proxy.connections.of(flow.client_conn).project = project
    routing.requestheaders(flow)
    assert flow.response is None
    call = routing.proxy.calls.of(flow.id)
    assert call
    return flow.request, call


def alike(call: Call) -> CallStart:
    """What the journal is told of the call, but for what no two calls share."""
    return replace(call.asked.start, request_id="", started_at_us=0)


def number_known(routing: Routing) -> int:
    return len(routing._heads._known)


def test_the_second_request_is_the_same_call_with_an_id_of_its_own(routing: Routing) -> None:
    (first_sent, first), (second_sent, second) = routed(routing), routed(routing, content_length="18")
    assert number_known(routing) == 1
    assert first.id != second.id == second.asked.start.request_id
    assert alike(first) == alike(second)
    assert list(vars(first.asked.start)) == list(vars(second.asked.start))  # in one order in the journal
    assert first.attempts == second.attempts
    assert first.asked.timeouts == second.asked.timeouts
    assert second.asked.controls.warnings == first.asked.controls.warnings != ()
    assert (second_sent.scheme, second_sent.host, second_sent.path) == (
        "https",
        "api.openai.com",
        "/v1/chat/completions",
    )
    assert second_sent.headers.pop("content-length") == "18"
    assert first_sent.headers.pop("content-length") == "17"
    assert first_sent.headers.fields == second_sent.headers.fields
    assert second_sent.headers["host"] == "api.openai.com"


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization": "Bearer sk-another"},
        {"helicone_auth": "Bearer sk-another"},
        {"helicone_user_id": "user-2"},
        {"user_agent": "another"},
        {"x_session_id": "7"},
        {"path": "/openai/v1/embeddings"},
        {"project": "green"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_else_is_said_is_read(routing: Routing, changed: dict[str, str]) -> None:
    _, first = routed(routing)
    _, second = routed(routing, **changed)
    assert number_known(routing) == 2
    assert alike(first) != alike(second)


def test_headers_of_one_call_are_kept_with_that_call(routing: Routing) -> None:
    traces = ["00-aa", "00-bb"]
    kept = [routed(routing, traceparent=trace)[1].asked.start.headers for trace in traces]
    assert number_known(routing) == 1
    assert [headers["traceparent"] for headers in kept] == traces
    assert routed(routing)[1].asked.start.headers == {"content-type": "application/json", "user-agent": "test"}


def test_no_secret_is_kept_in_memory(routing: Routing) -> None:
    routed(routing)
    assert number_known(routing) == 1
    kept = repr([(key, head, head.controls.credentials) for key, head in routing._heads._known.items()])
    assert "user-1" in kept
    assert SECRET not in kept
    assert OURS not in kept


@pytest.mark.parametrize(
    "changed",
    [
        {"path": f"/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={SECRET}"},
        {"helicone_request_id": "0190a000-0000-7000-8000-000000000001"},
        {"helicone_property_long": "x" * 9000},
        {"x_folded": "in\r\n two lines"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_of_one_call_or_long_or_has_a_secret_in_its_path_is_not_remembered(
    routing: Routing, changed: dict[str, str]
) -> None:
    routed(routing, **changed)
    assert number_known(routing) == 0


def test_other_settings_forget_what_was_known(routing: Routing) -> None:
    sent, _ = routed(routing)
    assert sent.host == "api.openai.com"
    moved = replace(routing.services.settings, upstreams={"openai": Origin("http", "127.0.0.1", 9)})
    routing.services.use(moved)
    sent, _ = routed(routing)
    assert (sent.host, sent.port) == ("127.0.0.1", 9)


def test_the_oldest_is_forgotten_when_there_are_many(routing: Routing) -> None:
    for number in range(known_heads._MOST_HEADS + 5):
        routed(routing, helicone_user_id=f"user-{number}")
    assert number_known(routing) == known_heads._MOST_HEADS
    assert routed(routing, helicone_user_id="user-0")[1].asked.start.user_id == "user-0"
