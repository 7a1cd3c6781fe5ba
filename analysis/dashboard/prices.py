"""The prices that costs are explained by: those that a new call would have."""

from functools import lru_cache
from pathlib import Path

from addon.config.settings import Settings
from addon.metering import fetched_list
from addon.metering.price import PriceList
from addon.storage.folders import Folders


def price_list(settings: Settings) -> PriceList:
    """Takes a moment the first time: not for the event loop."""
    fetched = Folders(settings.data).prices
    changed_at = fetched.stat().st_mtime if fetched.exists() else 0.0
    _use(settings.data, changed_at)
    return PriceList(settings.prices)


@lru_cache(1)
def _use(data: Path, changed_at: float) -> None:
    fetched_list.use(data)  # a list that cannot be used: the settler has said so
