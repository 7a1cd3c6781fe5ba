"""Anthropic: usage and cost, as CSV of the Console and as JSON of the Admin API. Days are UTC.

JSON: /v1/organizations/usage_report/messages and /v1/organizations/cost_report,
https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report and .../get-cost-report.
`amount` is in cents. Costs of the priority tier are not in it, and the Workbench has no API key.

CSV: the export buttons of platform.claude.com/usage and /cost
(https://support.claude.com/en/articles/9534590-cost-and-usage-reporting-in-the-claude-console). Anthropic documents the
columns nowhere: they are those of exports that people have published. The costs' models are display names ("Claude
Sonnet 4.5"), their amounts whole cents. Later columns (`list_price_usd`, `api_key_id`) need not be there.
"""

from decimal import Decimal
from typing import Final

from analysis.billing.cells import count, day, needed, text, usd
from analysis.billing.line import BillLine, Format, Record, Tokens

_API: Final = "https://platform.claude.com/docs/en/api/admin-api/usage-cost"
_CONSOLE: Final = "https://support.claude.com/en/articles/9534590-cost-and-usage-reporting-in-the-claude-console"
_STANDARD: Final = frozenset({None, "standard", "message"})  # "message": in the Console's costs
_HALF_A_CENT: Final = Decimal("0.005")


def _api_usage(record: Record) -> BillLine | None:
    uncached = count(record, "uncached_input_tokens")
    if uncached is None:
        return None
    short, long = (count(record, f"cache_creation_ephemeral_{ttl}_input_tokens") or 0 for ttl in ("5m", "1h"))
    read = count(record, "cache_read_input_tokens") or 0
    return BillLine(
        provider_name="anthropic",
        day=day(record, "starting_at"),
        model=text(record, "model"),
        key=text(record, "api_key_id"),
        project=text(record, "workspace_id"),
        tokens=Tokens(
            input_tokens=uncached + short + long + read,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=short + long,
            cache_creation_1h_input_tokens=long,
            output_tokens=count(record, "output_tokens"),
        ),
        tier=_tier(text(record, "service_tier")),
    )


def _api_cost(record: Record) -> BillLine | None:
    cents = usd(record, "amount", "currency")
    if cents is None:
        return None
    return BillLine(
        provider_name="anthropic",
        day=day(record, "starting_at"),
        model=text(record, "model") or _without_model(text(record, "cost_type")),
        project=text(record, "workspace_id"),
        cost_usd=cents / 100,
        tier=_tier(text(record, "service_tier")),
    )


def _console_usage(record: Record) -> BillLine:
    parts = {
        name: count(record, f"usage_input_tokens_{name}") or 0
        for name in ("no_cache", "cache_write_5m", "cache_write_1h", "cache_read")
    }
    return BillLine(
        provider_name="anthropic",
        day=day(record, "usage_date_utc"),
        model=needed(text(record, "model_version"), "model_version"),
        key=text(record, "api_key"),
        project=text(record, "workspace"),
        tokens=Tokens(
            input_tokens=sum(parts.values()),
            cache_read_input_tokens=parts["cache_read"],
            cache_creation_input_tokens=parts["cache_write_5m"] + parts["cache_write_1h"],
            cache_creation_1h_input_tokens=parts["cache_write_1h"],
            output_tokens=needed(count(record, "usage_output_tokens"), "usage_output_tokens"),
        ),
        tier=_tier(text(record, "usage_type")),
    )


def _console_cost(record: Record) -> BillLine:
    return BillLine(
        provider_name="anthropic",
        day=day(record, "usage_date_utc"),
        model=text(record, "model") or _without_model(text(record, "cost_type")),
        key=text(record, "api_key"),
        project=text(record, "workspace"),
        cost_usd=needed(usd(record, "cost_usd", None), "cost_usd"),
        rounding_usd=_HALF_A_CENT,
        tier=_tier(text(record, "usage_type")),
    )


def _tier(tier: str | None) -> str | None:
    return None if tier in _STANDARD else tier


def _without_model(cost_type: str | None) -> str | None:
    """Searches and code execution are billed without a model; their kind stands in its place."""
    return None if cost_type in (None, "tokens", "token") else cost_type


FORMATS: Final = (
    Format(
        "Anthropic usage (Admin API JSON)",
        f"{_API}/get-messages-usage-report",
        frozenset({"starting_at", "uncached_input_tokens", "output_tokens"}),
        _api_usage,
    ),
    Format(
        "Anthropic cost (Admin API JSON)",
        f"{_API}/get-cost-report",
        frozenset({"starting_at", "amount", "currency"}),
        _api_cost,
    ),
    Format(
        "Anthropic usage (Console CSV)",
        _CONSOLE,
        frozenset({"usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"}),
        _console_usage,
    ),
    Format(
        "Anthropic cost (Console CSV)",
        _CONSOLE,
        frozenset({"usage_date_utc", "model", "token_type", "cost_usd"}),
        _console_cost,
    ),
)
