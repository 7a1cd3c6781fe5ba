"""The installed price list as the file that genai-prices publishes."""

import dataclasses
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson
from genai_prices import types as listed

from addon.metering.fetched_list import installed

_LEFT_OUT = ("extractors", "price_comments", "description")


def published() -> list[dict[str, Any]]:
    """Providers as dicts, to be changed."""
    told = _plain(installed())
    assert isinstance(told, list)
    return told


def model_of(providers: list[dict[str, Any]], provider: str, model: str) -> dict[str, Any]:
    seller = next(one for one in providers if one["id"] == provider)
    return next(one for one in seller["models"] if one["id"] == model)


def as_bytes(providers: list[dict[str, Any]]) -> bytes:
    return orjson.dumps(providers)


def _plain(value: Any) -> Any:
    match value:
        case listed.ModelPrice():
            return {name: _plain(price) for name, price in vars(value).items() if price is not None}
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case Decimal() | date() | datetime() | time():
            return str(value)
        case _ if dataclasses.is_dataclass(value):
            members = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
            return {
                {"or_": "or", "and_": "and"}.get(name, name): _plain(member)
                for name, member in members.items()
                if member is not None and name not in _LEFT_OUT
            }
    return value
