"""Addresses that are looked up before anything is connected to."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Server
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow

from addon.config.settings import load
from addon.hooks.guard import Guard
from addon.hooks.proxy import Proxy
from addon.hooks.services import open_services


async def takes_for_ever(_host: str, _port: int) -> Sequence[str]:
    await asyncio.sleep(3600)
    raise AssertionError


def test_a_look_up_that_is_given_up_is_an_error_of_the_connection(tmp_path: Path) -> None:
    """mitmproxy cancels the task: the caller left, or the connection took too long. The calls that wait for it must hear of it."""

    async def give_up() -> str | None:
        services = open_services(load(tmp_path))
        server = Server(address=("api.example.com", 443))
        guard = Guard(Proxy(), services, takes_for_ever)
        connecting = guard.server_connect(ServerConnectionHookData(server=server, client=tflow.tclient_conn()))
        task = asyncio.create_task(connecting)
        with taddons.context(Proxyserver()):
            await asyncio.sleep(0)
        task.cancel("no connection within 5 s")
        await task
        await services.close()
        return server.error

    assert asyncio.run(give_up()) == "no connection within 5 s"
