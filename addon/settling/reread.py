"""A stored call as the journal had it: of its row and its bodies, so that the settler's own code can read it again.

What is in no row is gone: headers that are not kept, what was left out of the files by wish. Pure.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from addon.metering.model_names import MODEL_OVERRIDE
from addon.settling.journal_reader import Call
from addon.settling.rows import INTERRUPTED
from addon.storage.journal_lines import OVERLOADED, CallEnd, CallStart
from addon.storage.record import BodyRow, RequestRow

BUG: Final = "heliograph_"  # how the error types begin of calls that a bug of ours did not read
# What we say ourselves of answers that did not come to their end.
_CUT: Final = frozenset({"upstream_disconnected", "client_disconnected", "upstream_timeout"})
# How bodies begin in a content coding, which those of unread calls still have.
_MAGIC: Final = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))


def was_not_read(row: RequestRow) -> bool:
    """Whether a bug of ours kept the call from being read. A call whose proxy died, or refused it, is not one of these."""
    known = row.error_type in (None, INTERRUPTED, OVERLOADED)
    return not known and str(row.error_type).startswith(BUG)


def rebuilt(row: RequestRow, body: BodyRow) -> Call:
    """The call that `rows.make_rows` makes such a row of."""
    request, request_type = _bytes(body.request_body)
    response, response_type = _bytes(body.response_body)
    return Call(
        call_id=row.request_id,
        start=_start(row, body, request, request_type),
        end=_end(row, body, response, response_type),
        request=request,
        response=response,
    )


def _start(row: RequestRow, body: BodyRow, request: bytes, content_type: str | None) -> CallStart:
    return CallStart(
        request_id=row.request_id,
        started_at_us=int(row.started_at.timestamp() * 1_000_000),
        provider_name=row.provider_name,
        operation_name=row.operation_name,
        method=row.method,
        host=row.host,
        path=row.path,
        mode=row.mode,
        content_type=body.request_headers.get("content-type", content_type),
        content_encoding=_coding(request, body.request_headers),
        user_id=row.user_id,
        session_id=row.session_id,
        session_path=row.session_path,
        session_name=row.session_name,
        agent=row.agent,
        properties=row.properties,
        prompt_id=row.prompt_id,
        model_override=row.price_factors.get(MODEL_OVERRIDE),
        api_key_hash=row.api_key_hash,
        helicone_key_hash=row.helicone_key_hash,
        client=row.client,
        paid_by_plan=is_by_plan(row),
        headers=body.request_headers,
    )


def _end(row: RequestRow, body: BodyRow, response: bytes, content_type: str | None) -> CallEnd:
    return CallEnd(
        status=row.status if row.status is not None else -3,
        error_type=None if was_not_read(row) else row.error_type,
        complete=row.error_type not in _CUT and not body.response_truncated,
        content_type=body.response_headers.get("content-type", content_type),
        content_encoding=_coding(response, body.response_headers),
        answer_headers=body.response_headers,
        kept_headers=body.response_headers,
        piece_times=body.response_piece_times,
        duration_ms=row.duration_ms,
        time_to_first_token_ms=row.time_to_first_token_ms,
        overhead_ms=row.overhead_ms,
        attempts=row.attempts,
        failed_attempts=row.failed_attempts,
        fallback_index=row.fallback_index,
        client_command=row.client_command,
        client_cwd=row.client_cwd,
        client_repository=row.client_repository,
        cache_status=row.cache_status,
        cache_reference_id=row.cache_reference_id,
        rate_limit_status=row.rate_limit_status,
        request_bytes=row.request_bytes or 0,
        response_bytes=row.response_bytes or 0,
        request_truncated=body.request_truncated,
        response_truncated=body.response_truncated,
    )


def is_by_plan(row: RequestRow) -> bool:
    return row.list_cost_nanousd is not None or row.cost_missing == "paid by a plan, not by tokens"


def _bytes(stored: str | None) -> tuple[bytes, str | None]:
    """A body and, where it was stored as a `data:` URL, its content type."""
    if stored is None:
        return b"", None
    if stored.startswith("data:") and ";base64," in stored[:200]:
        head, _, coded = stored.partition(";base64,")
        try:
            return base64.b64decode(coded, validate=True), head.removeprefix("data:")
        except binascii.Error:  # it was text that begins so
            return stored.encode(), None
    return stored.encode(), None


def _coding(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The content coding that the body still has; bodies of calls that were read have none."""
    for magic, coding in _MAGIC:
        if body.startswith(magic):
            return coding
    stated = headers.get("content-encoding")
    return stated if stated in ("br", "deflate") and not _is_text(body) else None


def _is_text(body: bytes) -> bool:
    return body[:1] in (b"{", b"[", b"d", b"e", b":", b"")
