"""Which answers the cache must not keep where [redact] is set: it gives answers again as they were, so a secret would be on the
disk."""

from typing import TYPE_CHECKING

from addon.caching.store import Stored
from addon.metering.content_coding import decode

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor


def has_secrets(redactor: "Redactor", stored: Stored, seed: str | None) -> bool:
    """Whether anything of the answer would be redacted, or nobody can tell."""
    encoding = next(
        (value.decode("latin-1") for name, value in stored.headers if name.lower() == b"content-encoding"), None
    )
    body, is_whole = decode(b"".join(stored.chunks), encoding)
    texts = [seed or "", *(value.decode("latin-1") for _, value in stored.headers)]
    return not is_whole or redactor.body(body, stored.content_type) != body or redactor.texts(texts) != texts
