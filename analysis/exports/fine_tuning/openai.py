"""An example as OpenAI's supervised fine-tuning takes it; Together, Fireworks, Mistral, Azure and others take the same.

One object a line: `messages`, `tools`, `parallel_tool_calls`, as in FineTuneChatRequestInput of OpenAI's OpenAPI document and
https://developers.openai.com/api/docs/guides/supervised-fine-tuning. Images: at most ten in users' messages, each of at most
10 MB, as JPEG, PNG or WEBP: https://developers.openai.com/api/docs/guides/vision-fine-tuning.
"""

from typing import Any, Final

from analysis.exports.fine_tuning.example import Call, Example, Image, LeftOut, Turn, arguments_text

MOST_IMAGES: Final = 10
MOST_IMAGE_BYTES: Final = 10 * 10**6
IMAGE_TYPES: Final = (None, "image/jpeg", "image/png", "image/webp")


def line(example: Example) -> dict[str, Any]:
    """Raises LeftOut."""
    if example.images > MOST_IMAGES:
        raise LeftOut(f"more than {MOST_IMAGES} images")
    system = [{"role": "system", "content": example.system}] if example.system else []
    made: dict[str, Any] = {"messages": [*system, *(message for turn in example.turns for message in _messages(turn))]}
    if example.tools:
        made["tools"] = [{"type": "function", "function": tool.as_json("parameters")} for tool in example.tools]
        if example.parallel_tool_calls is not None:
            made["parallel_tool_calls"] = example.parallel_tool_calls
    return made


def _messages(turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"role": "tool", "tool_call_id": result.id, "content": result.text} for result in turn.results]
    if turn.role == "user":
        return [{"role": "user", "content": [_part(part) for part in turn.content] if turn.images else turn.text}]
    if turn.images:
        raise LeftOut("an image in an answer")
    calls = {"tool_calls": [_call(call) for call in turn.calls]} if turn.calls else {}
    return [{"role": "assistant", **({"content": turn.text} if turn.text or not calls else {}), **calls}]


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.mime_type not in IMAGE_TYPES:
        raise LeftOut("an image that is not JPEG, PNG or WEBP")
    if part.mime_type and len(part.url) * 3 // 4 > MOST_IMAGE_BYTES:
        raise LeftOut("an image of more than 10 MB")
    return {"type": "image_url", "image_url": {"url": part.url}}
