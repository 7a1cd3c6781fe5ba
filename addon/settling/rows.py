"""One call of the journal becomes its two rows: read, count, price. Pure but for the price list.

An exception from `make_rows` is a bug of ours: the settler then takes `bare_rows`, which say so and keep the bodies as
they came.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import orjson

from addon.metering.bill import Bill
from addon.metering.lines import nanousd
from addon.metering.model_names import MODEL_OVERRIDE, priced_models
from addon.metering.price import FREE, Cost, PriceList, priced_as
from addon.metering.quality import Checked, check
from addon.metering.reading import (
    RequestFacts,
    did_no_work,
    framing_seen,
    read_seen,
    request_facts,
    says_nothing,
    settle_usage,
)
from addon.metering.redaction import reading_told
from addon.metering.terminal import answer_framing, is_finished
from addon.providers.framing.table import framing_of
from addon.providers.model import Asked, Operation, Provider, Reading, Usage
from addon.settling.bodies import Bodies, body_row, decoded, overridden, raw
from addon.settling.chains import CHAINED, Link, without_chains
from addon.settling.journal_reader import Call
from addon.settling.kinds import Kind, agent_of, answered, columns_of, kind_of, known_columns
from addon.storage.journal_lines import OVERLOADED, CallEnd
from addon.storage.record import BodyRow, RequestRow, made_of

CACHED: Final = Cost(0, "cache", None)
_TOKENS: Final = tuple(item.name for item in fields(Usage))
_NO_TOKENS: Final = Usage(**dict.fromkeys(_TOKENS, 0))
INTERRUPTED: Final = "heliograph_interrupted"  # the proxy died while the call was under way


@dataclass(slots=True)
class _Request:
    asked: RequestFacts  # of the body that the caller sent
    sent: RequestFacts  # of the body that was sent to the provider that answered
    model: str | None  # that the caller asked for
    path_model: str | None  # that the path names which was sent


@dataclass(slots=True)
class _Answer:
    reading: Reading
    came_in_parts: bool
    is_complete: bool  # as far as it matters: nobody asks of a stream without usage, or with a reason to stop


@dataclass(slots=True)
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
    called, call = call, answered(call)
    start = call.start
    kind = kind_of(call)
    provider, operation = kind.provider, kind.operation
    bodies = decoded(call)
    request = _request(called, call, bodies, kind)
    answer = _answer(call, kind, bodies, request)
    work = answer.reading.charged_once
    if work and not is_charged(f"{provider.name} {work}", start.request_id):
        answer = replace(answer, reading=replace(answer.reading, is_free=True))
    used = _used(call, operation, answer, request)
    factors = answer.reading.price_factors | ({"region": kind.region} if kind.region else {})
    is_free = answer.reading.is_free or (operation is not None and operation.is_free)
    named = (operation and operation.row_name and operation.row_name(request.sent.body)) or start.operation_name
    cost = FREE if is_free else _cost(call, price_list, provider, answer.reading, used, request, factors, named)
    row = _request_row(call, kind, request, answer, used, cost, factors, named)
    if call.start.operation_name in CHAINED:
        row = replace(row, session_id=session_of(_link(row, request.asked, call)))
    return row, body_row(call, bodies, answer.reading.text, row.started_at)


def _request(called: Call, call: Call, bodies: Bodies, kind: Kind) -> _Request:
    """`called`: the call as it was made; `call`: as if it had been made to the provider that answered it. Puts the body that
    was sent in the place of the caller's."""
    start, end = call.start, call.end
    read = kind.operation.read_request if kind.operation else None
    asked = sent = request_facts(bodies.request, start.content_type, read)
    if end and end.overrides:
        bodies.request = overridden(bodies.request, end.overrides)
        sent = request_facts(bodies.request, start.content_type)
    called_path_model = kind.path_model if called is call else kind_of(called).path_model
    return _Request(asked, sent, asked.model or called_path_model, kind.path_model)


