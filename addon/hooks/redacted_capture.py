"""What the journal gets of a call with `[redact] before_journal`: no secret, and no body that is compressed."""

from typing import TYPE_CHECKING, Final

from addon.metering.content_coding import decode
from addon.redaction.records import without_secrets
from addon.storage.journal_lines import CallEnd, CallStart

if TYPE_CHECKING:
    from addon.hooks.services import Services
    from addon.redaction.redactor import Redactor

# Made by us, words of a fixed set, or needed as they are to read the bodies.
_OURS: Final = frozenset(
    {
        *("request_id", "provider_name", "operation_name", "method", "mode", "content_type", "content_encoding"),
        *("api_key_hash", "helicone_key_hash", "cache_status", "cache_reference_id", "rate_limit_status"),
        *("piece_times", "answer_headers", "reading"),
    }
)
_JSON: Final = frozenset({"failed_attempts"})


def journal_redactor(services: "Services") -> "Redactor | None":
    """What redacts before the journal; None where the settler alone does."""
    rules = services.settings.redact
    return services.redactor if rules is not None and rules.before_journal else None


def redacted_start(redactor: "Redactor", start: CallStart) -> CallStart:
    redacted = without_secrets(redactor, start, _OURS)
    redacted.content_encoding = None
    return redacted


def redacted_end(redactor: "Redactor", end: CallEnd) -> CallEnd:
    redacted = without_secrets(redactor, end, _OURS, _JSON)
    redacted.content_encoding = None
    return redacted


def redacted_body(
    redactor: "Redactor", body: bytes, content_encoding: str | None, content_type: str | None, at_most: int
) -> bytes:
    """A body as it came, decoded and without secrets; b"" where it must not be kept."""
    decoded, _ = decode(body, content_encoding, at_most)
    return redactor.body(decoded, content_type) or b""
