"""The dashboard alone, over a data folder and without a proxy: `heliograph dashboard`."""

import asyncio
import contextlib
import re
import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from addon.config.settings import Settings, secret
from addon.objects.stand_in import url_of
from addon.routing.access import deny_endpoint
from addon.routing.browsers import Hosts, deny_page
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.asking import MEMORY, Questions
from analysis.api.envelope import error_answer
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.dashboard.app import dashboard_routes, moved
from analysis.dashboard.state import BASE, Dashboard, dashboard_of
from analysis.dashboard.warm import warm_up
from analysis.lake import Lake

HOST: Final = "127.0.0.1"
_AUTHORITY: Final = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:@,/\s]+))(?::[0-9]{1,5})?")


class OnlyOwnPages:
    """Refuses requests that ask for a name that is not this machine's, and those that another site's page sent: as the
    proxy does before its endpoints (`addon/hooks/pages.py`)."""

    def __init__(self, app: ASGIApp, bucket: str | None = None) -> None:
        """`bucket`: the URL of the lake that is shown, where it is one in a bucket: nothing is written there from here."""
        self._app, self._bucket = app, bucket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = _refusal(Headers(scope=scope), scope["method"])
            if refusal is None and self._bucket and scope["method"] not in ("GET", "HEAD"):
                told = f"{self._bucket} is only read here; tell the proxy that made the call, or its data folder"
                refusal = error_answer(403, told)
            if refusal:
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


def _refusal(headers: Headers, method: str) -> Response | None:
    authority = headers.get("host", "")
    is_ours = Hosts().is_ours(_host_of(authority))
    denial = deny_endpoint((), "read", credentials=(), is_local=True, host_is_ours=is_ours) or deny_page(
        headers, method, allowed=(), authority=authority, host_is_ours=is_ours, may_be_linked=True
    )
    return error_answer(denial.status, denial.message) if denial else None


def _host_of(authority: str) -> str:
    """`[::1]:80` and `localhost:80` without their port; empty for what is not written like that."""
    found = _AUTHORITY.fullmatch(authority)
    return found["v6"] or found["name"] if found else ""


def listen(port: int) -> socket.socket:
    """Raises OSError where the port is taken."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # with its protocol named: see serve.py
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def serve(settings: Settings, listener: socket.socket, announce: Callable[[str], None], *, opens_browser: bool) -> None:
    """Answers until Ctrl-C or SIGTERM."""
    data = settings.data
    journal = Journal(Folders(data).journal)
    api = Api(
        settings=settings,
        secret=secret(data),
        lake=Lake(data, memory=MEMORY),
        sql=SqlWorkers(data),
        journal=journal,
        questions=Questions(),
    )
    try:
        asyncio.run(_serve(api, listener, announce, opens_browser))
    finally:
        api.sql.end()
        journal.close()


def application(dashboard: Dashboard) -> ASGIApp:
    async def start(request: Request) -> Response:
        return moved(request, f"{BASE}/")

    return OnlyOwnPages(
        Starlette(routes=[Route("/", start), *dashboard_routes(dashboard)]), url_of(dashboard.api.settings.data)
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._told()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `_serve`'s: it ends the questions under way as well."""
        yield


async def _serve(api: Api, listener: socket.socket, announce: Callable[[str], None], opens_browser: bool) -> None:
    url = f"http://{HOST}:{listener.getsockname()[1]}/"

    def started() -> None:
        announce(url)
        if opens_browser:
            webbrowser.open(url)

    dashboard = dashboard_of(api, has_proxy=False)
    config = uvicorn.Config(
        application(dashboard),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, started)
    loop = asyncio.get_running_loop()

    def end() -> None:
        api.questions.end()
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    warming = asyncio.create_task(warm_up(dashboard))
    await server.serve([listener])
    warming.cancel()
