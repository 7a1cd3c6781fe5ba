"""`[[limits]]` and `[[budgets]]` of heliograph.toml.

[[limits]]
name = "team"
quota = 1000
window = "1h"                       # or window_s = 3600
unit = "request"                    # request | tokens | cents
per = "user"                        # all | key | user | model | property:<name>; all if left out
match = { model = "gpt-4*", property.feature = "chat" }     # optional: user, model, key_hash, property.<name>

[[budgets]]
name = "company"
usd = 50
period = "month"                    # day | month, UTC
warn_at = 0.8                       # optional, as the next one
hard = true                         # refuse calls once it is spent; false: warn only
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from addon.limits.policy import Policy, checked_quota, checked_window
from addon.limits.rules import PROPERTY, Budget, Limit, Match

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIMIT_KEYS: Final = ("name", "quota", "window", "window_s", "unit", "per", "match")
_BUDGET_KEYS: Final = ("name", "usd", "period", "per", "match", "warn_at", "hard")
_MATCH_KEYS: Final = ("user", "model", "key_hash", "property")


def parse_limits(tables: Sequence[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """The tables as tomllib reads them. Raises ValueError that names key and value and says what is allowed."""
    return _named("limits", tables, _limit)


def parse_budgets(tables: Sequence[Mapping[str, Any]]) -> tuple[Budget, ...]:
    """The tables as tomllib reads them. Raises ValueError that names key and value and says what is allowed."""
    return _named("budgets", tables, _budget)


def _named[T: (Limit, Budget)](
    key: str, tables: Sequence[Mapping[str, Any]], parse: Callable[[str, Mapping[str, Any]], T]
) -> tuple[T, ...]:
    rules: dict[str, T] = {}
    for index, table in enumerate(tables):
        rule = parse(f"{key}[{index}]", table)
        if rule.name in rules:
            raise ValueError(f"{key}[{index}].name: {rule.name!r} is taken; give each of {key} a name of its own")
        rules[rule.name] = rule
    return tuple(rules.values())


def _limit(where: str, table: Mapping[str, Any]) -> Limit:
    _check_keys(where, table, _LIMIT_KEYS, needed=("name", "quota"))
    unit = table.get("unit", "request")
    if unit not in ("request", "tokens", "cents"):
        raise ValueError(f"{where}.unit: {unit!r} is not a unit; allowed are request, tokens, cents")
    per, number = _per(where, table), _number(where, table, "quota")
    try:
        quota = checked_quota(number)
    except ValueError as error:
        raise ValueError(f"{where}.quota: {error}") from None
    policy = Policy(quota=quota, window_s=_window(where, table), unit=unit)
    if per == "user" or per.startswith(PROPERTY):
        policy = replace(policy, segment=per.removeprefix(PROPERTY))
    return Limit(name=_name(where, table), policy=policy, per=per, match=_match(where, table))


def _budget(where: str, table: Mapping[str, Any]) -> Budget:
    _check_keys(where, table, _BUDGET_KEYS, needed=("name", "usd", "period"))
    usd, warn_at = _number(where, table, "usd"), _number(where, table, "warn_at", 0.8)
    if usd <= 0:
        raise ValueError(f"{where}.usd: {table['usd']!r} is not a budget; write US dollars above 0, e.g. 50")
    if not 0 < warn_at <= 1:
        raise ValueError(f"{where}.warn_at: {table['warn_at']!r} is not a share; write above 0 and up to 1, e.g. 0.8")
    period, hard = table["period"], table.get("hard", True)
    if period not in ("day", "month"):
        raise ValueError(f"{where}.period: {period!r} is not a period; allowed are day, month")
    if not isinstance(hard, bool):
        raise ValueError(f"{where}.hard: {hard!r} is neither true nor false")
    return Budget(
        name=_name(where, table),
        usd=usd,
        period=period,
        per=_per(where, table),
        match=_match(where, table),
        warn_at=warn_at,
        hard=hard,
    )


def _check_keys(where: str, table: Mapping[str, Any], allowed: Sequence[str], needed: Sequence[str]) -> None:
    if unknown := sorted(set(table) - set(allowed)):
        raise ValueError(f"{where}.{unknown[0]}: no such key; allowed are {', '.join(allowed)}")
    for key in needed:
        if key not in table:
            raise ValueError(f"{where}.{key}: missing; needed are {', '.join(needed)}")


def _name(where: str, table: Mapping[str, Any]) -> str:
    name = _text(f"{where}.name", table["name"], "team")
    if "|" in name:  # it parts the keys in the store
        raise ValueError(f"{where}.name: {name!r} has a |; leave it out")
    return name


def _number(where: str, table: Mapping[str, Any], key: str, default: float | None = None) -> Decimal:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ValueError(f"{where}.{key}: {value!r} is not a number; write e.g. {default or 10:g}")
    return Decimal(str(value))  # 0.1 as it is written, not as the nearest binary fraction


def _window(where: str, table: Mapping[str, Any]) -> int:
    if ("window" in table) == ("window_s" in table):
        raise ValueError(f'{where}.window: write one of window = "1h" and window_s = 3600')
    if "window_s" in table:
        key, value = "window_s", table["window_s"]
        seconds = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None
    else:
        key, value = "window", table["window"]
        found = re.fullmatch(r"(\d+)([smhd])", value, re.ASCII) if isinstance(value, str) else None
        seconds = Decimal(found[1]) * _SECONDS[found[2]] if found else None
    if seconds is None:
        raise ValueError(f'{where}.{key}: {value!r} is not a time; write window_s = 3600 or window = "1h" (s, m, h, d)')
    try:
        return checked_window(seconds)
    except ValueError as error:
        raise ValueError(f"{where}.{key}: {error}") from None


def _per(where: str, table: Mapping[str, Any]) -> str:
    value = table.get("per", "all")
    if isinstance(value, str):
        if value in ("all", "key", "user", "model"):
            return value
        if value.startswith(PROPERTY) and (name := value.removeprefix(PROPERTY).strip().lower()):
            return PROPERTY + name
    raise ValueError(f"{where}.per: {value!r} is not one of all, key, user, model, property:<name>")


def _match(where: str, table: Mapping[str, Any]) -> Match:
    given = table.get("match", {})
    if not isinstance(given, dict):
        raise ValueError(f'{where}.match: {given!r} is not a table; write e.g. match = {{ model = "gpt-4*" }}')
    where = f"{where}.match"
    _check_keys(where, given, _MATCH_KEYS, needed=())
    properties = given.get("property", {})
    if not isinstance(properties, dict):
        raise ValueError(f'{where}.property: {properties!r} names no property; write e.g. property.feature = "chat"')
    texts = {key: _text(f"{where}.{key}", given[key], "x") for key in ("user", "model", "key_hash") if key in given}
    return Match(
        **texts,
        properties=tuple(
            (name.lower(), _text(f"{where}.property.{name}", value, "chat")) for name, value in properties.items()
        ),
    )


def _text(where: str, value: Any, example: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{where}: {value!r} is not a text; write e.g. "{example}"')
    return value.strip()
