"""Hooks without a task, and data that goes out in few writes."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import tflow

from addon.mitm.lean_master import TableAddonManager, speed_up
from addon.mitm.outermost_layer import LARGE_BYTES, OutermostLayer, in_few_writes

ONE = connection.Server(address=("one.example", 443))
OTHER = connection.Server(address=("other.example", 443))


class Notes:
    """An addon that writes down what happens to it; with `waits_s` it must be awaited."""

    def __init__(self, notes: list[str], name: str, waits_s: float | None = None) -> None:
        self.notes, self.name, self.waits_s = notes, name, waits_s

    def request(self, _: object) -> Any:
        self.notes.append(self.name)
        return self._wait(self.waits_s) if self.waits_s is not None else None

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.notes.append(f"{self.name} is done")


class Failing:
    def request(self, _: object) -> None:
        raise RuntimeError("a bug")


class Asking:
    """Layers that run a hook for each event, send data before and after it, and note what they hear."""

    def __init__(self, hook: commands.StartHook) -> None:
        self.hook, self.heard = hook, list[events.Event]()

    def handle_event(self, event: events.Event) -> Iterator[commands.Command]:
        self.heard.append(event)
        if isinstance(event, events.HookCompleted):
            yield commands.SendData(ONE, b"after")
        else:
            yield commands.SendData(ONE, b"before ")
            yield self.hook


@pytest.fixture
def addons() -> Iterator[TableAddonManager]:
    loop = asyncio.new_event_loop()
    manager = Master(Options(), event_loop=loop).addons
    speed_up(manager)
    assert isinstance(manager, TableAddonManager)
    yield manager
    loop.close()


def sent(given: list[commands.Command]) -> list[tuple[connection.Connection, bytes]]:
    return [(each.connection, each.data) for each in in_few_writes(given) if isinstance(each, commands.SendData)]


def test_data_that_follows_data_to_one_connection_goes_out_with_it() -> None:
    given = [commands.SendData(ONE, b"head "), commands.SendData(ONE, b"body"), commands.SendData(OTHER, b"else")]
    assert sent([*given, commands.SendData(ONE, b"more")]) == [(ONE, b"head body"), (OTHER, b"else"), (ONE, b"more")]


def test_other_commands_keep_their_place_among_the_data() -> None:
    close = commands.CloseConnection(ONE)
    given = [commands.SendData(ONE, b"1"), commands.SendData(ONE, b"2"), close, commands.SendData(ONE, b"3")]
    found = list(in_few_writes(given))
    assert [getattr(each, "data", each) for each in found] == [b"12", close, b"3"]


def test_large_data_is_not_copied() -> None:
    large = bytes(LARGE_BYTES)
    found = sent([commands.SendData(ONE, b"head"), commands.SendData(ONE, large), commands.SendData(ONE, b"tail")])
    assert [data for _, data in found] == [b"head", large, b"tail"]
    assert found[1][1] is large


def test_a_hook_that_waits_for_nothing_is_over_at_once(addons: TableAddonManager) -> None:
    notes: list[str] = []
    addons.add(Notes(notes, "first"), Failing(), Notes(notes, "second"))
    asking = Asking(HttpRequestHook(tflow.tflow()))
    found = list(OutermostLayer(asking, addons).handle_event(events.Start()))  # type: ignore[arg-type]
    assert notes == ["first", "second"]
    assert [type(each) for each in asking.heard] == [events.Start, events.HookCompleted]
    assert [getattr(each, "data", None) for each in found] == [b"before after"]


def test_a_hook_that_waits_goes_on_in_its_task_from_there(
    addons: TableAddonManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    notes: list[str] = []
    addons.add(Notes(notes, "first"), Notes(notes, "second", waits_s=0.0), Failing(), Notes(notes, "third"))
    hook = HttpRequestHook(tflow.tflow())
    asking = Asking(hook)
    found = list(OutermostLayer(asking, addons).handle_event(events.Start()))  # type: ignore[arg-type]
    assert found[-1] is hook
    assert notes == ["first", "second"]
    asyncio.run(addons.handle_lifecycle(hook))
    assert notes == ["first", "second", "second is done", "third"]


def test_a_flow_that_a_person_holds_is_waited_for(addons: TableAddonManager) -> None:
    flow = tflow.tflow()
    flow.intercept()
    assert not addons.call_at_once(HttpRequestHook(flow))


class Hearing(layer.Layer):
    """Notes what it hears."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.heard: list[events.Event] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.heard.append(event)
        yield from ()


@pytest.mark.parametrize(
    ("first", "is_plain"),
    [(b"GET / HTTP/1.1\r\n", True), (b"G", True), (b"\x16", True), (b"\x16\x03\x01\x02", False)],
    ids=["a request", "its first letter", "too little for TLS", "TLS"],
)
def test_a_caller_that_begins_with_plain_http_gets_its_layer_at_once(
    addons: TableAddonManager, first: bytes, is_plain: bool
) -> None:
    context = Context(tflow.tclient_conn(), Options())
    asking = Hearing(context)
    outermost = OutermostLayer(asking, addons, Hearing)
    heard = [events.Start(), events.DataReceived(context.client, first), events.DataReceived(context.client, b"more")]
    for event in heard:
        assert list(outermost.handle_event(event)) == []
    assert isinstance(outermost.inner, Hearing)
    assert outermost.inner.heard == heard
    assert (outermost.inner is asking) is not is_plain
    assert context.layers == ([asking, outermost.inner] if is_plain else [asking])


def test_a_caller_that_says_nothing_gets_the_layer_that_asks(addons: TableAddonManager) -> None:
    context = Context(tflow.tclient_conn(), Options())
    asking = Hearing(context)
    outermost = OutermostLayer(asking, addons, Hearing)
    heard = [events.Start(), events.ConnectionClosed(context.client)]
    for event in heard:
        list(outermost.handle_event(event))
    assert outermost.inner is asking
    assert asking.heard == heard
