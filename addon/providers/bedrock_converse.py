"""Bedrock's Converse and ConverseStream, one shape for all models; Amazon Nova speaks it with InvokeModel as well.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html; shapes as in botocore's
bedrock-runtime/2023-09-30/service-2.json.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, dumped, items, json_of, string, words
from addon.providers.model import Event, Json, Reading, Usage
from addon.providers.pieces import Pieces

# Units of a guardrail that are charged; words and regular expressions are free.
# https://aws.amazon.com/bedrock/pricing/ (Guardrails), shape GuardrailUsage
GUARDRAIL_UNITS: Final = {
    "topicPolicyUnits": "guardrail_topic_units",
    "contentPolicyUnits": "guardrail_content_units",
    "contentPolicyImageUnits": "guardrail_images",
    "sensitiveInformationPolicyUnits": "guardrail_sensitive_information_units",
    "contextualGroundingPolicyUnits": "guardrail_grounding_units",
    "automatedReasoningPolicyUnits": "guardrail_reasoning_units",
}
_FAILURES: Final = ("exception", "error", "failure", "fault")


def usage(raw: Json) -> Usage | None:
    """Cached tokens are beside `inputTokens`: the total input is the three added up.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html. Nova's own shape says `...TokenCount`.
    """
    uncached, output = count(at(raw, "inputTokens")), count(at(raw, "outputTokens"))
    read = _either(raw, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _either(raw, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    if uncached is None and output is None:
        return None
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        cache_creation_1h_input_tokens=_written_for_an_hour(raw),
        output_tokens=output,
    )


def read_json(body: Json) -> Reading:
    """A ConverseResponse."""
    answer = Answer()
    answer.add_message(at(body, "output", "message"))
    answer.add_end(body)
    return answer.reading()


def read_stream(events: Iterable[Event]) -> Reading:
    """Each event is named by the frame that it came in."""
    answer = Answer()
    pieces = Pieces(events)
    for event in pieces:
        data = json_of(event)
        answer.add(event.event or "", data)
        text = at(data, "delta", "text")
        if event.event == "contentBlockDelta" and isinstance(text, str) and at(data, "delta") == {"text": text}:
            answer.said += pieces.repeated(event, "text", text, beside="p")
    return answer.reading()


def is_failure(name: str | None) -> bool:
    """Whether a frame is an exception (`throttlingException`), or an error by its code."""
    return name is not None and name.lower().endswith(_FAILURES)


@dataclass(slots=True)
class Answer:
    """Gathers a message, whole or in parts."""

    said: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    stop_reason: str | None = None
    usage_raw: Json = None
    end: Json = None  # the object beside the usage: trace, tier, latency
    failure: str | None = None

    def add(self, name: str, data: Json) -> None:
        """An event of ConverseStream."""
        match name:
            case "contentBlockDelta":
                self._add_block(at(data, "delta"))
            case "contentBlockStart":
                self._add_block(at(data, "start"))
            case "messageStop":
                self.stop_reason = string(at(data, "stopReason")) or self.stop_reason
            case "metadata":
                self.add_end(data)
            case _ if is_failure(name):
                self.failure = name

    def add_message(self, message: Json) -> None:
        for block in items(at(message, "content")):
            self._add_block(block)

    def add_end(self, data: Json) -> None:
        """What a ConverseResponse and the event `metadata` say of the whole answer."""
        self.end = data
        self.usage_raw = at(data, "usage") or self.usage_raw
        self.stop_reason = string(at(data, "stopReason")) or self.stop_reason

    def _add_block(self, block: Json) -> None:
        """A content block, or a piece of one."""
        self.said.append(string(at(block, "text")) or "")
        if isinstance(block, dict) and len(block) == 1 and "text" in block:
            return
        self.said.append(words(at(block, "citationsContent", "content")))
        thought = at(block, "reasoningContent")
        self.other.append(string(at(thought, "text")) or string(at(thought, "reasoningText", "text")) or "")
        tool = at(block, "toolUse")
        self.other.append(string(at(tool, "name")) or "")
        given = at(tool, "input")
        self.other.append(given if isinstance(given, str) else dumped(given) if given else "")

    def reading(self) -> Reading:
        text, other = "".join(self.said), "".join(self.other)
        return Reading(
            response_model=string(at(self.end, "trace", "promptRouter", "invokedModelId")),
            finish_reasons=(self.stop_reason,) if self.stop_reason else (),
            usage=usage(self.usage_raw),
            usage_raw=self.usage_raw,
            units=guardrail_units(at(self.end, "trace", "guardrail")),
            price_factors=price_factors(
                at(self.end, "serviceTier", "type"), at(self.end, "performanceConfig", "latency")
            ),
            text=text or None,
            other_output=other or None,
            error_type=self.failure,
        )


def price_factors(tier: Json, latency: Json) -> dict[str, str]:
    """The tier that served, and `optimized` latency: both have prices of their own."""
    factors = {"service_tier": name} if (name := string(tier)) else {}
    return factors | ({"latency": told} if (told := string(latency)) and told != "standard" else {})


def guardrail_units(trace: Json) -> dict[str, Decimal | None]:
    """What the guardrail of a call looked at, by its trace: the input's assessment and all of the output's."""
    assessed = [*_values(at(trace, "inputAssessment")), *_values(at(trace, "input"))]  # the latter of InvokeModel
    for several in (*_values(at(trace, "outputAssessments")), *(_values(one) for one in items(at(trace, "outputs")))):
        assessed += [one for found in items(several) for one in (items(found) or [found])]
    return charged_units(at(assessment, "invocationMetrics", "usage") for assessment in assessed)


def charged_units(usages: Iterable[Json]) -> dict[str, Decimal | None]:
    units: dict[str, Decimal | None] = {}
    for used in usages:
        for name, unit in GUARDRAIL_UNITS.items():
            if number := count(at(used, name)):
                units[unit] = (units.get(unit) or Decimal(0)) + number
    return units


def prompt(request: Json) -> str:
    """System prompt, the messages' words, calls and results of tools, and the tools' schemas."""
    parts = [words(at(request, "system"))]
    for message in items(at(request, "messages")):
        for block in items(at(message, "content")):
            parts.append(string(at(block, "text")) or words(at(block, "toolResult", "content")))
            if called := at(block, "toolUse"):
                parts.append(dumped(called))
    if tools := at(request, "toolConfig", "tools"):
        parts.append(dumped(tools))
    return "\n".join(part for part in parts if part)


def _written_for_an_hour(raw: Json) -> int | None:
    """`cacheDetails`: the cache writes by the time that they are kept."""
    details = items(at(raw, "cacheDetails"))
    hours = [count(at(detail, "inputTokens")) or 0 for detail in details if at(detail, "ttl") == "1h"]
    return sum(hours) if details else None


def _either(raw: Json, name: str, other: str) -> int | None:
    found = count(at(raw, name))
    return count(at(raw, other)) if found is None else found


def _values(value: Json) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else []
