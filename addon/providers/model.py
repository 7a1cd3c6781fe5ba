"""What the proxy and the settler know of a provider: records of functions, no base class.

The proxy needs hosts, operations, the terminal marker and the error dialect; it never reads an answer. The settler
reads: `read_json` and `read_stream` are pure and never raise on odd input (they leave out what they cannot read).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Json = Any  # parsed JSON: dict, list, str, int, float, bool, None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. None means the provider did not say; a stated 0 is 0."""

    input_tokens: int | None = None  # total: uncached + cache read + cache creation
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_1h_input_tokens: int | None = None  # part of cache_creation_input_tokens
    output_tokens: int | None = None  # reasoning included
    reasoning_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer says of itself."""

    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    usage: Usage | None = None
    usage_raw: Json = None  # the usage object as stated; of a stream: merged into its final form
    price_factors: dict[str, str] = field(default_factory=dict)  # service_tier, speed, ...: what changes the price
    text: str | None = None  # the words of the answer
    other_output: str | None = (
        None  # tool calls and visible thinking: not the answer's words, yet tokens; for estimates
    )
    error_type: str | None = None  # the provider's own, also of an error inside a 200 stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event. `data` is the joined data lines."""

    event: str | None
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One billable call of an API: method and path decide, never the host alone."""

    name: str  # OpenTelemetry's gen_ai.operation.name where it has one
    path: re.Pattern[
        str
    ]  # matched whole against the provider's own path, query left off; a group `model` names the model
    method: str = "POST"
    # A terminal event, matched at the start of a line of a stream: the call is finished, whoever closes afterwards.
    terminal: re.Pattern[bytes] | None = None
    asks_usage: bool = False  # a stream states its usage only where the request asks (OpenAI's include_usage)
    read_json: Callable[[Json], Reading] | None = None  # the answer's body
    read_stream: Callable[[Iterable[Event]], Reading] | None = None
    prompt_text: Callable[[Json], str] | None = None  # the words of a request, for estimates

    def is_finished(self, stream: bytes) -> bool:
        """Whether the terminal event is in a whole stream (decoded); True where the operation has none."""
        if self.terminal is None:
            return True
        return (
            re.search(rb"^(?:" + self.terminal.pattern + rb")", stream, self.terminal.flags | re.MULTILINE) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider: one file, one line in the registry."""

    name: str  # path prefix, `--upstream` name and provider_name
    origin: str  # where `/name/...` goes: "https://api.openai.com"
    hosts: tuple[str, ...]  # exact hosts, or with one leading or inner "*" ("*.openai.azure.com"); decrypted
    labels: tuple[str, ...] = ()  # first DNS labels of Helicone's host map that mean this provider
    aliases: tuple[str, ...] = ()  # other path prefixes
    operations: tuple[Operation, ...] = ()
    prices: str | None = None  # its id in genai-prices; None: unpriced unless configured
    error_body: Callable[[int, str, str], Json] | None = None  # (status, type, message) -> body in its dialect
