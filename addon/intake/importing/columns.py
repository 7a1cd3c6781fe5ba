"""Values of an export's record: as JSON has them, or as the text of a CSV's column."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from addon.intake.importing.files import Record, as_json
from addon.intake.importing.model import HistoryError
from addon.intake.placing import Place, Shape, place_at, provider_named, provider_of_model, short_name
from addon.providers.fields import LARGEST_COUNT
from addon.providers.model import Provider

_CHAT: Final = "chat"
# Whose chat is not OpenAI's.
_DIALECTS: Final = {"anthropic": Shape("anthropic", _CHAT), "gemini": Shape("gemini", "generate_content")}


class Columns:
    """One record, read by name."""

    def __init__(self, record: Record) -> None:
        self.where, self._fields = record

    def value(self, *names: str) -> Any:
        """The first of them that is there and not empty."""
        for name in names:
            if (found := as_json(self._fields.get(name))) is not None:
                return found
        return None

    def text(self, *names: str) -> str | None:
        found = self.value(*names)
        return None if found is None or isinstance(found, dict | list) else str(found)

    def count(self, *names: str) -> int | None:
        """Tokens. Raises HistoryError for what is not a number of them."""
        found = self.value(*names)
        if found is None:
            return None
        number = amount(found)
        if number is None or number < 0 or number != int(number) or number > LARGEST_COUNT:
            raise HistoryError(f"{self.where}: {names[0]} must be a number of tokens, not {str(found)[:60]!r}")
        return int(number)

    def status(self, name: str) -> int:
        """An HTTP status, or one of Helicone's negative ones; 200 where none is stated."""
        number = amount(self.value(name))
        return 200 if number is None or number != int(number) or abs(number) >= 1000 else int(number)

    def usd(self, *names: str) -> str | None:
        number = amount(self.value(*names))
        return None if number is None else format(number.normalize(), "f")

    def table(self, *names: str) -> dict[str, Any]:
        found = self.value(*names)
        return found if isinstance(found, dict) else {}

    def required(self, *names: str) -> Any:
        if (found := self.value(*names)) is None:
            raise HistoryError(f"{self.where}: {names[0]} is required")
        return found


def amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def texts(table: Mapping[str, Any]) -> dict[str, str]:
    """Properties: lower-case names, values as text; tables in them are left out."""
    return {
        name.lower(): value if isinstance(value, str) else str(value)
        for name, value in table.items()
        if isinstance(value, str | int | float) and value != ""
    }


def placed(stated: str | None, model: str | None, operation: str = _CHAT) -> Place:
    """Where a call belongs of which only names are known: the stated provider, else the one whose models are named so."""
    provider = provider_named(stated) or (None if stated else provider_of_model(model))
    if provider is None:
        return Place(provider_name=short_name(stated) or "unknown", operation_name=operation)
    return place_at(provider, _shape(provider, operation), None if operation == _CHAT else operation)


def _shape(provider: Provider, operation: str) -> Shape:
    return (
        _DIALECTS.get(provider.name, Shape("openai", operation)) if operation == _CHAT else Shape("openai", operation)
    )
