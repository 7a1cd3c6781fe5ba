"""OpenRouter: activity, as JSON of /api/v1/activity and as CSV of the page openrouter.ai/activity. Days are UTC.

JSON: one item a day, model and endpoint, for the last 30 finished days,
https://openrouter.ai/docs/api-reference/analytics/get-activity. `usage` is what OpenRouter charged, and
`byok_usage_inference` what the provider charged on one's own key; the rows have both together.

CSV: one line a generation; its `generation_id` is the `response_id` of a row. OpenRouter documents these columns nowhere:
they are those of exports that people have published. Not known is whether `tokens_completion` includes reasoning in
every case; it does for the models looked at.
"""

from decimal import Decimal
from typing import Final

from analysis.billing.cells import count, day, needed, number, text
from analysis.billing.line import BillLine, Format, Record, Tokens


def _activity(record: Record) -> BillLine:
    return BillLine(
        provider_name="openrouter",
        day=day(record, "date"),
        model=needed(text(record, "model"), "model"),
        requests=needed(count(record, "requests"), "requests"),
        tokens=Tokens(
            input_tokens=count(record, "prompt_tokens"),
            output_tokens=count(record, "completion_tokens"),
        ),
        cost_usd=_sum(number(record, "usage"), number(record, "byok_usage_inference")),
    )


def _generation(record: Record) -> BillLine:
    return BillLine(
        provider_name="openrouter",
        day=day(record, "created_at"),
        model=needed(text(record, "model_permaslug"), "model_permaslug"),
        key=text(record, "api_key_name"),
        response_id=needed(text(record, "generation_id"), "generation_id"),
        requests=1,
        tokens=Tokens(
            input_tokens=count(record, "tokens_prompt"),
            cache_read_input_tokens=count(record, "tokens_cached"),
            output_tokens=count(record, "tokens_completion"),
        ),
        cost_usd=_sum(number(record, "cost_total"), number(record, "byok_usage_inference")),
    )


def _sum(charged: Decimal | None, elsewhere: Decimal | None) -> Decimal | None:
    return None if charged is None else charged + (elsewhere or 0)


FORMATS: Final = (
    Format(
        "OpenRouter activity (API JSON)",
        "https://openrouter.ai/docs/api-reference/analytics/get-activity",
        frozenset({"date", "model", "usage", "byok_usage_inference", "requests", "prompt_tokens", "completion_tokens"}),
        _activity,
    ),
    Format(
        "OpenRouter activity (CSV)",
        "https://openrouter.ai/docs/guides/features/activity",
        frozenset(
            {"generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion", "model_permaslug"}
        ),
        _generation,
    ),
)
