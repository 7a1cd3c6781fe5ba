"""The lines under a report: what all calls of the window come to, and what a sum of costs leaves out."""

from collections.abc import Iterator, Sequence
from typing import Final

from analysis.faces.render import printable, usd
from analysis.reports.report import Totals
from analysis.reports.unpriced import Unpriced

_NAMED: Final = 5  # groups of unpriced calls that are named; the report `unpriced` shows all


def footer(totals: Totals, without_price: Sequence[Unpriced]) -> Iterator[str]:
    """Lines on the totals, the calls without a price, and the estimated ones."""
    cost = "cost unknown" if totals.cost_usd is None else usd(totals.cost_usd)
    yield f"{count(totals.calls, 'call')}, {count(totals.errors, 'error')}, {cost}"
    if without_price:
        yield from unpriced_lines(without_price)
    if totals.estimated:
        yield f"{count(totals.estimated, 'cost')} estimated: a stream ended early, or stated no usage"
        yield '  OpenAI states it where the program asks (stream_options={"include_usage": True}) or the proxy (heliograph run --usage; [usage] inject = true)'


def unpriced_lines(groups: Sequence[Unpriced]) -> Iterator[str]:
    """`13 calls without a price, in no sum: openai acme-1 (12): no price known; ...`; of several models each has its line."""
    reasons: dict[tuple[str, str | None], list[Unpriced]] = {}
    for group in groups:
        reasons.setdefault((group.provider_name, group.model), []).append(group)
    named = [_why(same) for same in reasons.values()]
    start = f"{count(sum(group.calls for group in groups), 'call')} without a price, in no sum:"
    if len(named) == 1:
        yield f"{start} {named[0]}"
        return
    yield start
    yield from (f"  {line}" for line in named[:_NAMED])
    if len(named) > _NAMED:
        yield f"  and {len(named) - _NAMED} more, see `heliograph report unpriced`"


def _why(groups: Sequence[Unpriced]) -> str:
    """One model of one provider with all its reasons, each with its number of calls where there are several."""
    provider_name, model = groups[0].provider_name, groups[0].model
    name = printable(f"{provider_name} {model}" if model else provider_name)
    calls = sum(group.calls for group in groups)
    if len(groups) == 1:
        return f"{name} ({calls:,}): {groups[0].why}"
    return f"{name} ({calls:,}): " + "; ".join(f"{group.calls:,} x {group.why}" for group in groups)


def count(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
