"""Amazon Nova Sonic: what was heard and said in a session of speech, by the events of its answer.

https://docs.aws.amazon.com/nova/latest/userguide/output-events.html. The request is sound, which is counted, not kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import blob, grouped, joined_base64, text, tool_call
from addon.providers.bedrock_sonic import is_planned
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json

_FORMAT: Final = "audio/lpcm"  # the only one that the API has
_ROLES: Final = {"USER": "user", "ASSISTANT": "assistant", "TOOL": "assistant"}  # a content TOOL is a call of the model


def read_answer(body: Json) -> list[Message]:
    """Words that were planned are left out where the session has those that were spoken."""
    contents = items(at(body, "contents"))
    was_spoken = any(at(one, "words") and not at(one, "is_plan") for one in contents if at(one, "role") == "assistant")
    messages = grouped(
        (string(at(one, "role")) or "assistant", parts) for one in contents if (parts := _parts(one, was_spoken))
    )
    if messages and messages[-1]["role"] == "assistant" and (reason := string(at(body, "stopReason"))):
        messages[-1]["finish_reason"] = reason
    return messages


def _parts(content: Json, was_spoken: bool) -> list[Part]:
    found: list[Part] = []
    if sound := string(at(content, "sound")):
        found.append(blob("audio", _FORMAT, sound))
    if (words := string(at(content, "words"))) and not (was_spoken and at(content, "is_plan")):
        found.append(text(words))
    found += [
        tool_call(at(called, "toolUseId"), at(called, "toolName"), at(called, "content"))
        for called in items(at(content, "calls"))
    ]
    return found


def assemble(events: Iterable[Event]) -> Json:
    """`{"event": {"contentStart" | "textOutput" | "audioOutput" | "toolUse" | ...: {"contentId": ...}}}`: the contents in the
    order of their first events."""
    contents: dict[str, _Content] = {}
    reason: Json = None
    for event in events:
        told = at(parse(event.data), "event")
        reason = at(told, "completionEnd", "stopReason") or reason
        for kind in ("contentStart", "textOutput", "audioOutput", "toolUse"):
            if (of_kind := at(told, kind)) is not None:
                contents.setdefault(string(at(of_kind, "contentId")) or "", _Content()).add(kind, of_kind)
    return {"contents": [one.whole() for one in contents.values()], "stopReason": reason}


@dataclass(slots=True)
class _Content:
    role: str = "assistant"
    is_plan: bool = False
    words: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of sound, base64

    def add(self, kind: str, told: Json) -> None:
        self.role = _ROLES.get(string(at(told, "role")) or "", self.role)
        said = string(at(told, "content")) or ""
        if kind == "contentStart":
            self.is_plan = is_planned(told)
        elif kind == "textOutput":
            self.words.append(said)
        elif kind == "audioOutput":
            self.pieces.append(said)
        else:
            self.calls.append(told)

    def whole(self) -> Json:
        told = {"role": self.role, "is_plan": self.is_plan, "words": "\n".join(self.words), "calls": self.calls}
        return {**told, "sound": joined_base64(self.pieces)}


DIALECT: Final = Dialect(prompt=lambda _request: Prompt(), answer=read_answer, assemble=assemble)
