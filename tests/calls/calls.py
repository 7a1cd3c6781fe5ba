"""Calls for the tests of hooks, as `hooks/route.py` makes them."""

from addon.calls.call import Call
from addon.calls.connection import ClientConnection
from addon.calls.parts import Asked, Attempts
from addon.config.controls import parse_controls
from addon.ids import uuid7
from addon.providers import registry
from addon.routing.router import Arrival, Route, Router
from addon.sending.timeouts import Timeouts
from addon.storage.journal_lines import CallStart

PATH = "/v1/chat/completions"


def make_call() -> Call:
    """A chat completion of OpenAI that has just arrived."""
    arrival = Arrival(scheme="https", host="api.openai.com", port=443, path=PATH, own=False)
    route = Router({}, frozenset()).route(arrival)
    assert isinstance(route, Route)
    found = registry.operation(route.provider, "POST", PATH, route.host)
    assert found
    start = CallStart(
        request_id=uuid7(),
        started_at_us=1_760_000_000_000_000,
        provider_name="openai",
        operation_name=found[0].name,
        method="POST",
        host=route.host,
        path=PATH,
        mode="forward",
    )
    return Call(
        id=uuid7(),
        connection=ClientConnection(id="connection"),
        asked=Asked(controls=parse_controls([]), start=start, timeouts=Timeouts()),
        attempts=Attempts(route=route, operation=found[0]),
    )
