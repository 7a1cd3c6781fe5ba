"""The values of an export's cells, as CSV and JSON have them: text, counts, money, days."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from analysis.billing.line import Record, WrongCell

_LARGEST: Final = Decimal(10) ** 12  # a sum or a count beyond it is a damaged file's


def text(record: Record, column: str) -> str | None:
    """None for an empty cell or one that is not there."""
    value = record.get(column)
    stripped = "" if value is None else str(value).strip()
    return stripped or None


def number(record: Record, column: str) -> Decimal | None:
    """A decimal number. Commas between thousands are dropped: Google's console writes them."""
    written = text(record, column)
    if written is None:
        return None
    try:
        value = Decimal(written.replace(",", ""))
    except InvalidOperation as error:
        raise WrongCell(f"{column}: {written!r} is not a number") from error
    if not value.is_finite() or value.copy_abs() > _LARGEST:
        raise WrongCell(f"{column}: {written!r} is not a possible number")
    return value


def count(record: Record, column: str) -> int | None:
    """A whole number that is not negative; spreadsheets and OpenAI's dashboard write 10 as 10.0."""
    value = number(record, column)
    if value is None:
        return None
    if value < 0 or value != value.to_integral_value():
        raise WrongCell(f"{column}: {text(record, column)!r} is not a count")
    return int(value)


def usd(record: Record, column: str, currency_column: str | None) -> Decimal | None:
    """An amount of money in US dollars. Raises WrongCell for another currency."""
    amount = number(record, column)
    if currency_column is not None and amount is not None:
        require_usd(text(record, currency_column), currency_column)
    return amount


def require_usd(currency: str | None, column: str) -> None:
    if currency is None or currency.upper() != "USD":
        raise WrongCell(f"{column}: {currency or 'nothing'!r} where USD was expected; costs are compared in US dollars")


def needed[T](value: T | None, column: str) -> T:
    """The value of a cell that must not be empty."""
    if value is None:
        raise WrongCell(f"{column} is empty")
    return value


def day(record: Record, column: str, zone: ZoneInfo | None = None) -> date:
    """The day of an ISO 8601 date or time, or of Unix seconds. `zone`: whose day it is; None: UTC.

    A time without a zone is UTC: so write all the exports that have such times.
    """
    written = needed(text(record, column), column)
    try:
        if written.replace(".", "", 1).isdigit() and "-" not in written:
            return _day(datetime.fromtimestamp(float(written), UTC), zone)
        if len(written) == len("2026-11-01"):
            return date.fromisoformat(written)
        return _day(datetime.fromisoformat(written.removesuffix(" UTC")), zone)
    except (ValueError, OverflowError, OSError) as error:
        raise WrongCell(f"{column}: {written!r} is not a day; expected e.g. 2026-11-01") from error


def _day(moment: datetime, zone: ZoneInfo | None) -> date:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone or UTC).date()
