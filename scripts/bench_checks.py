"""What the checks of one request cost, in this process and without sockets: `python -O -m scripts.bench_checks` prints one
JSON object, the microseconds of CPU by the check's name.

A check decides whether a request may go on; what a proxy without any of them would do as well (read the headers, find the
provider, write the journal) is not among them. Times are the shortest of many rounds, so that other work on the machine
does not count.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from mitmproxy import connection, http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy.mode_specs import ProxyMode

from addon.config.settings import load
from addon.hooks.admission import introduce, may_call
from addon.hooks.guard import Guard
from addon.hooks.pages import RefusePages
from addon.hooks.proxy import Proxy
from addon.hooks.route import is_under_our_name
from addon.hooks.services import Services, open_services
from addon.mitm import lookups
from addon.mitm.http_limits import odd_request, too_much
from addon.mitm.request_form import mark_form
from addon.providers import registry
from addon.routing.canonical_path import canonical_path
from addon.routing.method_override import other_methods
from addon.routing.operation_path import classify
from scripts.bench_load import request_bytes

ROUNDS: Final = 30
CALLS: Final = 300
HERE: Final = ("127.0.0.1", 8787)
OPENAI: Final = registry.BY_NAME["openai"]
HOST: Final = "api.openai.com"
PATH: Final = "/v1/chat/completions"


def checks_us() -> dict[str, float]:
    """Microseconds of each check of a request by base_url, by the check's name."""
    lookups.mend()
    with _services() as services:
        proxy = Proxy(alone=True)
        pages, guard = RefusePages(services), Guard(proxy, services)

        def keys(flow: http.HTTPFlow) -> None:
            introduce(flow, proxy.connections.of(flow.client_conn), services)
            may_call(flow, services)

        def where(flow: http.HTTPFlow) -> None:
            is_under_our_name(flow, services.settings.hosts)
            guard.requestheaders(flow)

        def body(flow: http.HTTPFlow) -> None:
            expected_http_body_size(flow.request)
            proxy.calls.held.take(1100, 1100)
            proxy.calls.held.give_back(1100)

        def form(flow: http.HTTPFlow) -> None:
            request = flow.request
            too_much(request.headers.fields, len(request.data.path))
            odd_request(request)
            mark_form(flow, SimpleNamespace(client=flow.client_conn), is_outermost=True)  # type: ignore[arg-type]

        def path(flow: http.HTTPFlow) -> None:
            canonical_path(flow.request.path)
            others = other_methods("POST", flow.request.headers.fields, "")
            classify(OPENAI, "POST", PATH, HOST, others)

        def operation(_: http.HTTPFlow) -> None:  # not a check, and a part of the one above
            registry.operation(OPENAI, "POST", PATH, HOST)

        return {
            "bounds and form of the head": _shortest_us(form, mark=False),
            "web pages": _shortest_us(pages.requestheaders),
            "keys": _shortest_us(keys),
            "ambiguous paths and methods": _shortest_us(path) - _shortest_us(operation),
            "names and addresses": _shortest_us(where),
            "size of the body": _shortest_us(body),
        }


def _shortest_us(check: Callable[[http.HTTPFlow], Any], mark: bool = True) -> float:
    """`mark`: the request's form has been seen before."""
    times = []
    for _ in range(ROUNDS):
        flows = list(_flows(CALLS, mark))
        began = time.thread_time()
        for flow in flows:
            check(flow)
        times.append(time.thread_time() - began)
    assert not any(flow.response for flow in flows), "the bench's own request was refused"
    return min(times) / CALLS * 1e6


def _flows(count: int, mark: bool) -> Iterable[http.HTTPFlow]:
    """Requests as the bench's load sends them, each as it is when its head has been read."""
    head = request_bytes("127.0.0.1:8787", f"/openai{PATH}", False, 60, "").partition(b"\r\n\r\n")[0]
    fields = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
    client = connection.Client(peername=("127.0.0.1", 50000), sockname=HERE, state=connection.ConnectionState.OPEN)
    client.proxy_mode = ProxyMode.parse("regular")
    server = connection.Server(address=None)
    for _ in range(count):
        flow = http.HTTPFlow(client, server)
        path, named = f"/openai{PATH}".encode(), http.Headers(fields)  # type: ignore[arg-type]
        flow.request = http.Request("", 0, b"POST", b"", b"", path, b"HTTP/1.1", named, None, None, 0.0, None)
        if mark:
            mark_form(flow, SimpleNamespace(client=client), is_outermost=True)  # type: ignore[arg-type]
            flow.request.data.host, flow.request.data.port, flow.request.scheme = *HERE, "http"
        yield flow


@contextmanager
def _services() -> Iterator[Services]:
    with tempfile.TemporaryDirectory() as folder:
        services = open_services(load(Path(folder) / "data"))
        try:
            yield services
        finally:
            asyncio.run(services.close())


def main() -> None:
    print(json.dumps(checks_us()))


if __name__ == "__main__":
    main()
