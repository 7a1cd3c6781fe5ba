"""The process of the API and the dashboard: the proxy starts it, passes requests on to it, and ends it.

    HELIOGRAPH_API_TOKEN=... python -m analysis.serving --data DIR [--config FILE]

It listens on 127.0.0.1, on a port of its own that it prints as one line of JSON, `{"port": 43215}`, once it answers.
Standard input is a lifeline: it ends with the proxy at the other end, or by SIGTERM. Every request must carry the token
in the header `heliograph-token`: other programs of this machine can reach the port, but access is checked by the proxy.
"""

import argparse
import asyncio
import contextlib
import hmac
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from addon.config.settings import ConfigError, load, secret
from addon.hooks.endpoint_headers import TOKEN, TOKEN_VARIABLE
from addon.redaction.key import redactor_of
from addon.start_module import tell_starter
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.alerts.watch import AlertWatch
from analysis.api.app import make_app
from analysis.api.asking import MEMORY, Questions
from analysis.api.envelope import error_answer
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.dashboard.app import dashboard_routes
from analysis.dashboard.state import Dashboard, dashboard_of
from analysis.dashboard.warm import warm_up
from analysis.exports.otlp.live import OtlpSender
from analysis.lake import Lake
from analysis.process_memory import end_process, limit_data, watched
from analysis.webhooks.dispatch import Dispatcher

PATIENCE_S: Final = 5  # for answers under way at the end
# All questions and bodies together. Beyond the first, allocations fail; beyond the second, the process ends, the proxy
# starts it again, and the callers get a 503.
MOST_DATA_BYTES: Final = 1536 * 2**20
MOST_RESIDENT_BYTES: Final = 1536 * 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="analysis.serving", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--offline", action="store_true", help="tell nobody of calls: they are replayed")
    options = parser.parse_args()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        print(f"heliograph: {TOKEN_VARIABLE} is not set; the proxy that starts the API sets it", file=sys.stderr)
        return 2
    config: Path | None = options.config
    try:
        settings = load(options.data, config if config and config.exists() else None)
        if options.offline:
            settings = settings.offline()
        api = Api(
            settings=settings,
            secret=secret(options.data),
            lake=Lake(options.data, memory=MEMORY),
            sql=SqlWorkers(options.data),
            journal=Journal(Folders(options.data).journal),
            questions=Questions(stuck=_give_up("a question did not end when it was interrupted")),
        )
    except (ConfigError, OSError) as error:
        print(f"heliograph: the API cannot start: {error}", file=sys.stderr)
        return 2
    api.journal.open()
    limit_data(MOST_DATA_BYTES)
    too_large = _give_up(f"more than {MOST_RESIDENT_BYTES >> 20} MiB are in use")
    try:
        with watched(MOST_RESIDENT_BYTES, too_large):
            asyncio.run(_serve(api, token))
    finally:
        api.sql.end()
        api.journal.close()
    return 0


def _give_up(why: str) -> Callable[[], None]:
    return lambda: end_process(f"the API process ends, and starts again with the next request: {why}")


def application(dashboard: Dashboard) -> ASGIApp:
    """The dashboard below its own prefix, and the API."""
    return Starlette(routes=[*dashboard_routes(dashboard), Mount("/", make_app(dashboard.api))])


class OnlyWithToken:
    """Lets requests through that carry the token; 401 to all others."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).get(TOKEN, "").encode()
            if not hmac.compare_digest(given, self._token):
                refusal = error_answer(401, "ask the proxy: this port is only for its own requests")
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells the port once it answers."""
        await super().startup(sockets)
        for listener in sockets or ():
            tell_starter(b'{"port": %d}\n' % listener.getsockname()[1])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `_serve`'s: uvicorn would die of SIGTERM again after it has ended."""
        yield


async def _serve(api: Api, token: str) -> None:
    """Answers until the lifeline or SIGTERM ends it."""
    dashboard = dashboard_of(api)
    config = uvicorn.Config(
        OnlyWithToken(application(dashboard), token),
        log_config=None,  # warnings and tracebacks go to stderr as they are
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=PATIENCE_S,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        api.questions.end()
        api.sql.end()
        server.should_exit = True

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is the proxy's to answer; the lifeline tells us

    def watch_lifeline() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # ended by SIGTERM meanwhile: the loop is closed
            loop.call_soon_threadsafe(end)

    # With its protocol named: else asyncio leaves Nagle's algorithm on, and every answer waits 40 ms for an ACK.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        threading.Thread(target=watch_lifeline, name="lifeline", daemon=True).start()
        tasks = [asyncio.create_task(warm_up(dashboard))]
        tasks += [asyncio.create_task(each.run()) for each in _tellers(api)]
        await server.serve([listener])
        for task in tasks:
            task.cancel()


def _tellers(api: Api) -> Iterator[Dispatcher | OtlpSender | AlertWatch]:
    """What tells others by itself."""
    if api.settings.webhooks:
        yield Dispatcher(api.settings.data, api.settings.webhooks)
    if api.settings.otlp:
        redactor = redactor_of(api.settings.redact, api.settings.data)
        yield OtlpSender(api.settings.data, api.settings.otlp, redactor)
    if api.settings.alerts:
        yield AlertWatch(api.settings)
