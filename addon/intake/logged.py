"""A call that a program logged after the fact, ready for the journal: what `addon/hooks/capture.py` makes of a call that passes."""

from dataclasses import dataclass, field
from typing import Any

from addon.config.controls import Controls, credential_for
from addon.ids import keyed_hash, uuid7
from addon.metering.redaction import facts_only, reading_only
from addon.providers.model import Operation
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart

MODE = "async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One logged call. Its id in the journal is its own: request ids may repeat."""

    start: CallStart
    end: CallEnd
    request: bytes
    response: bytes
    id: str = field(default_factory=uuid7)
    warnings: tuple[str, ...] = ()


def said_by(controls: Controls, secret: bytes) -> dict[str, Any]:
    """The fields of CallStart that headers fill. A logger sends a Helicone key, never the provider's."""
    key = controls.helicone_auth or credential_for("", controls)
    return {
        "mode": MODE,
        "user_id": controls.user_id,
        "session_id": controls.session_id,
        "session_path": controls.session_path,
        "session_name": controls.session_name,
        "sub_agent": controls.sub_agent,
        "properties": controls.properties,
        "prompt_id": controls.prompt_id,
        "model_override": controls.model_override,
        "omit_request": controls.omit_request,
        "omit_response": controls.omit_response,
        "helicone_key_hash": keyed_hash(secret, key) if key else None,
        "client": controls.client,
    }


def without_omitted(
    start: CallStart, end: CallEnd, request: bytes, response: bytes, operation: Operation | None
) -> tuple[bytes, bytes]:
    """The bodies as they may be in a file; what an omitted answer says of itself goes into its end."""
    if start.omit_request:
        request = facts_only(request, None)
    if start.omit_response:
        if end.reading is not None:
            end.reading = {name: value for name, value in end.reading.items() if name not in ("text", "other_output")}
        elif operation:
            end.reading = reading_only(operation, response, None, end.content_type)
        response = b""
    return request, response


def write(journal: Journal, call: Logged, most_body_bytes: int, *, final: bool = True) -> bool:
    """Journals a call. `final=False`: its end may be amended for a second. True: the kernel has all of it."""
    journal.start(call.id, call.start)
    for side, body in (("request", call.request), ("response", call.response)):
        if body:
            journal.piece(call.id, "request" if side == "request" else "response", body[:most_body_bytes])
    return journal.end(call.id, call.end, final)
