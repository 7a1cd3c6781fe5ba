"""The kinds of values in `heliograph.toml`: how each is checked, and what the message says is allowed.

Constraints are not written as Field(...): where a field has one as well, pydantic 2.11 keeps only the last validator of
each kind.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from annotated_types import Ge, Gt
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Strict,
    ValidationError,
    ValidationInfo,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from addon.config.keys import is_hash
from addon.config.mistakes import did_you_mean, shown
from addon.config.upstreams import parse_origin, provider_name
from addon.config.webhooks import secret_variable
from addon.limits.policy import checked_window
from addon.limits.rules import PROPERTY
from addon.providers import registry
from addon.sending.fallbacks import (
    checked_header,
    checked_header_name,
    parse_code,
    parse_members,
    variables_in,
)

UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def says(allowed: str) -> WrapValidator:
    """Puts `VALUE <allowed>` in place of pydantic's words. A ValueError of our own keeps its text."""

    def check(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            (first, *_) = error.errors()
            own = first["type"] == "value_error"
            raise ValueError(str(first["ctx"]["error"]) if own else f"{shown(value)} {allowed}") from None

    return WrapValidator(check)


def _finite(value: Any) -> Any:
    """Only TOML's numbers: no boolean, no infinity, no nan. A decimal stays as it is written."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not Decimal(value).is_finite():
        raise PydanticCustomError("number", "not a number")
    return Decimal(str(value))


def _stripped(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("text", "empty")
    return text.strip()


def _day(value: Any) -> Any:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise PydanticCustomError("date", "not a date")
    return value


def _origin(url: str) -> str:
    parse_origin(url)
    return url


def _page_origin(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+", text):
        raise PydanticCustomError("origin", "not an origin")
    return text.lower()


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise PydanticCustomError("host", "not a host")
    return text.lower()


def _provider_of_rows(name: str) -> str:
    """As in the column provider_name: a provider's name, or the host of a target that is not a known provider."""
    return name if name in registry.BY_NAME or "." in name else provider_name(name)


def key_hash(text: str) -> str:
    if not is_hash(text):
        raise PydanticCustomError("hash", "not a hash")
    return text


_PER: Final = ("all", "key", "user", "model", "repository")


def _per(value: str) -> str:
    name = value.removeprefix(PROPERTY).strip().lower()
    if value.startswith(PROPERTY) and name:
        return PROPERTY + name
    if value not in _PER:
        near = did_you_mean(value, _PER)
        raise ValueError(f"{shown(value)} is not one of {', '.join(_PER)}, property:<name>{near}")
    return value


def window_text(value: str) -> str:
    found = re.fullmatch(r"([0-9]{1,12})([smhd])", value)
    if found is None:
        raise PydanticCustomError("window", "not a time")
    checked_window(Decimal(found[1]) * UNIT_S[found[2]])
    return value


def _store_key(name: str) -> str:
    if "|" in name:  # it separates the parts of a key in the store
        raise ValueError(f"{name!r} has a |; leave it out")
    return name


def signing_secret(secret: str, info: ValidationInfo) -> str:
    if name := secret_variable(secret):
        _require((name,), info)
    return secret


def _header(value: str, info: ValidationInfo) -> str:
    """A header's value; the message never quotes it."""
    _require(variables_in(checked_header(value)), info)
    return value


def text_with_variables(value: str, info: ValidationInfo) -> str:
    _require(variables_in(value), info)
    return value


def text_opened_by(check: Callable[[str, Mapping[str, str]], object]) -> Callable[[str, ValidationInfo], str]:
    """A text that is checked with its variables replaced; without an environment only where it names none."""

    def checked(value: str, info: ValidationInfo) -> str:
        environ: Mapping[str, str] | None = (info.context or {}).get("environ")
        variables_in(value)  # a lone $
        if environ is not None or "$" not in value:
            check(value, environ or {})
        return value

    return checked


def _require(variables: tuple[str, ...], info: ValidationInfo) -> None:
    """Raises ValueError where an environment variable is not set. Without an environment nothing is checked."""
    environ: Mapping[str, str] | None = (info.context or {}).get("environ")
    if environ is not None and (unset := [name for name in variables if not environ.get(name)]):
        raise ValueError(f"${unset[0]} is not set; export it before heliograph starts")


def body_members(body: dict[str, Any]) -> dict[str, Any]:
    parse_members(as_json(body))
    return body


def as_json(value: Any) -> Any:
    """TOML's decimals as JSON knows numbers: the shortest text that means the same."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
    return value


NUMBER: Final = BeforeValidator(_finite)
Seconds = Annotated[float, Gt(0), NUMBER, says("is not a time; write seconds above 0, e.g. 30")]
Bytes = Annotated[int, Strict(), Ge(0), says("is not a count; write a whole number from 0, e.g. 1048576")]
CountOrZero = Annotated[int, Strict(), Ge(0), says("is not a count; write a whole number from 0, e.g. 1000")]
Count = Annotated[int, Strict(), Gt(0), says("is not a count; write a whole number above 0, e.g. 4000")]
Flag = Annotated[bool, Strict(), says("is neither true nor false")]
Text = Annotated[str, Strict(), AfterValidator(_stripped), says('is not a text; write e.g. "team"')]
Url = Annotated[str, Strict(), AfterValidator(_origin), says("is not an http(s) URL; write e.g. http://127.0.0.1:8000")]
PageOrigin = Annotated[
    str,
    Strict(),
    AfterValidator(_page_origin),
    says('is not the origin of a page; write e.g. "https://app.example.org", without a path'),
]
HostName = Annotated[
    str,
    Strict(),
    AfterValidator(_host_name),
    says('is not a host name; write e.g. "llm.example.org", without a port'),
]
Price = Annotated[Decimal, Ge(0), NUMBER, says("is not a price; write USD per million tokens, from 0 on, e.g. 0.25")]
Day = Annotated[date, BeforeValidator(_day), says("is not a date; write e.g. from = 2026-11-01, without quotes")]
Name = Annotated[
    str,
    Strict(),
    AfterValidator(_stripped),
    AfterValidator(_store_key),
    says('is not a text; write e.g. "team"'),
]
RowsProvider = Annotated[
    str,
    Strict(),
    AfterValidator(_stripped),
    AfterValidator(_provider_of_rows),
    says('is not a name; write e.g. provider = "openai"'),
]
Per = Annotated[
    str, Strict(), AfterValidator(_per), says("is not one of all, key, user, model, repository, property:<name>")
]
Provider = Annotated[str, AfterValidator(provider_name)]
Code = Annotated[Any, AfterValidator(parse_code)]
HeaderName = Annotated[str, AfterValidator(checked_header_name)]
HeaderValue = Annotated[Any, AfterValidator(_header)]
