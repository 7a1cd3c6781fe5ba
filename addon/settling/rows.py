"""One call of the journal becomes its two rows: read, count, price. Pure but for the price list.

An exception from `make_rows` is a bug of ours: the settler then takes `bare_rows`, which say so and keep the bodies as
they came.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from addon.metering.agent_names import agent_name
from addon.metering.bill import Bill
from addon.metering.lines import nanousd
from addon.metering.model_names import MODEL_OVERRIDE, priced_models
from addon.metering.price import FREE, Cost, PriceList, priced_as
from addon.metering.quality import Checked, check
from addon.metering.reading import (
    RequestFacts,
    did_no_work,
    framing_seen,
    read_answer,
    request_facts,
    says_nothing,
    settle_usage,
)
from addon.metering.redaction import reading_told
from addon.metering.terminal import answer_framing, is_finished
from addon.providers import registry
from addon.providers.framing.table import framing_of
from addon.providers.model import Asked, Operation, Provider, Reading, Usage
from addon.settling.bodies import Bodies, body_row, decoded, overridden, raw
from addon.settling.chains import CHAINED, Link, without_chains
from addon.settling.journal_reader import Call
from addon.storage.journal_lines import OVERLOADED, CallEnd, CallStart
from addon.storage.record import BodyRow, RequestRow

CACHED: Final = Cost(0, "cache", None)
_TOKENS: Final = tuple(item.name for item in fields(Usage))
_NO_TOKENS: Final = Usage(**dict.fromkeys(_TOKENS, 0))
INTERRUPTED: Final = "heliograph_interrupted"  # the proxy died while the call was under way


@dataclass(frozen=True, slots=True)
class _Request:
    asked: RequestFacts  # of the body that the caller sent
    sent: RequestFacts  # of the body that was sent to the provider that answered
    model: str | None  # that the caller asked for
    path_model: str | None  # that the path names which was sent


@dataclass(frozen=True, slots=True)
class _Answer:
    reading: Reading
    came_in_parts: bool
    is_complete: bool  # as far as it matters: nobody asks of a stream without usage, or with a reason to stop


@dataclass(frozen=True, slots=True)
class _Used:
    """What a call used, for its columns and its price. `checked` is None where nobody knows."""

    checked: Checked | None
    source: str | None
    units: dict[str, Decimal | None]

    @property
    def usage(self) -> Usage | None:
        return self.checked.usage if self.checked else None


def make_rows(
    call: Call,
    price_list: PriceList,
    is_charged: Callable[[str, str], bool] = lambda _work, _request_id: True,
    session_of: Callable[[Link], str | None] = without_chains,
) -> tuple[RequestRow, BodyRow]:
    """Raises ParentUnknown for a call that may wait, and goes on with a response that is not known yet.

    `is_charged` tells whether this request is the one that is charged for a piece of work (`charged_once.py`),
    `session_of` the session of a call that continues another one (`chains.py`).

    The row names the provider that answered; its `request_model` is what the caller asked for, its body what was sent to
    that provider."""
    called, call = call, _answered(call)
    start = call.start
    provider = registry.by_name(start.provider_name)
    operation, path_model = _operation(call, provider)
    bodies = decoded(call)
    request = _request(called, call, bodies, path_model, operation)
    answer = _answer(call, operation, bodies, request)
    work = answer.reading.charged_once
    if work and not is_charged(f"{provider.name} {work}", start.request_id):
        answer = replace(answer, reading=replace(answer.reading, is_free=True))
    used = _used(call, operation, answer, request)
    factors = _factors(provider, start, answer.reading)
    is_free = answer.reading.is_free or (operation is not None and operation.is_free)
    named = (operation and operation.row_name and operation.row_name(request.sent.body)) or start.operation_name
    cost = FREE if is_free else _cost(call, price_list, provider, answer.reading, used, request, factors, named)
    row = _request_row(call, request, answer, used, cost, factors, named)
    if call.start.operation_name in CHAINED:
        row = replace(row, session_id=session_of(_link(row, request.asked, call)))
    return row, body_row(call, bodies, answer.reading.text)


def _request(called: Call, call: Call, bodies: Bodies, path_model: str | None, operation: Operation | None) -> _Request:
    """`called`: the call as it was made; `call`: as if it had been made to the provider that answered it. Puts the body that
    was sent in the place of the caller's."""
    start, end = call.start, call.end
    read = operation.read_request if operation else None
    asked = sent = request_facts(bodies.request, start.content_type, read)
    if end and end.overrides:
        bodies.request = overridden(bodies.request, end.overrides)
        sent = request_facts(bodies.request, start.content_type)
    called_path_model = path_model
    if called is not call:
        _, called_path_model = _operation(called, registry.by_name(called.start.provider_name))
    return _Request(asked, sent, asked.model or called_path_model, path_model)


def _answer(call: Call, operation: Operation | None, bodies: Bodies, request: _Request) -> _Answer:
    start, end, sent = call.start, call.end, request.sent
    stated = answer_framing(operation, end.content_type if end else "text/event-stream" if sent.stream else None)
    framing = framing_seen(stated, bodies.response)
    # A stream that was asked for and refused in JSON is a stream by its content type.
    came_in_parts = framing.is_live or (end is not None and stated.is_live)
    is_complete = end is not None and end.complete and not bodies.response_truncated and bodies.response_is_whole
    asked = Asked(
        host=start.host,
        path=start.path.partition("?")[0],
        model=sent.model or request.path_model,
        body=sent.body,
        answer_headers=end.answer_headers if end else {},
    )
    reading = Reading()
    if end and end.reading is not None:
        reading = reading_told(end.reading)
        if start.omit_response and operation and operation.with_request:  # read without its request, in the proxy
            reading = operation.with_request(reading, asked)
    elif operation:
        reading = read_answer(operation, bodies.response, framing, asked)
        if came_in_parts and is_complete and reading.usage and not reading.finish_reasons:  # else it does not matter
            # The connection's end is not the stream's end.
            is_complete = is_finished(operation, framing, bodies.response)
    return _Answer(reading, came_in_parts, is_complete)


