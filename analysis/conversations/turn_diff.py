"""What changed from one turn of a session to the next: messages, instructions, tools, parameters. Pure."""

from dataclasses import dataclass
from typing import Final

import orjson

from addon.conversations.model import Message
from addon.conversations.turns import first_new, same_messages
from addon.providers.fields import parse
from addon.providers.model import Json
from analysis.conversations.messages import Call

# Members of a request's body that are the conversation itself, or no setting.
_NOT_SETTINGS: Final = frozenset(
    {
        *(
            "messages",
            "input",
            "contents",
            "prompt",
            "system",
            "instructions",
            "systemInstruction",
            "system_instruction",
        ),
        *("tools", "functions", "metadata", "user", "prompt_cache_key", "previous_response_id", "stream"),
    }
)
_LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """A member of the body that changed; None: it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class TurnDiff:
    same: int  # messages that both requests begin with
    removed: tuple[Message, ...]  # of the earlier request, that the later one has no more at that place
    is_answer_kept: bool  # the earlier answer stands in the later request
    added: tuple[Message, ...]
    system_changed: bool
    tools_added: tuple[str, ...]
    tools_removed: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def edits_history(self) -> bool:
        """The later request does not go on from the earlier: its beginning costs full price again."""
        return bool(self.removed) or self.system_changed


def turn_diff(earlier: Call, later: Call) -> TurnDiff | None:
    """None: what was said in one of them is not known."""
    before, after = earlier.conversation, later.conversation
    if before is None or after is None:
        return None
    same = same_messages(before, after)
    new = first_new(before, after)
    tools_before = {str(tool["name"]) for tool in before.tool_definitions}
    tools_after = {str(tool["name"]) for tool in after.tool_definitions}
    return TurnDiff(
        same=same,
        removed=tuple(before.input_messages[same:]),
        is_answer_kept=new > same,
        added=tuple(after.input_messages[new:]),
        system_changed=before.system_instructions != after.system_instructions,
        tools_added=tuple(sorted(tools_after - tools_before)),
        tools_removed=tuple(sorted(tools_before - tools_after)),
        settings=_changed_settings(earlier.said.request_body, later.said.request_body),
    )


def _changed_settings(before: str | None, after: str | None) -> tuple[Setting, ...]:
    one, other = _settings(before), _settings(after)
    return tuple(
        Setting(name, one.get(name), other.get(name))
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    )


def _settings(body: str | None) -> dict[str, str]:
    members: Json = parse(body or "")
    if not isinstance(members, dict):
        return {}
    return {
        str(name): orjson.dumps(value).decode()[:_LONGEST_VALUE]
        for name, value in members.items()
        if name not in _NOT_SETTINGS and not isinstance(value, dict | list)
    }
