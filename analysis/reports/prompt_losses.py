"""What it cost that tokens were not read from a provider's prompt cache: the bill of a call beside the one it would have been."""

from dataclasses import replace

from addon.metering.explain import bill_of
from addon.metering.price import PriceList
from addon.providers.model import Usage
from addon.storage.record import RequestRow


def lost_usd(row: RequestRow, tokens: int, prices: PriceList) -> float | None:
    """What `tokens` of the input cost more than they would have cost if read from the provider's cache.

    None: not known, since the call has no price, the provider stated the whole cost alone, or the price was one of the user's
    that `prices` do not have.
    """
    bill = bill_of(row)
    if row.cost_nanousd is None or bill.usage is None or bill.stated_nanousd is not None:
        return None
    paid, instead = prices.price(bill), prices.price(replace(bill, usage=read_instead(bill.usage, tokens)))
    if paid.nanousd is None or instead.nanousd is None or (paid.source != row.cost_source and _is_own(row.cost_source)):
        return None
    return (paid.nanousd - instead.nanousd) / 1e9


def _is_own(cost_source: str | None) -> bool:
    return cost_source is not None and cost_source.startswith("override ")


def read_instead(usage: Usage, tokens: int) -> Usage:
    """The usage with `tokens` more of its input read from the cache: first of those that were written to it once more."""
    written, written_1h = usage.cache_creation_input_tokens, usage.cache_creation_1h_input_tokens
    left = None if written is None else max(0, written - tokens)
    return replace(
        usage,
        cache_read_input_tokens=(usage.cache_read_input_tokens or 0) + tokens,
        cache_creation_input_tokens=left,
        cache_creation_1h_input_tokens=None if written_1h is None else min(written_1h, left or 0),
    )
