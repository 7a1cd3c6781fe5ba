"""An example in the ShareGPT form, as LLaMA-Factory, Axolotl and Unsloth read it.

`conversations` of `from` (human, gpt, function_call, observation) and `value`, `system`, and `tools` as JSON text. human and
observation stand at odd places, gpt and function_call at even ones:
https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. A place holds words or calls, so words beside calls are
left out (`remark` counts such examples); images would be files beside the set, so such calls are left out.
"""

from typing import Any

import orjson

from addon.conversations.model import dumped
from analysis.exports.fine_tuning.example import Call, Example, LeftOut, Turn, arguments_text


def line(example: Example) -> dict[str, Any]:
    """Raises LeftOut."""
    if example.images:
        raise LeftOut("images")
    said: list[dict[str, str]] = []
    for turn in example.turns:
        if said and said[-1]["from"] == "observation" and turn.role == "user":
            said[-1]["value"] += f"\n\n{turn.text}"
        else:
            said.append(_said(turn))
    made: dict[str, Any] = {"conversations": said}
    if example.system:
        made["system"] = example.system
    if example.tools:
        made["tools"] = dumped([tool.as_json("parameters") for tool in example.tools]).decode()
    return made


def remark(example: Example) -> str | None:
    return "without the words beside a tool call" if any(turn.calls and turn.text for turn in example.turns) else None


def _said(turn: Turn) -> dict[str, str]:
    if turn.role == "user":
        return {"from": "human", "value": turn.text}
    if turn.role == "tool":
        return {"from": "observation", "value": "\n\n".join(result.text for result in turn.results)}
    if not turn.calls:
        return {"from": "gpt", "value": turn.text}
    calls = [_call(call) for call in turn.calls]
    return {"from": "function_call", "value": dumped(calls[0] if len(calls) == 1 else calls).decode()}


def _call(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": orjson.Fragment(arguments_text(call))}
