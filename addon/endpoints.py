"""What the proxy answers itself, on its own host and for Helicone's host label `api.`."""

from mitmproxy import http

from addon.answers import error_answer, json_answer
from addon.proxy import Proxy
from addon.routing import HEALTH_PATH, Endpoint, what_is_served


def answer(endpoint: Endpoint, method: str, proxy: Proxy) -> http.Response:
    if endpoint.path != HEALTH_PATH:
        return error_answer(None, 404, "not_found", f"{endpoint.path} is not served here; {what_is_served()}")
    if method not in ("GET", "HEAD"):
        return error_answer(None, 405, "method_not_allowed", f"{HEALTH_PATH} answers GET only")
    counts = proxy.counts
    return json_answer(
        200,
        {
            "status": "ok",
            "calls": {
                "seen": counts.seen,
                "under_way": len(proxy.calls),
                "journalled": proxy.journal.journalled,
                "unlogged": proxy.journal.unlogged,
            },
            "passed": counts.passed,
        },
    )
