"""One call of the journal becomes its two rows: read, count, price. Pure but for the price list.

An exception from `make_rows` is a bug of ours: the settler then takes `bare_rows`, which say so and keep the bodies as
they came.
"""

import base64
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from addon.metering.price import FREE, Cost, PriceList, stated
from addon.metering.reading import begins_stream, decode, read_answer, request_facts, settle_usage
from addon.providers import registry
from addon.providers.model import Operation, Provider, Reading, Usage
from addon.providers.stream_types import is_stream
from addon.sending.fallbacks import overridden_body
from addon.settling.journal_reader import Call
from addon.storage.journal_lines import CallEnd
from addon.storage.record import BodyRow, RequestRow

CACHED: Final = Cost(0, "cache", None)
_NO_TOKENS: Final = Usage(**dict.fromkeys((item.name for item in fields(Usage)), 0))
# What is kept of a body at most, decoded: as much as is kept on the wire unless the settings say otherwise.
LONGEST_BODY_BYTES: Final = 16 * 2**20
# No provider names a model with more; the patterns of price lists take time with the length.
LONGEST_MODEL: Final = 300
INTERRUPTED: Final = "heliograph_interrupted"  # the proxy died while the call was under way
_READING: Final = frozenset(item.name for item in fields(Reading))


def make_rows(call: Call, price_list: PriceList) -> tuple[RequestRow, BodyRow]:
    """The row names who answered; its `request_model` is what the caller asked for, its body what was sent to whom
    answered."""
    _, asked_path_model = _operation(call, registry.BY_NAME.get(call.start.provider_name))
    call = _answered(call)
    start, end = call.start, call.end
    provider = registry.BY_NAME.get(start.provider_name)
    operation, path_model = _operation(call, provider)
    request_body, request_decoded = decode(call.request, start.content_encoding, LONGEST_BODY_BYTES)
    asked = facts = request_facts(request_body)
    if end and end.overrides:
        request_body = _overridden(request_body, end.overrides)
        facts = request_facts(request_body)
    response_body, decoded = decode(call.response, end.content_encoding if end else None, LONGEST_BODY_BYTES)
    if end:
        end = replace(
            end,
            request_truncated=end.request_truncated or _overflowed(request_body, request_decoded),
            response_truncated=end.response_truncated or _overflowed(response_body, decoded),
        )
        call = replace(call, end=end)
    # A server may leave the content type out; then the answer's first line tells.
    came_in_parts = (_is_stream(end) if end else facts.stream) or begins_stream(response_body)

    reading = Reading()
    if end and end.reading is not None:
        reading = _told(end.reading)
    elif operation:
        reading = read_answer(operation, response_body, came_in_parts)
    usage, usage_source = None, None
    if operation:
        complete = end is not None and end.complete and not end.response_truncated and decoded
        if came_in_parts and end and end.reading is None:  # an end of the connection is none of the stream
            complete = complete and operation.is_finished(response_body)
        usage, usage_source = settle_usage(operation, reading, facts.body, is_stream=came_in_parts, complete=complete)
    elif reading.usage:  # logged by somebody who says what it used, of an API that we cannot read
        usage, usage_source = reading.usage, "provider"
    if usage_source == "estimated" and (start.omit_request or start.omit_response):
        usage, usage_source = None, None  # the words to count are in no file

    named = (start.model_override, reading.response_model, facts.model, path_model)
    models = tuple(model for model in named if model is None or len(model) <= LONGEST_MODEL)
    cost = _cost(call, price_list, provider, reading, usage, models)
    saved_nanousd = None
    if end and end.cache_reference_id:  # what this answer cost when it was new is what was saved
        usage, usage_source, saved_nanousd, cost = _NO_TOKENS, None, cost.nanousd, CACHED
    request = RequestRow(
        **_known(call),
        response_model=reading.response_model,
        response_id=reading.response_id,
        finish_reasons=tuple(reading.finish_reasons),
        request_model=asked.model or asked_path_model,
        error_type=_error_type(end, reading),
        is_stream=came_in_parts,
        **{item.name: getattr(usage, item.name) for item in fields(Usage)} if usage else {},
        usage_raw=None if reading.usage_raw is None else orjson.dumps(reading.usage_raw).decode(),
        usage_source=usage_source,
        cost_nanousd=cost.nanousd,
        cost_source=cost.source,
        saved_nanousd=saved_nanousd,
        user_id=start.user_id or asked.user,
        session_id=start.session_id or asked.session_id,
    )
    return request, _body_row(call, request_body, response_body, reading.text)


def bare_rows(call: Call, error_type: str) -> tuple[RequestRow, BodyRow]:
    """What the journal says by itself, where reading the bodies failed."""
    asked_path_model = call.start.path_model
    call = _answered(call)
    start, end = call.start, call.end
    request = RequestRow(
        **_known(call),
        request_model=asked_path_model,
        error_type=error_type,
        is_stream=_is_stream(end),
        user_id=start.user_id,
        session_id=start.session_id,
    )
    return request, _body_row(call, call.request, call.response, None)


def _overflowed(body: bytes, is_complete: bool) -> bool:
    """Whether decoding stopped at the bound."""
    return not is_complete and len(body) == LONGEST_BODY_BYTES


