"""Reading JSON that a stranger wrote: what is not there, or not of the kind we expect, is None and never an error."""

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from addon.providers.framing.model import UNREAD, Event

Json = Any  # parsed JSON: dict, list, str, int, float, bool, None

# No honest count is near it, and millions of them still add up to a BIGINT.
LARGEST_COUNT: Final = 10**12
# A parsed value takes up to some 100 times the bytes of its text (`[[],[],...`). A megabyte of text is harmless; a longer
# one may have as many values as the longest honest answer, a list of embeddings.
UNCHECKED_BYTES, MOST_VALUES = 2**20, 2_000_000
DIGITS: Final = re.compile(r"[0-9]{1,13}")
SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(data: str | bytes, most_values: int | None = MOST_VALUES) -> Json:
    """The parsed JSON, or None if it is none (cut short, NaN, nested too deep) or has more values than that.

    None as `most_values`: the caller has counted them.

    An emoji cut in half (an answer that ends at its limit, a prompt cut by JavaScript) is half a pair of surrogates:
    legal in JSON, refused by orjson. It becomes a "?"; the usage beside it is what we are here for.
    """
    if most_values is not None and len(data) > UNCHECKED_BYTES and values_at_most(data) > most_values:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_halves(data.encode() if isinstance(data, str) else data)


def json_of(event: Event) -> Json:
    """An event's data, parsed at the first call. The value is shared: readers do not change it."""
    if event.json is UNREAD:
        event.json = parse(event.data)
    return event.json


def values_at_most(data: str | bytes) -> int:
    """An upper bound on the values in a JSON text, by its punctuation."""
    if isinstance(data, str):
        return 1 + sum(map(data.count, ",[{"))
    return 1 + sum(map(data.count, (b",", b"[", b"{")))


def _parse_halves(data: bytes) -> Json:
    if SURROGATE.search(data) is None:
        return None
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def at(value: Json, *keys: str | int) -> Json:
    """The value at a path of object keys and array indexes; None where the path ends early."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def string(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def count(value: Json) -> int | None:
    """A number of tokens: a whole number from 0 on. True is not 1.

    Some APIs write it as 12.0, and JSON made of protocol buffers writes 64-bit numbers as "12".
    https://protobuf.dev/programming-guides/json/
    """
    if type(value) is int:
        return value if 0 <= value <= LARGEST_COUNT else None
    if isinstance(value, float):
        return count(int(value)) if value.is_integer() else None
    if isinstance(value, str):
        return count(int(value)) if DIGITS.fullmatch(value) else None
    return None


def items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def amount(value: Json) -> Decimal | None:
    """A number from 0 on, exactly as it was written: of money, seconds or pages; some providers write it as a string."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= LARGEST_COUNT else None


def error_type(body: Json) -> str | None:
    """The `type` of an error body, else Google's `status`, else its `code`: `{"error": {"type", "code", "message"}}`.

    Some put these at the top: vLLM and Cerebras {"message", "type", "code"}, xAI {"code", "error": "words"}, Novita
    {"code", "reason", "message"}, DashScope {"code", "message"}; Cloudflare has {"errors": [{"code"}]}.
    """
    if isinstance(body, dict) and _FAILS.isdisjoint(body) and body.get("object") != "error":
        return None  # nearly every event of a stream
    error = at(body, "error")
    if isinstance(error, dict):
        return _own_word(error)
    if listed := at(body, "errors", 0):
        return _own_word(listed)
    is_error = at(body, "object") == "error" or any(string(at(body, key)) for key in ("message", "detail", "error"))
    return _own_word(body) if is_error and not is_answer(body) else None


def is_answer(body: Json) -> bool:
    """Whether it has a member that only answers have; an error may have it as null."""
    return isinstance(body, dict) and any(body.get(name) is not None for name in _ANSWERS & body.keys())


def one_request(failure: str | None) -> dict[str, Decimal | None]:
    """The units of a call with a fee by its use: an error costs nothing."""
    return {} if failure else {"requests": Decimal(1)}


def stream_failure(chunks: Iterable[Json]) -> str | None:
    """The `error_type` of the first chunk that has an `error`, whatever that is; None: no chunk has one."""
    return next((error_type(chunk) or "error" for chunk in chunks if at(chunk, "error")), None)


def stream_error(events: Sequence[Event]) -> str | None:
    """The type of an error that ended a stream: it is in the last event, or just before a `[DONE]`."""
    for event in events[-2:]:
        data = json_of(event)
        is_error = (
            at(data, "error") or at(data, "errors") or "error" in (event.event, at(data, "type"), at(data, "object"))
        )
        if is_error and not is_answer(data):
            return error_type(data) or string(at(data, "code")) or "error"
    return None


# What an error body has one of, unless it says that it is one.
_FAILS: Final = frozenset({"error", "errors", "message", "detail"})
# What only an answer has. Anthropic's and Cohere's have a `type` or a `message` as well.
_ANSWERS: Final = frozenset(
    {"choices", "content", "output", "usage", "data", "results", "result", "text", "embeddings"}
)


def _own_word(error: Json) -> str | None:
    words = (string(at(error, key)) for key in ("type", "status", "code", "reason"))
    number = at(error, "code")
    return next((word for word in words if word and word not in _NO_WORDS), None) or (
        str(number) if type(number) is int else None
    )


# The second is what LiteLLM's proxy writes where it knows none: litellm/proxy/proxy_server.py
_NO_WORDS: Final = frozenset({"error", "None"})


def members(value: Json, names: Iterable[str]) -> dict[str, Json]:
    """Those of these members that are there and not null."""
    return {name: found for name in names if (found := at(value, name)) is not None}


def added(total: Json, more: Json) -> Json:
    """The sum of two usage objects, number by number; what is not a number is the later one's."""
    if isinstance(total, dict) and isinstance(more, dict):
        return {
            key: added(total.get(key), more.get(key)) for key in [*total, *(key for key in more if key not in total)]
        }
    if isinstance(total, str) or isinstance(more, str):
        return total if more is None else more
    one, other = count(total), count(more)
    if one is not None and other is not None:
        return one + other
    return total if more is None else more


def merged(earlier: Json, later: Json) -> Json:
    """`later` over `earlier`, key by key; a null or missing key of `later` keeps what `earlier` said."""
    if not isinstance(earlier, dict) or not isinstance(later, dict):
        return earlier if later is None else later
    return earlier | {key: merged(earlier.get(key), value) for key, value in later.items() if value is not None}


def the_one(body: Json) -> Json:
    """Google sends an error to a caller of a stream in a list of its own."""
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def prompt_of(parts: Iterable[str | None], tools: Json = None) -> str:
    """The words of a request, one after the other, and the declarations of its tools, which are tokens too."""
    return "\n".join(part for part in (*parts, dumped(tools) if tools else None) if part)


def dumped(value: Json) -> str:
    """JSON text of a value that was parsed from JSON."""
    return orjson.dumps(value).decode()


def words(content: Json) -> str:
    """The text of message content: a string, or a list of parts of which those with a `text` (or a `refusal`) count."""
    if isinstance(content, str):
        return content
    parts = (string(part) or string(at(part, "text")) or string(at(part, "refusal")) for part in items(content))
    return "\n".join(part for part in parts if part)
