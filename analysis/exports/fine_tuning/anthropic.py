"""An example as Amazon Bedrock takes it to fine-tune Claude: the body of a messages request that ends with the answer.

`system`, and `messages` that begin with the user and alternate:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html. What is documented there is text alone.
Tools and images have the blocks of https://platform.claude.com/docs/en/api/messages; `remark` counts such examples.
"""

from typing import Any, Final

from analysis.exports.fine_tuning.example import Call, Example, Image, LeftOut, Result, Turn

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")


def line(example: Example) -> dict[str, Any]:
    """Raises LeftOut."""
    messages: list[dict[str, Any]] = []
    for turn in example.turns:
        role = "assistant" if turn.role == "assistant" else "user"
        if messages and messages[-1]["role"] == role:  # results of tools, and the user's words after them
            messages[-1]["content"] = [*_blocks_of(messages[-1]["content"]), *_blocks(turn)]
        else:
            messages.append({"role": role, "content": _content(turn)})
    made: dict[str, Any] = {"system": example.system} if example.system else {}
    if example.tools:
        made["tools"] = [tool.as_json("input_schema") for tool in example.tools]
    return {**made, "messages": messages}


def remark(example: Example) -> str | None:
    has_more = example.tools or example.images or any(turn.calls for turn in example.turns)
    return "with tools or images, of which Bedrock documents none" if has_more else None


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    return turn.text if not (turn.calls or turn.results or turn.images) else _blocks(turn)


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    return [
        *(_result(result) for result in turn.results),
        *(_block(part, turn.role) for part in turn.content),
        *(_call(call) for call in turn.calls),
    ]


def _blocks_of(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(part: str | Image, role: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if role == "assistant":
        raise LeftOut("an image in an answer")
    if part.mime_type is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    if part.mime_type not in IMAGE_TYPES:
        raise LeftOut("an image that is not JPEG, PNG, GIF or WEBP")
    content = part.url.partition(",")[2]
    return {"type": "image", "source": {"type": "base64", "media_type": part.mime_type, "data": content}}


def _call(call: Call) -> dict[str, Any]:
    if not isinstance(call.arguments, dict):
        raise LeftOut("a tool call whose arguments are not a JSON object")
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _result(result: Result) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": result.id, "content": result.text}
