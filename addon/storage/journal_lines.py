"""The lines of a journal segment: what the proxy writes while calls pass, and the settler reads.

One JSON object a line. `t` names the kind, `id` the call (unique over all time, unlike the request id). A call is
`start`, then body pieces as they arrive, then one or more `end` lines, of which the last wins: the first is written
before the answer's last bytes leave, a later one amends it. Pieces are raw: compressed bodies are kept as they came.

    {"t":"start","id":"0199...","call":{...CallStart...}}
    {"t":"request","id":"0199...","text":"{\\"model\\": ..."}      or "b64" where the piece is not UTF-8
    {"t":"response","id":"0199...","text":"data: {..."}
    {"t":"end","id":"0199...","final":false,"call":{...CallEnd...}}
"""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class CallStart:
    """Known when the request's headers are in. No secret is in here."""

    request_id: str
    started_at_us: int  # epoch, microseconds, UTC
    provider_name: str
    operation_name: str
    method: str
    host: str  # the provider's own
    path: str
    mode: str
    path_model: str | None = None  # a model that the path names (Bedrock, Gemini, Azure)
    content_type: str | None = None
    content_encoding: str | None = None
    user_id: str | None = None
    session_id: str | None = None  # from headers; the body's comes later, when it is read
    session_path: str | None = None
    session_name: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    prompt_id: str | None = None
    model_override: str | None = None
    omit_request: bool = False
    omit_response: bool = False
    api_key_hash: str | None = None
    helicone_key_hash: str | None = None
    client: str | None = None


@dataclass(slots=True, kw_only=True)
class CallEnd:
    """Known when the answer has ended, however it ended."""

    status: int
    error_type: str | None = (
        None  # ours; the provider's own is read from the body and wins where the answer is an error
    )
    complete: bool = True  # the whole answer or its terminal event went by
    content_type: str | None = None  # of the answer
    content_encoding: str | None = None
    duration_ms: int = 0
    time_to_first_token_ms: int | None = None
    overhead_ms: float | None = None
    attempts: int = 1
    fallback_index: int | None = None
    cache_status: str | None = None
    rate_limit_status: str | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    request_truncated: bool = False
    response_truncated: bool = False