def _answered(call: Call) -> Call:
    """The call as if it had been made to whom answered it."""
    end = call.end
    if end is None or end.provider_name is None:
        return call
    start = replace(
        call.start,
        provider_name=end.provider_name,
        operation_name=end.operation_name or call.start.operation_name,
        host=end.host or call.start.host,
        path=end.path or call.start.path,
        path_model=None,  # of the path that was called
    )
    return replace(call, start=start)


def _overridden(body: bytes, overrides: Mapping[str, str]) -> bytes:
    """The body as it was sent; of one that was cut, or is in no file, what there is."""
    try:
        return overridden_body(body, None, overrides)
    except ValueError:
        return body


def _known(call: Call) -> dict[str, Any]:
    """The columns that no body has a say in."""
    start, end = call.start, call.end
    known: dict[str, Any] = {
        "request_id": start.request_id,
        "started_at": start.started_at,
        "provider_name": start.provider_name,
        "operation_name": start.operation_name,
        "method": start.method,
        "host": start.host,
        "path": start.path,
        "mode": start.mode,
        "session_path": (end and end.session_path) or start.session_path,
        "session_name": (end and end.session_name) or start.session_name,
        "properties": start.properties,
        "prompt_id": start.prompt_id,
        "api_key_hash": start.api_key_hash,
        "helicone_key_hash": start.helicone_key_hash,
        "client": start.client,
    }
    if end is None:
        return known | {"request_bytes": len(call.request), "response_bytes": len(call.response)}
    return known | {
        "status": end.status,
        "duration_ms": end.duration_ms,
        "time_to_first_token_ms": end.time_to_first_token_ms,
        "overhead_ms": end.overhead_ms,
        "cache_status": end.cache_status,
        "cache_reference_id": end.cache_reference_id,
        "attempts": end.attempts,
        "fallback_index": end.fallback_index,
        "rate_limit_status": end.rate_limit_status,
        "request_bytes": end.request_bytes,
        "response_bytes": end.response_bytes,
    }


def _operation(call: Call, provider: Provider | None) -> tuple[Operation | None, str | None]:
    """The operation called, and the model that the path names."""
    start = call.start
    found = registry.operation(provider, start.method, start.path.partition("?")[0]) if provider else None
    return (found[0], start.path_model or found[1]) if found else (None, start.path_model)


def _is_stream(end: CallEnd | None) -> bool:
    return end is not None and is_stream(end.content_type)


def _told(given: Mapping[str, Any]) -> Reading:
    """What was read of an answer before it came here."""
    known = {name: value for name, value in given.items() if name in _READING}
    if known.get("usage") is not None:
        known["usage"] = Usage(**known["usage"])
    return Reading(**known)


def _error_type(end: CallEnd | None, reading: Reading) -> str | None:
    """Our own word for a refusal of ours, whose body speaks the provider's dialect; else the provider's own, then what
    we saw on the wire."""
    if end is None:
        return INTERRUPTED
    if end.attempts == 0 and end.rate_limit_status in ("rate_limited", "budget_exceeded"):
        return end.rate_limit_status
    return reading.error_type or end.error_type or (f"http_{end.status}" if end.status >= 400 else None)


def _cost(
    call: Call,
    price_list: PriceList,
    provider: Provider | None,
    reading: Reading,
    usage: Usage | None,
    models: tuple[str | None, ...],
) -> Cost:
    stated_nanousd = call.end.stated_cost_nanousd if call.end else None
    if usage is None and stated_nanousd is None and call.end and _cost_nothing(call.end):
        return FREE
    if provider is None:
        return stated(stated_nanousd, f"no price list for provider {call.start.provider_name}")
    return price_list.price(
        provider=provider,
        host=call.start.host,
        models=models,
        usage=usage,
        usage_raw=reading.usage_raw,
        factors=reading.price_factors,
        started_at=_priced_at(call),
        operation=call.start.operation_name,
        stated_nanousd=stated_nanousd,
    )


def _priced_at(call: Call) -> datetime:
    """When the answer was generated."""
    if call.end and call.end.cache_reference_started_at_us is not None:
        return datetime.fromtimestamp(call.end.cache_reference_started_at_us / 1_000_000, UTC)
    return call.start.started_at


def _cost_nothing(end: CallEnd) -> bool:
    """Answered by an error before anything was generated, or never sent. After a timeout or a cut nobody knows."""
    return (
        end.status >= 400
        or (end.attempts == 0 and end.cache_reference_id is None)
        or (end.status == -100 and end.error_type == "connection_failed")
    )


def _body_row(call: Call, request: bytes, response: bytes, text: str | None) -> BodyRow:
    start, end = call.start, call.end
    request_cut = end is None or end.request_truncated
    response_cut = end is None or end.response_truncated or not end.complete
    response_type = end.content_type if end else None
    return BodyRow(
        request_id=start.request_id,
        started_at=start.started_at,
        request_body=None if start.omit_request else _text(request, start.content_type, request_cut),
        response_body=None if start.omit_response else _text(response, response_type, response_cut),
        response_text=None if start.omit_response else text,
        request_truncated=end is not None and end.request_truncated,
        response_truncated=end is not None and end.response_truncated,
    )


def _text(body: bytes, content_type: str | None, is_cut: bool) -> str | None:
    """A body as text, of a cut one without its last half character; what is not UTF-8 as a `data:` URL; b"" as None."""
    if not body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.reason == "unexpected end of data":
            return body[: error.start].decode()
        kind = (content_type or "application/octet-stream").replace(" ", "")
        return f"data:{kind};base64,{base64.b64encode(body).decode()}"
