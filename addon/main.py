"""heliograph as a mitmproxy addon: `mitmdump -s addon/main.py --listen-host 127.0.0.1 --listen-port 8787`.

The table of contents: what a call meets, in this order.
"""

import sys
from pathlib import Path

# mitmproxy puts this file's folder first on sys.path, where our modules would hide others; its parent is what we need.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry).resolve() != _HERE)]

from addon.config.settings import Settings  # noqa: E402
from addon.hooks.answer_headers import AnswerHeaders  # noqa: E402
from addon.hooks.ask_usage import AskUsage  # noqa: E402
from addon.hooks.cache import Cache  # noqa: E402
from addon.hooks.cache_store import StoreAnswers  # noqa: E402
from addon.hooks.call_end import EndCalls  # noqa: E402
from addon.hooks.capture import Capture  # noqa: E402
from addon.hooks.coalesce import Coalesce  # noqa: E402
from addon.hooks.connections import Connections  # noqa: E402
from addon.hooks.endpoints import Endpoints  # noqa: E402
from addon.hooks.error_answers import ErrorAnswers  # noqa: E402
from addon.hooks.fallback import Fallback, OverrideBody  # noqa: E402
from addon.hooks.guard import Guard  # noqa: E402
from addon.hooks.hide_usage import HideUsage  # noqa: E402
from addon.hooks.lifecycle import Lifecycle  # noqa: E402
from addon.hooks.limits import Limits  # noqa: E402
from addon.hooks.overload import Overload  # noqa: E402
from addon.hooks.pages import LetPagesRead, RefusePages  # noqa: E402
from addon.hooks.proxy import Proxy  # noqa: E402
from addon.hooks.record import Record  # noqa: E402
from addon.hooks.replay import Replay  # noqa: E402
from addon.hooks.retry import Retry  # noqa: E402
from addon.hooks.route import Routing  # noqa: E402
from addon.hooks.services import Services  # noqa: E402
from addon.hooks.two_way import TwoWay  # noqa: E402
from addon.hooks.websocket import WebSockets  # noqa: E402


def make_addons(proxy: Proxy, services: Services) -> list[object]:
    calls, capture, limits = proxy.calls, Capture(proxy, services), Limits(proxy, services)
    overload = Overload(proxy, services)
    return [
        Connections(proxy, services),  # our HTTP stream under every connection: timeouts, retries, blind tunnels
        RefusePages(services),  # a web page may not use this proxy, unless the settings allow it
        Routing(proxy, services),  # host, prefix or label -> provider; takes our headers off
        Endpoints(proxy, services),  # requests for our own endpoints: health here, all others in a process of its own
        Guard(proxy, services),  # no connection to ourselves, nor from other machines into this network
        Fallback(proxy, services),  # finds the other targets, by header or config
        AskUsage(calls, services),  # lets a stream state its usage, where the caller or the config asks
        Retry(proxy, services),  # retries and fallbacks, before the caller hears of a failure
        *([Replay(proxy, services)] if proxy.tape else []),  # answers from a recording; nothing goes out then
        capture,  # copies what passes into the journal
        ErrorAnswers(calls),  # no first byte came: an error in the dialect of the called API
        AnswerHeaders(proxy, services.journal),  # our headers on every answer
        LetPagesRead(),  # an allowed web page may read its answer
        Cache(proxy, services),  # answers repeated calls; after Capture, which has the request by then
        overload,  # with too many calls under way the next one waits, then is refused; a hit needs no slot
        limits,  # refuses what is over a rate limit or a budget; a hit is neither limited nor counted
        StoreAnswers(proxy, services),  # keeps a fresh answer: for the cache, and for identical calls at the same time
        *([Record(proxy)] if proxy.tape else []),  # keeps calls and answers in a recording
        Coalesce(calls, proxy.flights),  # gives those calls that answer, in place of an upstream call of their own
        OverrideBody(calls),  # what the first of several targets is to get; the journal has what the caller sent
        HideUsage(calls),  # removes usage that only the config asked for; after everything that copies the stream
        WebSockets(proxy, capture, limits, overload),  # each response on a WebSocket is a call of its own
        TwoWay(proxy, capture, limits, overload),  # calls whose request goes on while the answer comes
        EndCalls(proxy),  # the call is over
    ]


def heliograph(proxy: Proxy, settings: Settings | None = None) -> list[object]:
    """For a mitmproxy master. The addons above are made once the settings are known."""
    return [Lifecycle(proxy, make_addons, settings)]  # options, journal and settler; the shutdown


addons = heliograph(Proxy())
