"""What the store of the limits holds, for pages: calls under way reserve amounts that no row has yet."""

from datetime import datetime

import anyio.to_thread

from addon.config.settings import Settings
from addon.limits.store import Contents, StoreDown
from analysis.dashboard.pages import Site
from analysis.reports.standing import stored_contents


async def limits_store(site: Site, now: datetime) -> tuple[Contents, str | None]:
    """Its contents, and what a reader must know where it cannot be read. Off the event loop: its lock may be held."""
    return await anyio.to_thread.run_sync(_read, site.dashboard.api.settings, now)


def _read(settings: Settings, now: datetime) -> tuple[Contents, str | None]:
    try:
        return stored_contents(settings, now), None
    except StoreDown as error:  # what was spent is in the rows
        return Contents(), f"What calls under way reserve is not known: {error}"
