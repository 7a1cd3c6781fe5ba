"""Amazon Nova Sonic: speech in and out over one HTTP/2 stream, InvokeModelWithBidirectionalStream. A row for each session.

https://docs.aws.amazon.com/nova/latest/userguide/output-events.html, .../nova2-userguide/sonic-output-events.html
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from addon.providers.bedrock_converse import is_failure
from addon.providers.fields import at, count, parse, string
from addon.providers.framing.aws_event_stream import inner_payload
from addon.providers.model import Event, Json, Reading, Terminal, Usage

# Another prompt may follow the end of a completion; the session ends with the stream.
SESSION_END: Final = Terminal(anywhere=rb'"completionEnd"', ends_with_bytes=True)


def usage(raw: Json) -> Usage | None:
    """The totals of a `usageEvent` are those of the session so far, speech and text together."""
    given, made = count(at(raw, "totalInputTokens")), count(at(raw, "totalOutputTokens"))
    return None if given is None and made is None else Usage(input_tokens=given, output_tokens=made)


def units(raw: Json) -> dict[str, Decimal | None]:
    """Tokens of speech have prices of their own; without their number there is no price."""
    total = at(raw, "details", "total")
    found: dict[str, Decimal | None] = {}
    for unit, way, tokens in (
        ("input_audio_tokens", "input", "totalInputTokens"),
        ("output_audio_tokens", "output", "totalOutputTokens"),
    ):
        spoken = count(at(total, way, "speechTokens"))
        if spoken is None and count(at(raw, tokens)):
            found[unit] = None
        elif spoken:
            found[unit] = Decimal(spoken)
    return found


def read_stream(events: Iterable[Event]) -> Reading:
    """`{"event": {"completionStart" | "contentStart" | "textOutput" | "toolUse" | "usageEvent" | "completionEnd": {...}}}`
    in base64 inside frames `chunk`."""
    said = _Said()
    failure: str | None = None
    for event in events:
        if is_failure(event.event):
            failure = event.event
        elif (told := inner_payload(event.data.encode())) is not None and b'"audioOutput"' not in told[:64]:
            said.add(at(parse(told), "event"))
    return said.reading(failure)


def is_planned(content_start: Json) -> bool:
    """Whether the words of this content are planned: a later content has what was spoken of them."""
    return "SPECULATIVE" in (string(at(content_start, "additionalModelFields")) or "")


@dataclass(slots=True)
class _Said:
    planned: set[str] = field(default_factory=set)  # contents with words that are planned; what was spoken follows
    text: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    response_id: str | None = None
    raw: Json = None

    def add(self, event: Json) -> None:
        self.raw = at(event, "usageEvent") or self.raw
        self.response_id = self.response_id or string(at(event, "completionStart", "completionId"))
        started = at(event, "contentStart")
        if is_planned(started):
            self.planned.add(string(at(started, "contentId")) or "")
        words = at(event, "textOutput")
        if at(words, "role") == "ASSISTANT":
            is_plan = (string(at(words, "contentId")) or "") in self.planned
            (self.plan if is_plan else self.text).append(string(at(words, "content")) or "")
        called = at(event, "toolUse")
        self.tools += [string(at(called, key)) or "" for key in ("toolName", "content")]
        if reason := string(at(event, "completionEnd", "stopReason")):
            self.reasons.append(reason)

    def reading(self, failure: str | None) -> Reading:
        return Reading(
            response_id=self.response_id,
            finish_reasons=tuple(self.reasons),
            usage=usage(self.raw),
            usage_raw=self.raw,
            units=units(self.raw),
            text="\n".join(self.text or self.plan) or None,
            other_output="".join(self.tools) or None,
            error_type=failure,
        )
