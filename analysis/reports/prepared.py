"""Tables that the reports of from_bodies/ ask beside the views: made in Python, of the bodies of some calls of the scope."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from analysis.lake import Connection

if TYPE_CHECKING:
    from addon.metering.overrides import PriceOverride
    from analysis.reports.prompt_turns import LostUsd


def prepare(connection: Connection, name: str, most: int, own_prices: "Sequence[PriceOverride]" = ()) -> None:
    """Makes the tables of a report for the open scope; those of sql/ need none. `most`: rows that will be shown."""
    if make := _TABLES.get(name):
        make(connection, most, own_prices)


# What they need is imported when they run: it takes longer than most reports.
def _prompt_cache(connection: Connection, most: int, own_prices: "Sequence[PriceOverride]") -> None:
    from analysis.reports import prompt_cache

    @cache
    def priced() -> "LostUsd":
        """Only where a session lost something: prices take half a second to import."""
        from addon.metering.price import PriceList
        from analysis.reports.prompt_losses import lost_usd

        return partial(lost_usd, prices=PriceList(own_prices))

    prompt_cache.add(connection, lambda row, tokens: priced()(row, tokens), most)


def _tools(connection: Connection, most: int, own_prices: "Sequence[PriceOverride]") -> None:
    from analysis.reports import tools

    tools.add(connection)


def is_of_bodies(name: str) -> bool:
    """Whether a report asks such a table."""
    return name in _TABLES


def views_of_tables(name: str) -> frozenset[str]:
    """The views of a scope that the tables of a report are made of."""
    return _VIEWS.get(name, frozenset())


_TABLES: Final[Mapping[str, Callable[[Connection, int, "Sequence[PriceOverride]"], None]]] = {
    "prompt-cache": _prompt_cache,
    "tools": _tools,
}
_VIEWS: Final = {"prompt-cache": frozenset({"calls", "calls_by_session"}), "tools": frozenset({"calls"})}
