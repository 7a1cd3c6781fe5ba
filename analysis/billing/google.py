"""Google: Cloud Billing, as rows of the BigQuery export (CSV or JSON) and as CSV of the console's reports.

BigQuery: https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage (and detailed-usage).
Nested fields are columns with dots in CSV, objects in JSON. `cost` is before `credits`.

Console CSV: Billing > Reports, grouped by date and SKU, "Download CSV". The columns are those of a published export;
Google documents the page (https://cloud.google.com/billing/docs/how-to/reports), not the file. Its last lines are totals
without a date.

Billing days begin at midnight in California, whatever the zone of the account. BigQuery's times are UTC, and become such
days. AI Studio has charts of usage alone; what it bills is in Cloud Billing, as the service "Gemini API".

Tokens, kind and model are in the SKU's description alone, which Google words in many ways: "Generate content input token
count gemini 2.5 flash short input text", "Generate_content text cached input token count for gemini 3 flash".
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from analysis.billing.cells import day, needed, number, text, usd
from analysis.billing.line import BillLine, Format, Record, Tokens

PACIFIC: Final = "America/Los_Angeles"
_ZONE: Final = ZoneInfo(PACIFIC)
# Service descriptions whose SKUs are models' tokens, and the name that the rows have for that provider.
_SERVICES: Final = {"gemini api": "gemini", "generative language api": "gemini", "vertex ai": "vertex"}
_MODEL: Final = re.compile(
    r"\b(?:(?:gemini|gemma)[ -](?:embedding[ -]?\w*|[\d.]+(?:[ -](?:pro|flash|lite|ultra|nano|preview|exp|8b|computer use))*"
    r"(?:[ -](?:image|tts|live)(?=$|[ -](?!input|output)))?)|claude[ -][\w. -]*?\d[\d.]*(?:[ -](?:opus|sonnet|haiku))?"
    r"|imagen[ -][\d.]+|veo[ -][\d.]+|(?:llama|mistral|deepseek|qwen)[\w. -]*?[\d.]+\w*)",
    re.IGNORECASE,
)
_TIER: Final = re.compile(r"\b(batch|flex|priority)\b", re.IGNORECASE)
_HALF_A_MICRO_DOLLAR: Final = Decimal("0.0000005")  # the console's unrounded sums have six decimals


def _bigquery(record: Record) -> BillLine | None:
    provider = _SERVICES.get((text(record, "service_description") or "").lower())
    if provider is None or (text(record, "cost_type") or "regular") not in ("regular", "adjustment"):
        return None  # another service, tax, or Google's own rounding
    sku = needed(text(record, "sku_description"), "sku_description")
    return BillLine(
        provider_name=provider,
        day=day(record, "usage_start_time", _ZONE),
        model=model_of(sku),
        project=text(record, "project_id"),
        cost_usd=needed(usd(record, "cost", "currency"), "cost"),
        credit_usd=_credits(record.get("credits")),
        tier=_tier(sku),
        tokens=_tokens(sku, number(record, "usage_amount"), text(record, "usage_unit")),
    )


def _console(record: Record) -> BillLine | None:
    if text(record, "date") is None:
        return None  # the totals at the end
    provider = _SERVICES.get((text(record, "service_description") or "").lower())
    if provider is None:
        return None
    sku = needed(text(record, "sku_description"), "sku_description")
    return BillLine(
        provider_name=provider,
        day=day(record, "date"),
        model=model_of(sku),
        project=text(record, "project_id"),
        cost_usd=needed(number(record, "unrounded_subtotal_($)"), "unrounded_subtotal_($)"),
        rounding_usd=_HALF_A_MICRO_DOLLAR,
        tier=_tier(sku),
        tokens=_tokens(sku, number(record, "usage_amount"), text(record, "usage_unit")),
    )


def model_of(sku: str) -> str | None:
    """`gemini 2.5 flash lite` of a SKU's description, with "-" for spaces; None: it names no model."""
    found = _MODEL.search(sku)
    return re.sub(r"[ _]+", "-", found[0].strip().lower()) if found else None


def _tier(sku: str) -> str | None:
    found = _TIER.search(sku)
    return found[1].lower() if found else None


def _tokens(sku: str, amount: Decimal | None, unit: str | None) -> Tokens:
    """The tokens that a line is about. Storage of cached content is in hours, images and searches are counts of their own."""
    words = sku.lower()
    if amount is None or "token" not in words or (unit or "count").lower() not in ("count", "tokens") or amount < 0:
        return Tokens()
    if "storage" in words or amount != amount.to_integral_value():
        return Tokens()
    tokens = int(amount)
    if "output" in words.partition("token")[0] or "thinking text output" in words:
        return Tokens(output_tokens=tokens)
    if "cach" in words:
        return Tokens(input_tokens=tokens, cache_read_input_tokens=tokens)
    return Tokens(input_tokens=tokens) if "input" in words else Tokens()


def _credits(credits: object) -> Decimal | None:
    """The sum of a row's credits; None where the export has none, as a flat CSV."""
    if not isinstance(credits, Sequence) or isinstance(credits, str):
        return None
    amounts = [number(each, "amount") for each in credits if isinstance(each, dict)]
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "Google Cloud Billing export (BigQuery rows as JSON or CSV)",
        "https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage",
        frozenset({"service_description", "sku_description", "usage_start_time", "cost", "currency"}),
        _bigquery,
        PACIFIC,
    ),
    Format(
        "Google Cloud console, report by date and SKU (CSV)",
        "https://cloud.google.com/billing/docs/how-to/reports",
        frozenset({"date", "service_description", "sku_description", "usage_amount", "unrounded_subtotal_($)"}),
        _console,
        PACIFIC,
    ),
)
