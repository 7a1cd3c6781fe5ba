"""One call of the journal becomes its two rows: read, count, price. Pure but for the price list.

An exception from `make_rows` is a bug of ours: the settler then takes `bare_rows`, which say so and keep the bodies as
they came.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from addon.metering.lines import nanousd
from addon.metering.model_names import priced_models
from addon.metering.price import FREE, Bill, Cost, PriceList, priced_as
from addon.metering.quality import Checked, check
from addon.metering.reading import decode, did_no_work, framing_seen, read_answer, request_facts, settle_usage
from addon.metering.redaction import reading_told
from addon.metering.terminal import answer_framing, is_finished
from addon.providers import registry
from addon.providers.framing.table import framing_of
from addon.providers.model import Asked, Operation, Provider, Reading, Usage
from addon.sending.fallbacks import overridden_body
from addon.settling.journal_reader import Call
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.record import BodyRow, RequestRow

CACHED: Final = Cost(0, "cache", None)
_NO_TOKENS: Final = Usage(**dict.fromkeys((item.name for item in fields(Usage)), 0))
# What is kept of a body at most, decoded: as much as is kept on the wire unless the settings say otherwise.
LONGEST_BODY_BYTES: Final = 16 * 2**20
INTERRUPTED: Final = "heliograph_interrupted"  # the proxy died while the call was under way


def make_rows(
    call: Call, price_list: PriceList, is_charged: Callable[[str, str], bool] = lambda _work, _request_id: True
) -> tuple[RequestRow, BodyRow]:
    """`is_charged` tells whether this request is the one that is charged for a piece of work (`charged_once.py`).

    The row names who answered; its `request_model` is what the caller asked for, its body what was sent to whom
    answered."""
    _, asked_path_model = _operation(call, registry.by_name(call.start.provider_name))
    call = _answered(call)
    start, end = call.start, call.end
    provider = registry.by_name(start.provider_name)
    operation, path_model = _operation(call, provider)
    request_body, request_decoded = decode(call.request, start.content_encoding, LONGEST_BODY_BYTES)
    asked = facts = request_facts(request_body, start.content_type)
    if end and end.overrides:
        request_body = _overridden(request_body, end.overrides)
        facts = request_facts(request_body, start.content_type)
    response_body, decoded = decode(call.response, end.content_encoding if end else None, LONGEST_BODY_BYTES)
    if end:
        end = replace(
            end,
            request_truncated=end.request_truncated or _overflowed(request_body, request_decoded),
            response_truncated=end.response_truncated or _overflowed(response_body, decoded),
        )
        call = replace(call, end=end)
    framing = answer_framing(operation, end.content_type if end else "text/event-stream" if facts.stream else None)
    framing = framing_seen(framing, response_body)
    # A stream that was asked for and refused in JSON is a stream by its content type.
    came_in_parts = framing.is_live or (end is not None and answer_framing(operation, end.content_type).is_live)

    reading = Reading()
    from_request = Asked(
        host=start.host,
        path=start.path.partition("?")[0],
        model=facts.model or path_model,
        body=facts.body,
        answer_headers=end.answer_headers if end else {},
    )
    if end and end.reading is not None:
        reading = reading_told(end.reading)
        if start.omit_response and operation and operation.with_request:  # read without its request, in the proxy
            reading = operation.with_request(reading, from_request)
    elif operation:
        reading = read_answer(operation, response_body, framing, from_request)
    if reading.charged_once and not is_charged(f"{provider.name} {reading.charged_once}", start.request_id):
        reading = replace(reading, is_free=True)
    usage, usage_source = None, None
    if reading.is_free:  # what it states was counted with the call that did it
        reading = replace(reading, units={})
    elif operation:
        complete = end is not None and end.complete and not end.response_truncated and decoded
        if came_in_parts and end and end.reading is None:  # the connection's end is not the stream's end
            complete = complete and is_finished(operation, framing, response_body)
        usage, usage_source = settle_usage(operation, reading, facts.body, is_stream=came_in_parts, complete=complete)
    elif reading.usage:  # logged by somebody who says what it used, of an API that we cannot read
        usage, usage_source = reading.usage, "provider"
    if usage_source == "estimated" and (start.omit_request or start.omit_response):
        usage, usage_source = None, None  # the words to count are in no file
    checked = check(usage, reading.units, reading.usage_raw) if usage else None
    if checked:
        usage = checked.usage

    models = priced_models(start.model_override, reading.response_model, facts.model, path_model)
    factors = _factors(provider, start, reading)
    cost = (
        FREE
        if reading.is_free or (operation and operation.is_free)
        else _cost(call, price_list, provider, reading, checked, models, factors, asked.model or asked_path_model)
    )
    saved_nanousd = None
    if end and end.cache_reference_id:  # what this answer cost when it was new is what was saved
        usage, usage_source, saved_nanousd, cost = _NO_TOKENS, None, cost.nanousd, CACHED
        reading = replace(reading, units={})
    known = _known(call)
    if operation and operation.row_name and (row_name := operation.row_name(facts.body)):
        known["operation_name"] = row_name
    request = RequestRow(
        **known,
        response_model=reading.response_model,
        response_id=reading.response_id,
        finish_reasons=tuple(reading.finish_reasons),
        request_model=asked.model or asked_path_model,
        error_type=_error_type(end, reading),
        is_stream=came_in_parts,
        **{item.name: getattr(usage, item.name) for item in fields(Usage)} if usage else {},
        usage_raw=None if reading.usage_raw is None else orjson.dumps(reading.usage_raw).decode(),
        usage_units={unit: "" if count is None else str(count) for unit, count in reading.units.items()},
        usage_source=usage_source,
        usage_quality="; ".join(filter(None, (reading.usage_quality, checked.odd if checked else None))) or None,
        cost_nanousd=cost.nanousd,
        cost_source=cost.source,
        cost_missing=cost.reason,
        list_cost_nanousd=cost.list_nanousd,
        price_factors=factors,
        saved_nanousd=saved_nanousd,
        user_id=start.user_id or asked.user,
        session_id=start.session_id or asked.session_id or start.socket_id,
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
        is_stream=framing_of(end.content_type if end else None).is_stream,
        user_id=start.user_id,
        session_id=start.session_id or start.socket_id,
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
        "client_command": end.client_command,
        "client_cwd": end.client_cwd,
        "client_repository": end.client_repository,
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


def _operation(call: Call, provider: Provider) -> tuple[Operation | None, str | None]:
    """The operation called, and the model that the path names."""
    start = call.start
    found = registry.operation(provider, start.method, start.path.partition("?")[0], start.host)
    return (found[0], start.path_model or found[1]) if found else (None, start.path_model)


def _error_type(end: CallEnd | None, reading: Reading) -> str | None:
    """Our own word for a refusal of ours, whose body speaks the provider's dialect; else the provider's own, then what
    we saw on the wire."""
    if end is None:
        return INTERRUPTED
    if end.attempts == 0 and end.rate_limit_status in ("rate_limited", "budget_exceeded"):
        return end.rate_limit_status
    return reading.error_type or end.error_type or (f"http_{end.status}" if end.status >= 400 else None)


def _factors(provider: Provider, start: CallStart, reading: Reading) -> dict[str, str]:
    """What changes the price: by the answer, and by the host that was called."""
    region = provider.region(start.host, start.path) if provider.region else None
    return reading.price_factors | ({"region": region} if region else {})


def _cost(
    call: Call,
    price_list: PriceList,
    provider: Provider,
    reading: Reading,
    checked: Checked | None,
    models: list[str | None],
    factors: dict[str, str],
    asked_model: str | None,
) -> Cost:
    stated_nanousd = call.end.stated_cost_nanousd if call.end else None
    if stated_nanousd is None and reading.stated_cost_usd is not None:
        stated_nanousd = nanousd(reading.stated_cost_usd)
    if stated_nanousd is None and call.end and _cost_nothing(call.end, reading, checked):
        return FREE
    return price_list.price(
        Bill(
            provider=priced_as(provider, call.start.host, call.start.path, asked_model),
            host=call.start.host,
            models=models,
            usage=checked.usage if checked else None,
            units=reading.units,
            factors=factors,
            started_at=_priced_at(call),
            operation=call.start.operation_name,
            stated_nanousd=stated_nanousd,
            paid_by_plan=call.start.paid_by_plan
            or reading.paid_by_plan
            or call.start.path.startswith(provider.plan_paths),
            odd=checked.odd if checked and not checked.priceable else None,
        )
    )


def _priced_at(call: Call) -> datetime:
    """When the answer was generated."""
    if call.end and call.end.cache_reference_started_at_us is not None:
        return datetime.fromtimestamp(call.end.cache_reference_started_at_us / 1_000_000, UTC)
    return call.start.started_at


def _cost_nothing(end: CallEnd, reading: Reading, checked: Checked | None) -> bool:
    """Answered by an error before anything was generated, or never sent. After a timeout or a cut nobody knows."""
    if did_no_work(end.status, reading):
        return True
    return checked is None and (
        (end.attempts == 0 and end.cache_reference_id is None)
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
