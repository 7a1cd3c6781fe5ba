"""What the first page would wait for, done at the start: templates are compiled, the lake is opened and asked once."""

import contextlib
from datetime import UTC, datetime
from typing import Final

import anyio.to_thread
import duckdb

from addon.storage.folders import NotOurs
from analysis.api.envelope import ApiError
from analysis.dashboard.pages import compiled_templates, run
from analysis.dashboard.state import Dashboard
from analysis.lake import Connection
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import parse_window
from analysis.reports.zone import UTC_ZONE

_WINDOW: Final = "24h"  # of 10 million calls, too, few files are opened


async def warm_up(dashboard: Dashboard) -> None:
    """Pages that come meanwhile are answered as ever. The question ends with the others when the process does."""
    await anyio.to_thread.run_sync(_compile)
    with contextlib.suppress(ApiError, NotOurs, duckdb.Error, OSError):  # the first page says what is wrong
        await dashboard.api.ask(_question)


def _compile() -> None:
    environment = compiled_templates()
    for name in environment.list_templates():
        environment.get_template(name)


def _question(connection: Connection) -> None:
    window = parse_window(_WINDOW, None, datetime.now(UTC), UTC_ZONE)
    open_scope(connection, Scope(window), ["calls_summed"])
    run(connection, "overview_totals")
