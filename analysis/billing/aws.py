"""AWS: lines of Bedrock in the Cost and Usage Report, in Data Exports (CUR 2.0) and in answers of Cost Explorer. Days are UTC.

CUR 2.0: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2-line-item.html, CSV or Parquet. Legacy CUR:
https://docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html, CSV with a slash in each column's name; its Parquet
has the names of CUR 2.0. Bedrock's usage types:
https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html, e.g.
"USE1-Claude4.6Sonnet-cache-read-input-token-count". Models that AWS Marketplace bills name their model in the product
alone ("Claude Sonnet 4.5 (Amazon Bedrock Edition)"), and their usage type is "USE1-MP:USE1_InputTokenCount-Units".

Cost Explorer: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html, by day, grouped by
USAGE_TYPE or SERVICE (and LINKED_ACCOUNT), with UnblendedCost. It has no unit: quantities of Bedrock's own usage types are
taken as thousands of tokens, as in the CUR; of Marketplace's that could not be confirmed, so these lines have no tokens.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from analysis.billing.cells import day, needed, number, text, usd
from analysis.billing.line import BillLine, Format, Record, Tokens, WrongCell

_EDITION: Final = re.compile(r"^(?P<model>.+?) \(Amazon Bedrock Edition\)$")
_MODEL: Final = re.compile(
    r"^[A-Z]{2,4}[0-9]?-(?P<model>.+?)-(?:mantle-)?(?:text-|image-|audio-|video-)?(?:input|output|cache)[-A-Za-z0-9]*token",
    re.IGNORECASE,
)
_TIER: Final = re.compile(r"(?:^|[-_])(batch|flex|priority|reserved)(?:$|[-_])", re.IGNORECASE)
_PRODUCTS: Final = ("AmazonBedrock", "AmazonBedrockService", "AmazonBedrockFoundationModels")
_CREDITS: Final = frozenset({"Credit", "Refund", "EdpDiscount", "PrivateRateDiscount", "BundledDiscount"})
_USAGE: Final = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"})
_EACH: Final = {"1k tokens": 1000, "1k token": 1000, "1m tokens": 1_000_000, "1m token": 1_000_000, "tokens": 1}
# The columns of CUR 2.0 that are read, and what the legacy CSV calls them once "/" is "_".
_COLUMNS: Final = {
    "line_item_usage_start_date": "lineitem_usagestartdate",
    "line_item_usage_type": "lineitem_usagetype",
    "line_item_usage_amount": "lineitem_usageamount",
    "line_item_usage_account_id": "lineitem_usageaccountid",
    "line_item_product_code": "lineitem_productcode",
    "line_item_line_item_type": "lineitem_lineitemtype",
    "line_item_line_item_description": "lineitem_lineitemdescription",
    "line_item_currency_code": "lineitem_currencycode",
    "line_item_unblended_cost": "lineitem_unblendedcost",
    "pricing_unit": "pricing_unit",
    "product_product_name": "product_productname",
}
_NEEDED: Final = (
    "line_item_usage_start_date",
    "line_item_usage_type",
    "line_item_usage_amount",
    "line_item_product_code",
    "line_item_line_item_type",
    "line_item_currency_code",
    "line_item_unblended_cost",
)


def _legacy(record: Record) -> BillLine | None:
    return _line({name: record.get(column) for name, column in _COLUMNS.items()})


def _line(record: Record) -> BillLine | None:
    usage_type = text(record, "line_item_usage_type") or ""
    product = _product(record)
    edition = _EDITION.match(product or "")
    if text(record, "line_item_product_code") not in _PRODUCTS and edition is None:
        return None  # another service
    kind = text(record, "line_item_line_item_type")
    if kind not in _USAGE | _CREDITS:
        return None  # tax, or a fee that is not for usage
    cost = needed(usd(record, "line_item_unblended_cost", "line_item_currency_code"), "line_item_unblended_cost")
    about: dict[str, Any] = {
        "provider_name": "bedrock",
        "day": day(record, "line_item_usage_start_date"),
        "model": edition["model"] if edition else _model(usage_type),
        "project": text(record, "line_item_usage_account_id"),
        "tier": _tier(usage_type),
    }
    if kind in _CREDITS:
        return BillLine(**about, cost_usd=Decimal(0), credit_usd=cost)
    each = _tokens_each(record)
    return BillLine(**about, cost_usd=cost, tokens=_tokens(usage_type, number(record, "line_item_usage_amount"), each))


def _cost_explorer(record: Record) -> BillLine | None:
    named = dict(zip(_group_names(record.get("groupdefinitions")), record.get("keys") or (), strict=False))
    usage_type, service = named.get("USAGE_TYPE", ""), named.get("SERVICE")
    if not usage_type and service is None:
        raise WrongCell("GroupDefinitions: group by USAGE_TYPE (and SERVICE), else nothing tells Bedrock from the rest")
    edition = _EDITION.match(service or "")
    is_bedrock = (
        edition or (service or "").startswith("Amazon Bedrock") or (service is None and _MODEL.match(usage_type))
    )
    if not is_bedrock:
        return None
    amount = usd(record, "metrics_unblendedcost_amount", "metrics_unblendedcost_unit")
    is_own = _MODEL.match(usage_type) is not None
    return BillLine(
        provider_name="bedrock",
        day=day(record, "timeperiod_start"),
        model=edition["model"] if edition else _model(usage_type),
        project=named.get("LINKED_ACCOUNT"),
        cost_usd=needed(amount, "Metrics.UnblendedCost.Amount"),
        tier=_tier(usage_type),
        is_final=record.get("estimated") is not True,
        tokens=_tokens(usage_type, number(record, "metrics_usagequantity_amount"), 1000 if is_own else None),
    )


def _group_names(definitions: object) -> list[str]:
    known = definitions if isinstance(definitions, list) else []
    return [str(each.get("Key")) for each in known if isinstance(each, Mapping)]


def _product(record: Record) -> str | None:
    """The product's name: a column of its own, or one of the values of the map `product`, which CSV has as JSON."""
    if name := text(record, "product_product_name"):
        return name
    values = record.get("product")
    if isinstance(values, str) and values.startswith("{"):
        try:
            values = json.loads(values)
        except ValueError as error:
            raise WrongCell(f"product: {values[:80]!r} is not JSON") from error
    if isinstance(values, list):  # a map of Parquet
        values = dict(values)
    return str(values.get("product_name") or "") if isinstance(values, Mapping) else None