def _answer(call: Call, kind: Kind, bodies: Bodies, request: _Request) -> _Answer:
    start, end, operation = call.start, call.end, kind.operation
    stated = kind.stated or answer_framing(operation, "text/event-stream" if request.sent.stream else None)
    framing = framing_seen(stated, bodies.response)
    # A stream that was asked for and refused in JSON is a stream by its content type.
    came_in_parts = framing.is_live or (end is not None and stated.is_live)
    is_complete = end is not None and end.complete and not bodies.response_truncated and bodies.response_is_whole
    complete = operation.with_request if operation else None
    asked = _asked(call, request) if complete else None
    if end and end.reading is not None:
        reading = reading_told(end.reading)
        if complete and asked and start.omit_response:  # read without its request, in the proxy
            reading = complete(reading, asked)
    elif operation:
        reading = read_seen(operation, bodies.response, framing, asked)
        if came_in_parts and is_complete and reading.usage and not reading.finish_reasons:  # else it does not matter
            # The connection's end is not the stream's end.
            is_complete = is_finished(operation, framing, bodies.response)
    else:
        reading = Reading()
    return _Answer(reading, came_in_parts, is_complete)


def _asked(call: Call, request: _Request) -> Asked:
    return Asked(
        host=call.start.host,
        path=call.start.path.partition("?")[0],
        model=request.sent.model or request.path_model,
        body=request.sent.body,
        answer_headers=call.end.answer_headers if call.end else {},
    )


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
    kind: Kind,
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
    columns = columns_of(call, kind)
    columns["operation_name"] = operation_name
    if request.asked.sub_agent:
        columns["agent"] = agent_of(start, end, request.asked.sub_agent)
    columns["session_path"] = columns["session_path"] or request.asked.session_path
    columns["response_model"] = reading.response_model
    columns["response_id"] = reading.response_id
    columns["finish_reasons"] = tuple(reading.finish_reasons)
    columns["request_model"] = request.model
    columns["error_type"] = _error_type(end, reading)
    columns["is_stream"] = answer.came_in_parts
    if usage:
        columns |= vars(usage)
    columns["usage_raw"] = None if reading.usage_raw is None else orjson.dumps(reading.usage_raw).decode()
    columns["usage_units"] = {unit: "" if count is None else str(count) for unit, count in units.items()}
    columns["usage_source"] = source
    columns["usage_quality"] = _quality(reading, used.checked)
    columns["cost_nanousd"] = cost.nanousd
    columns["cost_source"] = cost.source
    columns["cost_missing"] = cost.reason
    columns["list_cost_nanousd"] = cost.list_nanousd
    columns["price_factors"] = factors | ({MODEL_OVERRIDE: start.model_override} if start.model_override else {})
    columns["saved_nanousd"] = saved_nanousd
    columns["user_id"] = start.user_id or request.asked.user
    columns["session_id"] = start.session_id or request.asked.session_id or start.socket_id
    return made_of(RequestRow, columns)


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
    call = answered(call)
    start, end = call.start, call.end
    columns = known_columns(call) | {
        "request_model": asked_path_model,
        "error_type": error_type,
        "is_stream": framing_of(end.content_type if end else None).is_stream,
        "user_id": start.user_id,
        "session_id": start.session_id or start.socket_id,
    }
    return made_of(RequestRow, columns), body_row(call, raw(call), None, columns["started_at"])


def _error_type(end: CallEnd | None, reading: Reading) -> str | None:
    """Our own word for a refusal of ours, whose body speaks the provider's dialect; else the provider's own, then what
    we saw on the wire."""
    if end is None:
        return INTERRUPTED
    if end.attempts == 0 and end.rate_limit_status in ("rate_limited", "budget_exceeded"):
        return end.rate_limit_status
    if end.error_type == OVERLOADED:
        return OVERLOADED
    status = f"http_{end.status}" if end.status >= 400 else None
    # `error` is all that a reader can say of an error in words alone: the status says more.
    stated = None if reading.error_type == "error" and status else reading.error_type
    return stated or end.error_type or status


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
