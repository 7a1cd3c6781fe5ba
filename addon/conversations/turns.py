"""What is new in a turn. Agents send the whole conversation again each time: most of a request was in the one before."""

from addon.conversations.model import Conversation, Message, Part
from addon.providers.model import Json


def same_messages(earlier: Conversation, later: Conversation) -> int:
    """How many messages both requests begin with."""
    pairs = zip(earlier.input_messages, later.input_messages, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), _shorter(earlier, later))


def first_new(earlier: Conversation | None, later: Conversation) -> int:
    """The index of the first message of `later` that is neither in the request of `earlier` nor its answer.

    From there on all count as new: in a history that was edited or compacted, what follows the change.
    """
    if earlier is None:
        return 0
    index = same_messages(earlier, later)
    if index < len(later.input_messages) and any(
        _says_the_same(answer, later.input_messages[index]) for answer in earlier.output_messages
    ):
        return index + 1
    return index


def _shorter(earlier: Conversation, later: Conversation) -> int:
    return min(len(earlier.input_messages), len(later.input_messages))


def _says_the_same(answer: Message, sent: Message) -> bool:
    """Whether a message is that answer sent back. Programs leave out reasoning, ids and what the provider added."""
    return sent["role"] == "assistant" and _gist(answer["parts"]) == _gist(sent["parts"])


def _gist(parts: list[Part]) -> list[Json]:
    return [
        (part["type"], part.get("name"), part.get("arguments"), (part.get("content") or "").strip())
        for part in parts
        if part["type"] in ("text", "tool_call")
    ]
