"""Our own endpoints: the one table of what exists, which role each needs, and which process serves it.

The proxy routes and checks roles by it, the API process makes its routes of it, the reference pages are made of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from addon.config.keys import Role

Server = Literal["proxy", "api", "dashboard"]

HEALTH_PATH: Final = "/healthz"
ABOUT_PATH: Final = "/"
DASHBOARD: Final = "/ui"  # its pages are below
DASHBOARD_START: Final = f"{DASHBOARD}/overview"
LEGACY_FEEDBACK: Final = "/v1/feedback"  # old programs send it to every host of Helicone's
METRICS: Final = (
    *("totalRequests", "totalCost", "averageLatency", "averageTimeToFirstToken", "totalThreats", "activeUsers"),
    *("averageTokensPerRequest", "requestOverTime", "costOverTime", "tokensOverTime", "detailedTokensOverTime"),
    *("latencyOverTime", "timeToFirstToken", "usersOverTime", "threatsOverTime", "errorOverTime"),
    *("requestStatusOverTime", "quantiles", "models", "country"),
)


@dataclass(frozen=True, slots=True)
class OwnEndpoint:
    """One method of one path. In a pattern `{name}` is one segment, and `{name:path}` is one or more.

    The dashboard's role is what the key needs that a person signs in with. The dashboard checks it.
    """

    method: str
    pattern: str
    role: Role | None  # that a key must have; None: answered without a key
    served_by: Server = "api"
    on_own_host_only: bool = False  # elsewhere the path belongs to the target of mitmproxy's reverse mode


def _read(method: str, pattern: str) -> OwnEndpoint:
    return OwnEndpoint(method, pattern, "read")


def _write(method: str, pattern: str) -> OwnEndpoint:
    return OwnEndpoint(method, pattern, "write")


ENDPOINTS: Final = (
    OwnEndpoint("GET", HEALTH_PATH, None, served_by="proxy"),
    OwnEndpoint("GET", ABOUT_PATH, None, served_by="proxy", on_own_host_only=True),
    *(
        OwnEndpoint("GET", path, "read", on_own_host_only=True)
        for path in ("/metrics", "/openapi.json", "/heliograph.mjs", "/heliograph_client.py")
    ),
    OwnEndpoint("GET", f"{DASHBOARD}/{{id:path}}", "read", served_by="dashboard", on_own_host_only=True),
    OwnEndpoint("POST", f"{DASHBOARD}/{{id:path}}", "write", served_by="dashboard", on_own_host_only=True),
    # What programs say of calls.
    _write("POST", "/v1/request/{id}/feedback"),
    _write("POST", "/v1/request/{id}/score"),
    _write("POST", "/v1/webhook/request/{id}/score"),
    _write("PUT", "/v1/request/{id}/property"),
    _write("POST", "/v1/evals/{id}"),
    _write("POST", LEGACY_FEEDBACK),
    _write("POST", "/v1/session/{id:path}/feedback"),
    _write("POST", "/v1/session/{id:path}/tag"),
    # Calls that programs log after the fact.
    *(_write("POST", f"/{name}/v1/log") for name in ("oai", "anthropic", "googleapis", "custom")),
    _write("POST", "/v1/trace/custom/v1/log"),
    _write("POST", "/v1/trace/custom/log"),
    _write("POST", "/v1/trace/custom/log/typed"),
    _write("POST", "/v1/traces"),
    _write("POST", "/v1/trace/log"),
    _write("POST", "/v1/trace/log-python"),
    # Questions.
    _read("POST", "/v1/request/query"),
    _read("POST", "/v1/request/query-clickhouse"),
    _read("POST", "/v1/request/count/query"),
    _read("POST", "/v1/request/query-ids"),
    _read("GET", "/v1/request/{request_id}"),
    _read("GET", "/v1/request/{request_id}/messages"),
    _read("GET", "/v1/session/{id:path}/tag"),
    _read("POST", "/v1/session/query"),
    _read("POST", "/v1/session/count"),
    _read("POST", "/v1/session/name/query"),
    _read("POST", "/v1/session/metrics/query"),
    _read("GET", "/v1/session/has-session"),
    _read("POST", "/v1/user/query"),
    _read("POST", "/v1/user/metrics/query"),
    _read("POST", "/v1/property/query"),
    _read("POST", "/v1/property/{key}/search"),
    _read("POST", "/v1/property/{key}/top-costs/query"),
    *(_read("POST", f"/v1/metrics/{name}") for name in METRICS),
    _read("POST", "/v1/helicone-sql/execute"),
    _read("GET", "/v1/helicone-sql/schema"),
)


def is_own(path: str, *, on_own_host: bool) -> bool:
    """Whether a canonical path is ours to answer; a wrong name within one of our families gets a 404 of ours."""
    if any(on_own_host or not endpoint.on_own_host_only for endpoint in endpoints_at(path)):
        return True
    return path.startswith(_families())


def role_for(method: str, path: str) -> Role | None:
    """The role that a request to a canonical path needs. What nobody serves is answered to readers: with a 404 or 405."""
    served = "GET" if method == "HEAD" else method
    found = [endpoint.role for endpoint in endpoints_at(path) if endpoint.method == served]
    # A path may fit two patterns (`/v1/request/query`): the strictest role counts, whichever the API takes first.
    return "write" if "write" in found else found[0] if found else "read"


def endpoints_at(path: str) -> Iterator[OwnEndpoint]:
    """Every endpoint whose pattern fits a canonical path. Linear in the path."""
    segments = path.split("/")
    known = _by_beginning()
    near = known.get(_beginning(segments)) or known.get(_beginning(segments[:2])) or []
    return (endpoint for endpoint in near if _fits(_segments_of(endpoint.pattern), segments))


def _fits(pattern: tuple[str, ...], segments: list[str]) -> bool:
    many = next((i for i, part in enumerate(pattern) if part.endswith(":path}")), None)
    if many is None:
        return len(pattern) == len(segments) and all(map(_fits_segment, pattern, segments))
    after = len(pattern) - many - 1
    if len(segments) < len(pattern):
        return False
    return all(map(_fits_segment, pattern[:many], segments)) and all(
        map(_fits_segment, pattern[many + 1 :], segments[len(segments) - after :])
    )


def _fits_segment(part: str, segment: str) -> bool:
    return bool(segment) if part.startswith("{") else part == segment


def _beginning(segments: Sequence[str]) -> tuple[str, ...]:
    """The first two segments, or the first one where the second is variable: every call of a program is looked up."""
    return tuple(part for part in segments[1:3] if not part.startswith("{"))


@cache
def _by_beginning() -> dict[tuple[str, ...], list[OwnEndpoint]]:
    found: dict[tuple[str, ...], list[OwnEndpoint]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(_beginning(_segments_of(endpoint.pattern)), []).append(endpoint)
    return found


@cache
def _segments_of(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("/"))


@cache
def _families() -> tuple[str, ...]:
    """`/v1/request/` and the like: what lies below them is ours, whether it exists or not."""
    split = (_segments_of(endpoint.pattern) for endpoint in ENDPOINTS)
    return tuple({f"/v1/{parts[2]}/" for parts in split if parts[1] == "v1" and len(parts) > 3})
