"""heliograph as a mitmproxy addon: `mitmdump -s addon/main.py --listen-host 127.0.0.1 --listen-port 8787`.

The table of contents: what a call meets, in this order.
"""

import sys
from pathlib import Path

# mitmproxy puts this file's folder first on sys.path, where our modules would hide others; its parent is what we need.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry).resolve() != _HERE)]

from addon.config.settings import Settings  # noqa: E402
from addon.hooks.ask_usage import AskUsage  # noqa: E402
from addon.hooks.cache import Cache  # noqa: E402
from addon.hooks.cache_store import Keep  # noqa: E402
from addon.hooks.capture import Capture  # noqa: E402
from addon.hooks.coalesce import Share  # noqa: E402
from addon.hooks.endpoints import Endpoints  # noqa: E402
from addon.hooks.fallback import FallBack, OverrideBody  # noqa: E402
from addon.hooks.guard import Guard  # noqa: E402
from addon.hooks.hide_usage import HideUsage  # noqa: E402
from addon.hooks.lifecycle import Lifecycle  # noqa: E402
from addon.hooks.limits import Limits  # noqa: E402
from addon.hooks.proxy import Proxy  # noqa: E402
from addon.hooks.retry import Resend  # noqa: E402
from addon.hooks.route import RouteRequests  # noqa: E402
from addon.hooks.wiring import Wiring  # noqa: E402


def make_addons(proxy: Proxy, settings: Settings | None = None) -> list[object]:
    return [
        Lifecycle(proxy, settings),  # options, journal and settler; the orderly end
        Wiring(proxy),  # our HTTP stream under every connection: JSON errors, timeouts, blind tunnels
        RouteRequests(proxy),  # host, prefix or label -> provider; takes our headers off
        Endpoints(proxy),  # what is asked of us: health here, all else in a process of its own
        Guard(proxy),  # no connection to an address that a caller's header may not name
        FallBack(proxy),  # which other targets there are, by header or config
        AskUsage(proxy),  # lets a stream state its usage, where the caller or the config wishes it
        Resend(proxy),  # retries and fallbacks, while the caller hears nothing
        Capture(proxy),  # a copy of what passes, into the journal
        Cache(proxy),  # answers what was answered before; behind Capture, which has the request by then
        Limits(proxy),  # refuses what is over a rate limit or a budget; a hit is neither limited nor counted
        Keep(proxy),  # a fresh answer: for the cache, and for identical calls that come meanwhile
        Share(proxy),  # feeds those; in place of an upstream call of their own
        OverrideBody(proxy),  # what the first of several targets is to get; the journal has what the caller sent
        HideUsage(),  # takes out of a stream what only the config wished; behind all that copy it
    ]


addons = make_addons(Proxy())
