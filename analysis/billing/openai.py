"""OpenAI: the organization's usage and costs, as JSON of the API and as CSV of the dashboard. Days are UTC.

JSON: /v1/organization/usage/{completions,embeddings,moderations,images,audio_speeches,audio_transcriptions,...} and
/v1/organization/costs, https://platform.openai.com/docs/api-reference/usage. The fields are those of the SDK's types
(openai/types/admin/organization/usage_*_response.py of openai 3.52).

CSV: what platform.openai.com/usage exports has one line a result with the API's fields, `start_time` and
`start_time_iso`; `amount` is `amount_value` and `amount_currency`. OpenAI documents these columns nowhere: they are those
of exports that people have published. A day without usage is a line with times alone.
"""

import re
from typing import Final

from analysis.billing.cells import count, day, number, text, usd
from analysis.billing.line import BillLine, Format, Record, Tokens, WrongCell

_SOURCE: Final = "https://platform.openai.com/docs/api-reference/usage"
# `line_item` is "MODEL, input", "MODEL, cached input", "MODEL, output", "MODEL, cache writes", "MODEL audio, input",
# "evals | MODEL, input", or names a tool ("web search tool calls"). As seen in answers of the API; not documented.
_LINE_ITEM: Final = re.compile(r"^(?:[^|]+\| )?(?P<model>\S+)(?: (?:audio|text|image))?, (?P<what>[a-z ]+)$")
_TOKENS_EACH: Final = {"tokens": 1, "1000_tokens": 1000}


def _usage(record: Record) -> BillLine | None:
    input_tokens = count(record, "input_tokens")
    requests = count(record, "num_model_requests")
    if input_tokens is None and requests is None:
        return None  # a day without usage
    tier = text(record, "service_tier")
    is_batch = (text(record, "batch") or "").lower() == "true"
    return BillLine(
        provider_name="openai",
        day=day(record, "start_time"),
        model=text(record, "model"),
        key=text(record, "api_key_id"),
        project=text(record, "project_id"),
        requests=requests,
        tokens=Tokens(
            input_tokens=input_tokens,
            cache_read_input_tokens=count(record, "input_cached_tokens"),
            cache_creation_input_tokens=count(record, "input_cache_write_tokens"),
            output_tokens=count(record, "output_tokens"),
        ),
        tier="batch" if is_batch else None if tier in (None, "default", "standard", "auto") else tier,
    )


def _cost(record: Record) -> BillLine | None:
    amount = usd(record, "amount_value", "amount_currency")
    if amount is None:
        return None
    item = text(record, "line_item")
    named = _LINE_ITEM.match(item) if item else None
    return BillLine(
        provider_name="openai",
        day=day(record, "start_time"),
        model=named["model"] if named else item,
        key=text(record, "api_key_id"),
        project=text(record, "project_id"),
        cost_usd=amount,
        tokens=_tokens(named["what"], record) if named else Tokens(),
    )


def _tokens(what: str, record: Record) -> Tokens:
    """The quantity of a line item, where it is one of tokens."""
    quantity = number(record, "quantity")
    # Older answers have no unit; their quantities of "input" and "output" are tokens.
    each = _TOKENS_EACH.get(text(record, "quantity_unit") or "tokens")
    if quantity is None or each is None:
        return Tokens()
    tokens = quantity * each
    if tokens != tokens.to_integral_value() or tokens < 0:
        raise WrongCell(f"quantity: {quantity} is not a count of tokens")
    match what.removeprefix("audio ").removeprefix("text ").removeprefix("image "):
        case "input":
            return Tokens(input_tokens=int(tokens))
        case "cached input":
            return Tokens(input_tokens=int(tokens), cache_read_input_tokens=int(tokens))
        case "cache writes" | "cache write":
            return Tokens(input_tokens=int(tokens), cache_creation_input_tokens=int(tokens))
        case "output":
            return Tokens(output_tokens=int(tokens))
    return Tokens()


FORMATS: Final = (
    Format(
        "OpenAI usage (API JSON or dashboard CSV)",
        _SOURCE,
        frozenset({"start_time", "end_time", "num_model_requests"}),
        _usage,
    ),
    Format(
        "OpenAI costs (API JSON or dashboard CSV)",
        _SOURCE,
        frozenset({"start_time", "end_time", "amount_value", "amount_currency", "line_item"}),
        _cost,
    ),
)
