"""What the first page would wait for, done at the start: templates are compiled, the lake is opened and asked once."""

import contextlib
import threading
from datetime import UTC, datetime
from typing import Final

import duckdb

from addon.storage.folders import NotOurs
from analysis.dashboard.pages import compiled_templates, run
from analysis.dashboard.state import Dashboard
from analysis.lake import Connection
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import parse_window
from analysis.reports.zone import UTC_ZONE

_WINDOW: Final = "24h"  # of 10 million calls, too, few files are opened


def warm_up(dashboard: Dashboard) -> threading.Thread:
    """In a thread that nobody waits for: pages that come meanwhile are answered as ever."""
    thread = threading.Thread(target=_warm, args=(dashboard,), name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm(dashboard: Dashboard) -> None:
    environment = compiled_templates()
    for name in environment.list_templates():
        environment.get_template(name)
    with contextlib.suppress(NotOurs, duckdb.Error, OSError):  # the first page says what is wrong with the folder
        dashboard.api.lake.ask(_question)


def _question(connection: Connection) -> None:
    open_scope(connection, Scope(parse_window(_WINDOW, None, datetime.now(UTC), UTC_ZONE)))
    run(connection, "overview_totals")
