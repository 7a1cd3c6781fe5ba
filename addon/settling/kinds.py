"""What calls of one kind have in common, worked out for the first of them: provider and operation, how the answer is cut, and
the columns of the row that no body has a say in."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from addon.metering.agent_names import agent_name
from addon.metering.terminal import answer_framing
from addon.providers import registry
from addon.providers.model import Framing, Operation, Provider
from addon.settling.journal_reader import Call
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.record import RequestRow

MOST_KINDS: Final = 512
LONGEST_PATH: Final = 512  # of a kind that is remembered: callers choose their paths
# Members of the journal's records that have a column of the same name: those alike for many calls, and those that differ.
_ALIKE_IN_START: Final = (
    *("provider_name", "operation_name", "method", "host", "path", "mode"),
    *("api_key_hash", "helicone_key_hash", "client"),
)
_ALIKE_IN_END: Final = (
    *("client_command", "client_cwd", "client_repository", "status", "cache_status", "attempts"),
    *("failed_attempts", "fallback_index", "rate_limit_status"),
)
# What else a kind is told by.
_start_of: Final = attrgetter(*_ALIKE_IN_START, "agent", "sub_agent", "path_model")
_end_of: Final = attrgetter(*_ALIKE_IN_END, "content_type")
_EMPTY: Final = vars(RequestRow(request_id="", started_at=datetime.now(UTC), provider_name="", operation_name=""))


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    provider: Provider
    operation: Operation | None
    path_model: str | None  # that the path names
    columns: dict[str, Any]  # of RequestRow, all of them, in their order
    stated: Framing | None  # of the answer; None: no end says its content type
    region: str | None


def kind_of(call: Call) -> Kind:
    key = _key(call)
    return _kind(*key) if len(call.start.path) <= LONGEST_PATH else _kind.__wrapped__(*key)


def known_columns(call: Call) -> dict[str, Any]:
    """The columns that no body has a say in, with nothing in the others. A dict of its own; nobody changes the values."""
    key = _key(call)
    alike = _alike(*key) if len(call.start.path) <= LONGEST_PATH else _alike.__wrapped__(*key)
    return alike | _differing(call)


def columns_of(call: Call, kind: Kind) -> dict[str, Any]:
    """The same, where the kind is known."""
    return kind.columns | _differing(call)


def _differing(call: Call) -> dict[str, Any]:
    start, end = call.start, call.end
    told = {
        "request_id": start.request_id,
        "started_at": start.started_at,
        "session_path": start.session_path,
        "session_name": start.session_name,
        "properties": start.properties,
        "prompt_id": start.prompt_id,
    }
    if end is None:
        return told | {"request_bytes": len(call.request), "response_bytes": len(call.response)}
    told["session_path"] = end.session_path or start.session_path
    told["session_name"] = end.session_name or start.session_name
    told["duration_ms"] = end.duration_ms
    told["time_to_first_token_ms"] = end.time_to_first_token_ms
    told["overhead_ms"] = end.overhead_ms
    told["cache_reference_id"] = end.cache_reference_id
    told["request_bytes"] = end.request_bytes
    told["response_bytes"] = end.response_bytes
    return told


def _key(call: Call) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    return _start_of(call.start), _end_of(call.end) if call.end else None


@lru_cache(MOST_KINDS)
def _alike(start: tuple[Any, ...], end: tuple[Any, ...] | None) -> dict[str, Any]:
    told = dict(zip(_ALIKE_IN_START, start, strict=False))
    agent, sub_agent, _ = start[len(_ALIKE_IN_START) :]
    ended = dict(zip(_ALIKE_IN_END, end, strict=False)) if end else {}
    named = agent or agent_name(told["client"], ended.get("client_command"), sub_agent)
    return _EMPTY | told | ended | {"agent": named}


@lru_cache(MOST_KINDS)
def _kind(start: tuple[Any, ...], end: tuple[Any, ...] | None) -> Kind:
    columns = _alike(start, end)
    path_model, host, path = start[-1], columns["host"], columns["path"]
    provider = registry.by_name(columns["provider_name"])
    found = registry.operation(provider, columns["method"], path.partition("?")[0], host)
    operation = found[0] if found else None
    return Kind(
        provider,
        operation,
        path_model or (found[1] if found else None),
        columns,
        answer_framing(operation, end[-1]) if end else None,
        provider.region(host, path) if provider.region else None,
    )


def answered(call: Call) -> Call:
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


def agent_of(start: CallStart, end: CallEnd | None, sub_agent: str | None) -> str | None:
    """`sub_agent`: its kind by the request's body."""
    command = end.client_command if end else None
    return start.agent or agent_name(start.client, command, start.sub_agent or sub_agent)
