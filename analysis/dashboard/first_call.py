"""The page before the first call: how to make one, and a button that has a made-up provider answer one."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.demo.providers import FakeProviders
from addon.intake.log_format import read_log
from addon.intake.logged import write
from analysis.api.state import Api
from analysis.dashboard.pages import Site
from analysis.dashboard.view import View, view_of

# It has no price: a made-up call adds nothing to what was spent.
MODEL: Final = "house-model-7b"
_QUESTION: Final = "Say hello to a new user of heliograph."
_PATH: Final = "/v1/chat/completions"
_WITHIN_S: Final = 10


@dataclass(frozen=True, slots=True)
class Snippet:
    """`text` has {proxy} where the address of the proxy goes."""

    title: str
    text: str


SNIPPETS: Final = (
    Snippet(
        "bash, zsh",
        'heliograph run -- python your_program.py\n\n# or for everything in this shell\neval "$(heliograph env)"',
    ),
    Snippet(
        "fish",
        "heliograph run -- python your_program.py\n\n# or for everything in this shell\nheliograph env | source",
    ),
    Snippet(
        "curl",
        "curl {proxy}/openai/v1/chat/completions \\\n  -H \"Authorization: Bearer $OPENAI_API_KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}\'',
    ),
    Snippet(
        "Python",
        'from openai import OpenAI\n\nclient = OpenAI(base_url="{proxy}/openai/v1")\nclient.chat.completions.create(\n'
        '    model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hello"}}]\n)',
    ),
    Snippet(
        "Node",
        'import OpenAI from "openai";\n\nconst client = new OpenAI({{ baseURL: "{proxy}/openai/v1" }});\nawait client.chat.completions.create({{\n'
        '  model: "gpt-4o-mini", messages: [{{ role: "user", content: "Hello" }}],\n}});',
    ),
    Snippet("Claude Code, Codex", "heliograph run -- claude\nheliograph run -- codex"),
)


async def first_call_page(site: Site, request: Request, view: View) -> Response | None:
    """The page to show instead of one over no calls at all; None: there are calls."""
    if not await anyio.to_thread.run_sync(site.dashboard.api.lake.is_empty):
        return None
    return site.page(request, "first_call.html", view, snippets=SNIPPETS)


def routes(site: Site) -> list[Route]:
    async def waiting(_: Request) -> Response:
        """Asked every second by the page: once there is a call, the page is loaded again."""
        is_empty = await anyio.to_thread.run_sync(site.dashboard.api.lake.is_empty)
        return Response(status_code=204 if is_empty else 200, headers={} if is_empty else {"HX-Refresh": "true"})

    async def send(request: Request) -> Response:
        await anyio.to_thread.run_sync(make_call, site.dashboard.api)
        return site.part("first_call_sent.html", view_of(request))

    return [Route("/first-call/-/waiting", waiting), Route("/first-call/-/send", send, methods=["POST"])]


def make_call(api: Api) -> None:
    """One call to a made-up provider on this machine, recorded as a call that a program logs itself."""
    started = time.time()
    asked = {"model": MODEL, "messages": [{"role": "user", "content": _QUESTION}]}
    with FakeProviders(keep_requests=False) as providers:
        connection = http.client.HTTPConnection("127.0.0.1", providers.port, timeout=_WITHIN_S)
        connection.request("POST", _PATH, json.dumps(asked), {"content-type": "application/json"})
        answer = connection.getresponse()
        said, status = json.loads(answer.read()), answer.status
        connection.close()
        log: dict[str, Any] = {
            "providerRequest": {
                "url": f"{providers.url}{_PATH}",
                "json": asked,
                "meta": {"Helicone-User-Id": "you", "Helicone-Property-Made-Up": "yes"},
            },
            "providerResponse": {"json": said, "status": status, "headers": {}},
            "timing": {"startTime": _moment(started), "endTime": _moment(time.time())},
        }
    call = read_log(log, [], endpoint=None, secret=api.secret, now_us=time.time_ns() // 1000)
    write(api.journal, call, api.settings.max_body_bytes)


def _moment(seconds: float) -> dict[str, int]:
    return {"seconds": int(seconds), "milliseconds": int(seconds % 1 * 1000)}
