"""What the store of the limits holds, for pages: calls under way reserve amounts that no row has yet."""

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio.to_thread

from addon.config.settings import Settings
from addon.limits.store import Contents, StoreDown
from analysis.dashboard.pages import Site
from analysis.dashboard.view import floored
from analysis.reports.standing import stored_contents

# A window that ends now loses its oldest calls while nothing else changes; a minute of that is not seen.
_MEASURED_FOR: Final = timedelta(minutes=1)


async def spent_now(site: Site) -> Hashable:
    """What a part about spending is made of beside the lake: what calls under way reserve, and the time to the minute."""
    now = datetime.now(UTC)
    contents, trouble = await limits_store(site, now)
    return floored(now, _MEASURED_FOR), repr((contents.reserved, contents.unpriced)), trouble


async def limits_store(site: Site, now: datetime) -> tuple[Contents, str | None]:
    """Its contents, and what a reader must know where it cannot be read. Off the event loop: its lock may be held."""
    return await anyio.to_thread.run_sync(_read, site.dashboard.api.settings, now)


def _read(settings: Settings, now: datetime) -> tuple[Contents, str | None]:
    try:
        return stored_contents(settings, now), None
    except StoreDown as error:  # what was spent is in the rows
        return Contents(), f"What calls under way reserve is not known: {error}"