def _model(usage_type: str) -> str | None:
    found = _MODEL.match(usage_type)
    return found["model"] if found else None


def _tier(usage_type: str) -> str | None:
    found = _TIER.search(usage_type)
    return found[1].lower() if found else None


def _tokens_each(record: Record) -> int | None:
    """How many tokens one of the usage amount is."""
    if each := _EACH.get((text(record, "pricing_unit") or "").lower()):
        return each
    # Marketplace: "AWS Marketplace software usage|us-east-1|Million Input Tokens Global"
    return 1_000_000 if "million" in (text(record, "line_item_line_item_description") or "").lower() else None


def _tokens(usage_type: str, amount: Decimal | None, each: int | None) -> Tokens:
    words = usage_type.lower().replace("_", "-").replace("cacheread", "cache-read").replace("cachewrite", "cache-write")
    if amount is None or each is None or "token" not in words or amount < 0:
        return Tokens()
    tokens = int((amount * each).to_integral_value())
    if "cache-read" in words:
        return Tokens(input_tokens=tokens, cache_read_input_tokens=tokens)
    if "cache-write" in words:
        return Tokens(
            input_tokens=tokens,
            cache_creation_input_tokens=tokens,
            cache_creation_1h_input_tokens=tokens if "1h" in words else 0,
        )
    if "output" in words:
        return Tokens(output_tokens=tokens)
    return Tokens(input_tokens=tokens) if "input" in words else Tokens()


FORMATS: Final = (
    Format(
        "AWS Cost and Usage Report 2.0 (Data Exports, CSV or Parquet)",
        "https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2-line-item.html",
        frozenset(_NEEDED),
        _line,
    ),
    Format(
        "AWS Cost and Usage Report (CSV)",
        "https://docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html",
        frozenset(_COLUMNS[name] for name in _NEEDED),
        _legacy,
    ),
    Format(
        "AWS Cost Explorer (JSON of get-cost-and-usage)",
        "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html",
        frozenset({"groupdefinitions", "timeperiod_start", "keys", "metrics_unblendedcost_amount"}),
        _cost_explorer,
    ),
)