def _used(call: Call, operation: Operation | None, answer: _Answer, request: _Request) -> _Used:
    """The tokens of a call and what is charged beside them."""
    reading = answer.reading
    if reading.is_free:  # what it states was counted with the call that did it
        return _Used(None, None, {})
    usage, source = None, None
    if operation:
        usage, source = settle_usage(
            operation, reading, request.sent.body, is_stream=answer.came_in_parts, complete=answer.is_complete
        )
    elif reading.usage:  # logged by a program that says what it used, of an API that we cannot read
        usage, source = reading.usage, "provider"
    if source == "estimated" and (call.start.omit_request or call.start.omit_response):
        usage, source = None, None  # the words to count are in no file
    raw = None if says_nothing(reading) else reading.usage_raw
    checked = check(usage, reading.units, raw) if usage else None
    return _Used(checked, source, reading.units)


def _request_row(
    call: Call,
    request: _Request,
    answer: _Answer,
    used: _Used,
    cost: Cost,
    factors: dict[str, str],
    operation_name: str,
) -> RequestRow:
    start, end, reading = call.start, call.end, answer.reading
    usage, source, units, saved_nanousd = used.usage, used.source, used.units, None
    if end and end.cache_reference_id:  # what this answer cost when it was new is what was saved
        usage, source, units, saved_nanousd, cost = _NO_TOKENS, None, {}, cost.nanousd, CACHED
    known = _known(call)
    known["operation_name"] = operation_name
    known["agent"] = _agent(call, request.asked.sub_agent)
    known["session_path"] = known["session_path"] or request.asked.session_path
    return RequestRow(
        **known,
        response_model=reading.response_model,
        response_id=reading.response_id,
        finish_reasons=tuple(reading.finish_reasons),
        request_model=request.model,
        error_type=_error_type(end, reading),
        is_stream=answer.came_in_parts,
        **{name: getattr(usage, name) for name in _TOKENS} if usage else {},
        usage_raw=None if reading.usage_raw is None else orjson.dumps(reading.usage_raw).decode(),
        usage_units={unit: "" if count is None else str(count) for unit, count in units.items()},
        usage_source=source,
        usage_quality=_quality(reading, used.checked),
        cost_nanousd=cost.nanousd,
        cost_source=cost.source,
        cost_missing=cost.reason,
        list_cost_nanousd=cost.list_nanousd,
        price_factors=factors | ({MODEL_OVERRIDE: start.model_override} if start.model_override else {}),
        saved_nanousd=saved_nanousd,
        user_id=start.user_id or request.asked.user,
        session_id=start.session_id or request.asked.session_id or start.socket_id,
    )


def _link(row: RequestRow, asked: RequestFacts, call: Call) -> Link:
    """A response that goes on with one of another socket belongs to that one's session, and not to its own socket's."""
    start, previous = call.start, asked.previous_id
    named = start.session_id or asked.session_id or (None if previous else start.socket_id)
    fallback = start.socket_id or previous
    return Link(row.provider_name, previous, row.response_id, named, fallback, call.may_wait)


def _quality(reading: Reading, checked: Checked | None) -> str | None:
    zeros = "the usage is all zeros beside an answer" if says_nothing(reading) else None
    return "; ".join(filter(None, (reading.usage_quality, zeros, checked.odd if checked else None))) or None


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
    return request, body_row(call, raw(call), None)


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
        "agent": _agent(call, None),
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
        "failed_attempts": end.failed_attempts,
        "fallback_index": end.fallback_index,
        "rate_limit_status": end.rate_limit_status,
        "request_bytes": end.request_bytes,
        "response_bytes": end.response_bytes,
    }


def _agent(call: Call, sub_agent: str | None) -> str | None:
    """`sub_agent`: its kind by the request's body."""
    start, command = call.start, call.end.client_command if call.end else None
    return start.agent or agent_name(start.client, command, start.sub_agent or sub_agent)


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
    if end.error_type == OVERLOADED:
        return OVERLOADED
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
    used: _Used,
    request: _Request,
    factors: dict[str, str],
    operation_name: str,
) -> Cost:
    start, checked = call.start, used.checked
    stated_nanousd = call.end.stated_cost_nanousd if call.end else None
    if stated_nanousd is None and reading.stated_cost_usd is not None:
        stated_nanousd = nanousd(reading.stated_cost_usd)
    if stated_nanousd is None and call.end and _cost_nothing(call.end, reading, checked):
        return FREE
    return price_list.price(
        Bill(
            provider=priced_as(provider, start.host, start.path, request.model, reading.response_model),
            host=start.host,
            models=priced_models(start.model_override, reading.response_model, request.sent.model, request.path_model),
            usage=used.usage,
            units=used.units,
            factors=factors,
            started_at=_priced_at(call),
            operation=operation_name,
            stated_nanousd=stated_nanousd,
            paid_by_plan=start.paid_by_plan or reading.paid_by_plan or start.path.startswith(provider.plan_paths),
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
