"""The lines under a report: what all calls of the window come to, and what a sum of costs leaves out."""

from collections.abc import Iterator, Sequence
from typing import Final

from analysis.render import printable, usd
from analysis.report import Totals
from analysis.unpriced import Unpriced

_NAMED: Final = 5  # groups of unpriced calls that are named; the report `unpriced` shows all


def footer(totals: Totals, without_price: Sequence[Unpriced]) -> Iterator[str]:
    """One line each for the totals, the calls without a price, and the estimated ones."""
    cost = "cost unknown" if totals.cost_usd is None else usd(totals.cost_usd)
    yield f"{count(totals.calls, 'call')}, {count(totals.errors, 'error')}, {cost}"
    if without_price:
        yield unpriced_line(without_price)
    if totals.estimated:
        yield f"{count(totals.estimated, 'cost')} estimated: those providers stated no usage, or a stream ended early"


def unpriced_line(groups: Sequence[Unpriced]) -> str:
    """`13 calls have no price and are in no sum: acme-1 (12), no price known; ...`"""
    named = "; ".join(
        f"{printable(group.model or group.provider_name)} ({group.calls:,}): {group.why}" for group in groups[:_NAMED]
    )
    more = f"; and {len(groups) - _NAMED} more, see `heliograph report unpriced`" if len(groups) > _NAMED else ""
    calls = sum(group.calls for group in groups)
    return f"{count(calls, 'call')} without a price, in no sum: {named}{more}"


def count(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
