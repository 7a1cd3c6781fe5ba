"""The page Health: whether anything is lost, late or wrong. What `heliograph doctor` says of the data folder is part of it."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.hooks.endpoint_headers import COUNTS
from addon.storage.folders import Folders
from addon.storage.presence import running_proxies
from analysis.api.state import Api
from analysis.dashboard.pages import Page, Site, kept, run
from analysis.dashboard.report_pages import Part, of_reason, report_part
from analysis.dashboard.view import view_of
from analysis.health.data_folder import data_findings
from analysis.health.finding import Finding
from analysis.lake import Connection

PAGE: Final = Page("/health", "Health", "d", "Data")
_UNPRICED: Final = Part("unpriced", "Calls without a price", "unpriced", calls_of=of_reason)
_PACKAGES: Final = ("heliograph", "mitmproxy", "duckdb", "pyarrow", "genai-prices")


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        return site.page(request, "health.html", view_of(request))

    async def proxy(request: Request) -> Response:
        counts: dict[str, float] = orjson.loads(request.headers.get(COUNTS, "{}"))
        view = view_of(request)
        settled = await site.dashboard.api.ask(lambda connection: _settled(connection, counts.get("started_at")))
        proxies = list(running_proxies(Folders(site.dashboard.api.settings.data)))
        versions = {name: version(name) for name in _PACKAGES} | {"Python": platform.python_version()}
        return site.part(
            "health_proxy.html", view, counts=counts, settled=settled, proxies=proxies, versions=versions, utc=_utc
        )

    async def findings(request: Request) -> Response:
        found = await anyio.to_thread.run_sync(_findings, site.dashboard.api)
        return site.part("health_findings.html", view_of(request), findings=found)

    async def unpriced(request: Request) -> Response:
        return await report_part(site, view_of(request), _UNPRICED)

    part = f"{PAGE.path}/-"
    return [
        Route(PAGE.path, page),
        Route(f"{part}/proxy", proxy),
        Route(f"{part}/findings", findings),
        Route(f"{part}/unpriced", kept(site, unpriced)),
    ]


def _findings(api: Api) -> list[Finding]:
    """Calls without a price are a table of the page."""
    settings = api.settings
    config = settings.config if settings.config.exists() else None
    return list(data_findings(settings.data, config, lake=api.lake, prices=False))


def _settled(connection: Connection, since: float | None) -> int | None:
    """Rows of calls that came through since the proxy started; None: no proxy says when."""
    if since is None:
        return None
    ((count,),) = run(connection, "health_settled", {"started": datetime.fromtimestamp(since, UTC)}).rows
    return int(count)


def _utc(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC).replace(tzinfo=None)
