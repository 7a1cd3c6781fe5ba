"""How much of each limit and budget of heliograph.toml is used, and when it runs out at this rate.

Spending is summed from the rows, as the settler does when it starts; what rows cannot tell (reserved amounts, calls
without a price, buckets) comes from the store of the limits.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from addon.config.settings import ConfigError, Settings
from addon.config.stores import limit_ledgers
from addon.limits.bucket import Bucket, refilled, seconds_to_full
from addon.limits.forecast import budget_runs_out_at, limit_runs_out_at, spending_at_end
from addon.limits.policy import Unit
from addon.limits.rules import (
    NANO,
    PROPERTY,
    Budget,
    BudgetState,
    CallFacts,
    Limit,
    Period,
    budget_state,
    per_value,
    period_begin,
    period_end,
    period_of,
)
from addon.limits.store import NANOUSD_PER_CENT, Contents, StoreDown
from analysis.lake import Connection
from analysis.quoting import literal
from analysis.reports.grouping import with_columns
from analysis.reports.report import load_internal
from analysis.reports.scope import set_variables
from analysis.table import fetch

_COLUMNS: Final[Mapping[str, str]] = {"user": "user_id", "model": "request_model"}
_KEYS: Final = ("api_key_hash", "helicone_key_hash")
_PATIENCE_S: Final = 2.0  # for the lock of the limits


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetNow:
    """One budget of one group in its present period. Sums are USD."""

    name: str
    per: str
    group: str | None  # the user, model, key or value that it belongs to; None: all calls, or those that name none
    period: Period
    hard: bool
    state: BudgetState
    spent_usd: float
    reserved_usd: float  # by calls under way
    budget_usd: float
    resets_at: datetime
    forecast_usd: float | None  # what will be spent when it resets; None: too early to tell
    runs_out_at: datetime | None  # None: not in this period

    @property
    def share(self) -> float:
        return (self.spent_usd + self.reserved_usd) / self.budget_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNow:
    """One bucket of a limit. Amounts are in its unit."""

    name: str
    per: str
    group: str | None
    unit: Unit
    used: float  # reserved amounts of calls under way included
    quota: float
    left: float
    window_s: int
    used_in_window: float  # by the calls of the last window; what was refilled meanwhile is not taken off
    resets_at: datetime  # when it is full again
    runs_out_at: datetime | None  # None: not at this rate

    @property
    def share(self) -> float:
        return self.used / self.quota


@dataclass(frozen=True, slots=True)
class _Used:
    group: str
    calls: int = 0
    tokens: int = 0
    nanousd: int = 0

    def of(self, unit: Unit) -> float:
        return {"request": self.calls, "tokens": self.tokens, "cents": self.nanousd / NANOUSD_PER_CENT}[unit]


def stored_contents(settings: Settings, now: datetime) -> Contents:
    """What the store of the limits holds: reserved amounts, calls without a price, buckets. Raises StoreDown."""
    try:
        *others, store = limit_ledgers(settings, os.environ, patience_s=_PATIENCE_S)  # the shared one comes last
    except ConfigError as error:
        raise StoreDown(str(error)) from error
    try:
        return store.contents(now.timestamp())
    finally:
        for each in (*others, store):
            each.close()


def budgets_now(
    connection: Connection, budgets: Iterable[Budget], contents: Contents, now: datetime
) -> list[BudgetNow]:
    """Every budget by every group that spent something; the one that is used most comes first within a budget."""
    found: list[BudgetNow] = []
    for budget in budgets:
        period, begin = period_of(budget.period, now), period_begin(budget.period, now)
        used = _usage(connection, budget, begin, "spent", hard=budget.hard)
        for key in [key for key, of_period in {*contents.reserved, *contents.unpriced} if of_period == period]:
            if (group := _group_of(key, f"budget|{budget.name}|", "")) is not None:
                used.setdefault(key, _Used(group))
        if budget.per == "all":
            used.setdefault(budget.key(CallFacts()), _Used(""))
        rows = [_budget_now(budget, key, spent, contents, begin, now) for key, spent in used.items()]
        found += sorted(rows, key=lambda row: (-row.share, row.group or ""))
    return found


def _budget_now(budget: Budget, key: str, used: _Used, contents: Contents, begin: datetime, now: datetime) -> BudgetNow:
    held = key, period_of(budget.period, now)
    nanousd = used.nanousd + contents.unpriced.get(held, 0)
    end = period_end(budget.period, now)
    spent, whole = nanousd / NANO, float(budget.usd)
    return BudgetNow(
        name=budget.name,
        per=budget.per,
        group=used.group or None,
        period=budget.period,
        hard=budget.hard,
        state=budget_state(budget, nanousd),
        spent_usd=spent,
        reserved_usd=contents.reserved.get(held, 0.0) / NANO,
        budget_usd=whole,
        resets_at=end,
        forecast_usd=spending_at_end(spent, begin, end, now),
        runs_out_at=budget_runs_out_at(spent, whole, begin, end, now),
    )


def limits_now(connection: Connection, limits: Iterable[Limit], contents: Contents, now: datetime) -> list[LimitNow]:
    """Every limit by every group that used it lately; the one that is used most comes first within a limit."""
    found: list[LimitNow] = []
    for limit in limits:
        since = now - timedelta(seconds=limit.policy.window_s)
        used = _usage(connection, limit, since, "admitted", hard=False)
        for key in contents.buckets:
            if (group := _group_of(key, f"server|{limit.name}|", f"|{limit.policy.unit}")) is not None:
                used.setdefault(key, _Used(group))
        if limit.per == "all":
            used.setdefault(limit.key(CallFacts()), _Used(""))
        rows = [_limit_now(limit, key, lately, contents, now) for key, lately in used.items()]
        found += sorted(rows, key=lambda row: (-row.share, row.group or ""))
    return found


def _limit_now(limit: Limit, key: str, lately: _Used, contents: Contents, now: datetime) -> LimitNow:
    policy = limit.policy
    bucket = refilled(contents.buckets.get(key), policy, now.timestamp())
    bucket = Bucket(bucket.tokens - contents.reserved.get((key, ""), 0.0), bucket.updated_at)
    quota, in_window = float(policy.quota), lately.of(policy.unit)
    return LimitNow(
        name=limit.name,
        per=limit.per,
        group=lately.group or None,
        unit=policy.unit,
        used=max(0.0, quota - bucket.tokens),
        quota=quota,
        left=max(0.0, bucket.tokens),
        window_s=policy.window_s,
        used_in_window=in_window,
        resets_at=now + timedelta(seconds=seconds_to_full(bucket, policy)),
        runs_out_at=limit_runs_out_at(bucket, policy, in_window, now),
    )


def _usage(
    connection: Connection, rule: Limit | Budget, since: datetime, counted: str, *, hard: bool
) -> dict[str, _Used]:
    """By key of the rule, what the calls since then used of it."""
    names = sorted(_properties(rule))
    groups = [*_asked(rule), *(f"properties[{literal(name)}] as property_{i}" for i, name in enumerate(names))]
    sql = with_columns(load_internal("rule_usage").sql, groups or ["null as everything"])
    set_variables(connection, {"used_since": since.astimezone(UTC), "counted": counted, "is_hard": hard})
    used: dict[str, _Used] = {}
    for row in fetch(connection, sql).records():
        facts = CallFacts(
            user=row.get("user_id"),
            properties={name: value for i, name in enumerate(names) if (value := row[f"property_{i}"]) is not None},
            model=row.get("request_model"),
            key_hash=row.get("api_key_hash"),
            helicone_key_hash=row.get("helicone_key_hash"),
        )
        if rule.match.covers(facts):
            before = used.get(rule.key(facts), _Used(per_value(rule.per, facts)))
            used[rule.key(facts)] = _Used(
                before.group,
                before.calls + row["calls"],
                before.tokens + (row["tokens"] or 0),
                before.nanousd + (row["nanousd"] or 0),
            )
    return used


def _asked(rule: Limit | Budget) -> Sequence[str]:
    """The columns, beside properties, that a rule's keys and conditions depend on."""
    names = [name for name in _COLUMNS if rule.per == name or getattr(rule.match, name) is not None]
    keys = _KEYS if rule.per == "key" or rule.match.key_hash is not None else ()
    return [*(_COLUMNS[name] for name in names), *keys]


def _properties(rule: Limit | Budget) -> set[str]:
    named = {rule.per.removeprefix(PROPERTY)} if rule.per.startswith(PROPERTY) else set()
    return named | {name for name, _ in rule.match.properties}


def _group_of(key: str, start: str, end: str) -> str | None:
    """The group in a key of the store; None: it is another rule's."""
    is_ours = key.startswith(start) and key.endswith(end) and len(key) >= len(start) + len(end)
    return key[len(start) : len(key) - len(end)] if is_ours else None
