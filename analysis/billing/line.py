"""One line of a provider's bill, whatever export it stands in, and what an export is recognised by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any, Final

# A record of an export: columns in lower case with "_" for every dot, slash and space, nested objects flattened with "_".
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a line, named and counted as in a row. None: the export does not say."""

    input_tokens: int | None = None  # total, cached tokens included
    cache_read_input_tokens: int | None = None  # part of input_tokens
    cache_creation_input_tokens: int | None = None  # part of input_tokens
    cache_creation_1h_input_tokens: int | None = None  # part of cache_creation_input_tokens
    output_tokens: int | None = None  # reasoning included


TOKENS: Final = tuple(each.name for each in fields(Tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """What a provider says of one day (and model, key, project), or of one request. None: the export does not say."""

    provider_name: str  # as the rows name it
    day: date  # in the export's own time zone
    model: str | None = None  # in the provider's own words
    key: str | None = None  # the provider's id of an API key, or the name that a person gave it
    project: str | None = None  # the provider's id of a project, workspace or account
    response_id: str | None = None  # of a line that is about one request

    requests: int | None = None
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: Decimal | None = None  # before credits
    rounding_usd: Decimal = Decimal(0)  # the export may have rounded the cost by this much
    credit_usd: Decimal | None = None  # credits and refunds, negative
    tier: str | None = None  # batch, flex, priority, ...: another price than the standard one
    is_final: bool = True  # False: the provider says that it may still change


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of export. `columns`: those that it is recognised by and cannot do without.

    `zone`: whose days it has. `read`: the line of a record, None for one that is about something else (a total, an empty
    day, another service). It raises WrongCell.
    """

    name: str
    source: str  # where its columns are documented
    columns: frozenset[str]
    read: Callable[[Record], BillLine | None]
    zone: str = "UTC"


class WrongCell(ValueError):
    """A value that cannot be read. The message says what was expected."""
