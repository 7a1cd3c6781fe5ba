"""What became of a group, and the likeliest reason. Pure: decided by the group and by the groups beside it.

A reason is a guess by what is known of the calls; its words say what it rests on.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from analysis.billing.group import Group

Result = Literal["matched", "missing here", "missing there", "priced differently"]

MATCHED: Final = "matched"
HERE: Final = "missing here"
THERE: Final = "missing there"
PRICED: Final = "priced differently"
_HALF: Final = Decimal("0.5")
_CLOSE: Final = Decimal("0.005")  # of a ratio


class Verdict(NamedTuple):
    result: Result
    reason: str | None


def verdicts(groups: Sequence[Group], last_day: date) -> list[Verdict]:
    """For each group of one provider. `last_day`: of its exports."""
    results = [result_of(group) for group in groups]
    beside = _Beside(groups, last_day)
    return [
        Verdict(result, None if result == MATCHED else _reason(group, result, beside))
        for group, result in zip(groups, results, strict=True)
    ]


def result_of(group: Group) -> Result:
    """By tokens where the exports state them, else by cost."""
    if not group.is_billed and not group.calls:
        return MATCHED  # answered here; there is nothing to bill
    if group.has_tokens:
        more = group.more_tokens()
        if not any(more.values()):
            return MATCHED if group.is_same_cost and not _lacks_price(group) else PRICED
        if group.total_more:
            return HERE if group.total_more > 0 else THERE
        return PRICED  # the same sum, of other kinds
    if group.is_same_cost and not _lacks_price(group):
        return MATCHED
    return _by_cost_alone(group)


def _by_cost_alone(group: Group) -> Result:
    if not group.calls:
        return HERE
    if not group.is_billed:
        return THERE
    if _lacks_price(group) or group.requests == group.calls or _is_half(group):
        return PRICED
    if group.requests is not None:
        return HERE if group.requests > group.calls else THERE
    return HERE if (group.difference_usd or 0) > 0 else THERE


def _lacks_price(group: Group) -> bool:
    """A bill with costs, and calls without a price: the sums say nothing."""
    return group.stated.cost and group.number("unpriced") > 0


def _reason(group: Group, result: Result, beside: "_Beside") -> str:
    rules = {HERE: _HERE, THERE: _THERE, PRICED: _PRICED}[result]
    return next(reason for rule in rules if (reason := rule(group, beside)))


class _Beside:
    """The other groups, as the rules look for them."""

    def __init__(self, groups: Sequence[Group], last_day: date) -> None:
        self.last_day = last_day
        self._by: dict[Hashable, Group] = {}
        self._of_amounts: dict[Hashable, list[Group]] = {}  # those that one side alone has
        for group in groups:
            self._by[tuple(group.by.items())] = group
            if group.is_billed != bool(group.calls):
                self._of_amounts.setdefault(_amounts(group), []).append(group)

    def on(self, day: date, group: Group) -> Group | None:
        """The same on another day."""
        return self._by.get(tuple({**group.by, "day": day}.items()))

    def of_the_other_side(self, group: Group) -> list[Group]:
        """Groups with the same amounts, on the other side alone."""
        if group.is_billed == bool(group.calls):
            return []
        return [other for other in self._of_amounts[_amounts(group)] if other.is_billed != group.is_billed]


def _amounts(group: Group) -> tuple[int, ...]:
    return tuple(abs(more) for more in group.more_tokens().values())


_Rule = Callable[[Group, _Beside], str | None]


def _day_boundary(group: Group, beside: _Beside) -> str | None:
    """With the day before or after, both sides have the same tokens."""
    day = group.by.get("day")
    if not isinstance(day, date) or not group.total_more:
        return None
    for other_day in (day - timedelta(days=1), day + timedelta(days=1)):
        other = beside.on(other_day, group)
        if other and other.total_more == -group.total_more:
            return f"day boundary: together with {other_day} both sides are the same; calls around midnight"
    return None


def _other_name(group: Group, beside: _Beside) -> str | None:
    """The same amounts stand under another model, key or project, on the other side alone."""
    if not group.total_more:
        return None
    for other in beside.of_the_other_side(group):
        names = [name for name in group.by if group.by[name] != other.by[name]]
        if len(names) == 1 and names != ["day"]:
            where = "here" if group.is_billed else "on the bill"
            return f"the same tokens are {where} under {names[0]} {other.by[names[0]]}: another name of the same?"
    return None


def _unknown_ids(group: Group, beside: _Beside) -> str | None:
    unknown = group.number("unknown_ids")
    return (
        f"{_of(unknown, 'request')} of the bill not among the calls here: not through this proxy" if unknown else None
    )


def _without_usage(group: Group, beside: _Beside) -> str | None:
    silent = group.number("without_usage")
    return f"{_of(silent, 'call')} here without known usage (`heliograph report unpriced` says why)" if silent else None


def _unanswered(group: Group, beside: _Beside) -> str | None:
    """Attempts that gave no answer, if they can be all that is missing."""
    attempts = group.number("failed") + group.number("earlier_attempts")
    too_few = group.requests is not None and group.requests - group.calls > group.number("earlier_attempts")
    if not attempts or too_few:
        return None
    return f"{_of(attempts, 'attempt')} here failed or was repeated: the provider may bill what never arrived"


def _estimated(group: Group, beside: _Beside) -> str | None:
    estimated = group.number("estimated")
    return (
        f"{_of(estimated, 'call')} here estimated: the provider stated no usage, or the stream was cut"
        if estimated
        else None
    )


def _elsewhere(group: Group, beside: _Beside) -> str | None:
    if not group.calls:
        return "no such call here: another machine, key or program, not through this proxy"
    if not group.has_tokens:
        return "more was billed: calls not through this proxy, or another price; a usage export would tell"
    return f"{group.total_more:,} tokens more on the bill: calls that did not go through this proxy"


def _not_yet(group: Group, beside: _Beside) -> str | None:
    if group.number("not_final"):
        return "the provider says that this day is not final"
    return "the last day of the export: not all of it is billed yet" if group.by.get("day") == beside.last_day else None


def _not_billed(group: Group, beside: _Beside) -> str | None:
    if not group.is_billed:
        return "not on the bill: free tier, credits, a key of another account, or not yet billed"
    if not group.has_tokens:
        return "less was billed: calls with a key of another account, or another price; a usage export would tell"
    return f"{-group.total_more:,} tokens fewer on the bill: a key of another account, or not yet billed"


def _unpriced(group: Group, beside: _Beside) -> str | None:
    unpriced = group.number("unpriced")
    return (
        f"{_of(unpriced, 'call')} here without a price: {group.found['why_unpriced']}" if _lacks_price(group) else None
    )


def _other_kinds(group: Group, beside: _Beside) -> str | None:
    """The same sum of tokens, but more of them are cached, or written to the cache, on one side."""
    words = {
        "cache_read_input_tokens": "cache reads",
        "cache_creation_input_tokens": "cache writes",
        "cache_creation_1h_input_tokens": "cache writes for an hour",
        "input_tokens": "input tokens",
    }
    more = group.more_tokens()
    for name, word in words.items():
        if more.get(name):
            return f"the same tokens in sum, but {group.billed_tokens(name):,} {word} on the bill and {group.tokens(name):,} here"
    return None


def _tier(group: Group, beside: _Beside) -> str | None:
    billed, ours = group.found["billed_tiers"] or [], group.found["tiers"] or []
    other = [tier for tier in billed if tier not in ours]
    return f"the bill has the tier {', '.join(other)}, the calls here do not" if other else None


def _half_price(group: Group, beside: _Beside) -> str | None:
    return "billed at half the price here: batch or flex" if _is_half(group) else None


def _is_half(group: Group) -> bool:
    billed, ours = group.billed_usd, group.cost_usd
    return bool(billed and ours and abs(billed / ours - _HALF) <= _CLOSE * _HALF)


def _credited(group: Group, beside: _Beside) -> str | None:
    credit, difference = group.found["credit_usd"], group.difference_usd
    if not credit or difference is None or abs(difference - Decimal(credit)) > Decimal(group.found["rounding_usd"]):
        return None
    return "the difference is the bill's credits"


def _own_prices(group: Group, beside: _Beside) -> str | None:
    priced = group.number("own_priced")
    return f"{_of(priced, 'call')} here priced by your own [[prices]]" if priced else None


def _other_price(group: Group, beside: _Beside) -> str | None:
    billed, ours = group.billed_usd, group.cost_usd
    if not ours or billed is None:
        return "the calls here are free, or have no price"
    percent = (billed / ours - 1) * 100
    kind = "more" if percent > 0 else "less"
    return f"the same usage at {abs(percent):.1f} % {kind}: a contract, region, tier or fee; or a newer list (`heliograph reprice`)"


def _of(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Each list in order of how much a rule knows; the last rule always has a reason.
_HERE: Final[tuple[_Rule, ...]] = (
    _day_boundary,
    _other_name,
    _unknown_ids,
    _without_usage,
    _unanswered,
    _estimated,
    _elsewhere,
)
_THERE: Final[tuple[_Rule, ...]] = (_day_boundary, _other_name, _not_yet, _estimated, _not_billed)
_PRICED: Final[tuple[_Rule, ...]] = (
    _unpriced,
    _other_kinds,
    _tier,
    _half_price,
    _credited,
    _own_prices,
    _other_price,
)
