"""What the first page would wait for, done at the start: templates are compiled, the lake is opened and asked once, what
single pages need beside is imported and read, and the process that answers SQL is started."""

import contextlib
from datetime import UTC, datetime
from importlib import import_module
from typing import Final

import anyio.to_thread
import duckdb

from addon.metering.own_prices import own_prices
from addon.storage.folders import NotOurs
from analysis.api.envelope import ApiError
from analysis.dashboard.pages import compiled_templates, run
from analysis.dashboard.state import Dashboard
from analysis.lake import Connection
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import parse_window
from analysis.reports.zone import UTC_ZONE

_IMPORTED_LATE: Final = ("cryptography.x509", "addon.settling.process")
_WINDOW: Final = "24h"  # of 10 million calls, too, few files are opened


async def warm_up(dashboard: Dashboard) -> None:
    """Pages that come meanwhile are answered as ever. The question ends with the others when the process does."""
    await anyio.to_thread.run_sync(_compile)
    with contextlib.suppress(ApiError, NotOurs, duckdb.Error, OSError):  # the first page says what is wrong
        await dashboard.api.ask(_question)
    await anyio.to_thread.run_sync(_import)
    if not dashboard.has_proxy:  # `heliograph up` has a person at its pages only now and then: the page SQL does it
        await anyio.to_thread.run_sync(dashboard.api.sql.prepare)


def _compile() -> None:
    environment = compiled_templates()
    for name in environment.list_templates():
        environment.get_template(name)


def _import() -> None:
    """For Health, the prompt-cache doctor and the cost of a call: 0.1 s of CPU and 1 MB."""
    for name in _IMPORTED_LATE:
        import_module(name)
    own_prices()


def _question(connection: Connection) -> None:
    window = parse_window(_WINDOW, None, datetime.now(UTC), UTC_ZONE)
    open_scope(connection, Scope(window), ["calls", "calls_summed"])
    run(connection, "overview_totals")
