"""What belongs to a caller's connection, and its one end."""

import asyncio

from mitmproxy.test.tflow import tclient_conn

from addon.calls.call import Calls
from addon.calls.connection import ClientConnection, OpenConnections
from tests.calls.calls import make_call


def test_a_connection_is_one_object_until_its_end() -> None:
    connections, client = OpenConnections(), tclient_conn()
    caller = connections.of(client)
    caller.named_targets["a.example", 443] = "Helicone-Target-Url"
    assert connections.of(client) is caller
    connections.end(client.id)
    connections.end(client.id)
    assert len(connections) == 0
    assert connections.of(client).named_targets == {}


def test_a_connection_that_is_closed_already_is_not_kept() -> None:
    connections, client = OpenConnections(), tclient_conn()
    client.state = client.state.CLOSED
    assert isinstance(connections.of(client), ClientConnection)
    assert len(connections) == 0


def test_the_end_stops_the_timers_of_what_was_being_connected() -> None:
    fired: list[str] = []

    async def connect_and_end() -> None:
        connections, client = OpenConnections(), tclient_conn()
        caller = connections.of(client)
        caller.connect_timers["server"] = asyncio.get_running_loop().call_later(0.01, fired.append, "late")
        connections.end(client.id)
        await asyncio.sleep(0.05)

    asyncio.run(connect_and_end())
    assert fired == []


def test_a_flow_may_have_calls_one_after_another() -> None:
    """As on a WebSocket: a call has its own id, and is found by the flow that it is on now."""
    calls, first, second = Calls(), make_call(), make_call()
    calls.begin(first, "flow")
    assert (calls.of("flow"), len(calls)) == (first, 1)
    calls.end("flow")
    calls.begin(second, "flow")
    assert (calls.of("flow"), list(calls)) == (second, [second])
    calls.end("flow")
    calls.end("flow")
    assert (calls.of("flow"), len(calls)) == (None, 0)
