"""Agents, flows and knowledge bases of Bedrock: rows with what was said. No answer states tokens or cost.

Paths and members: botocore/data/bedrock-agent-runtime/2023-07-26/service-2.json.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Agents_for_Amazon_Bedrock_Runtime.html
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final

from addon.providers.fields import at, items, json_of, string
from addon.providers.model import Event, Json, Operation, Reading


def read_json(body: Json) -> Reading:
    return Reading(response_id=string(at(body, "sessionId")), text=said_in(body) or None)


def read_stream(events: Iterable[Event]) -> Reading:
    told = list(events)
    failure = next((event.event for event in told if (event.event or "").endswith("Exception")), None)
    return Reading(text=said_in_stream(told) or None, error_type=failure)


def said_in(body: Json) -> str:
    """RetrieveAndGenerate: `{sessionId, output: {text}, citations}`; Retrieve: `{retrievalResults: [{content: {text}}]}`."""
    found = [string(at(result, "content", "text")) or "" for result in items(at(body, "retrievalResults"))]
    return string(at(body, "output", "text")) or "\n".join(filter(None, found))


def said_in_stream(events: Iterable[Event]) -> str:
    """InvokeAgent: frames `chunk` with `{bytes}` in base64; RetrieveAndGenerateStream: `output` with `{text}`; InvokeFlow:
    `flowOutputEvent` with `{content: {document}}`."""
    return "".join(_said(event.event, json_of(event)) for event in events)


def _said(kind: str | None, data: Json) -> str:
    match kind:
        case "chunk":
            return _decoded(at(data, "bytes"))
        case "output":
            return string(at(data, "text")) or ""
        case "flowOutputEvent":
            return string(at(data, "content", "document")) or ""
    return ""


def _decoded(value: Json) -> str:
    try:
        return base64.b64decode(string(value) or "").decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _operation(name: str, path: str, *, streams: bool = True) -> Operation:
    return Operation(
        name=name,
        path=re.compile(f"{path}/?"),
        read_json=read_json,
        read_stream=read_stream if streams else None,
    )


OPERATIONS: Final = (
    _operation("invoke_agent", "/agents/[^/]+/agentAliases/[^/]+/sessions/[^/]+/text"),
    _operation("invoke_agent", "/agents/[^/]+"),  # an agent that the request defines
    _operation("invoke_workflow", "/flows/[^/]+/aliases/[^/]+"),
    _operation("retrieve_and_generate", "/retrieveAndGenerate", streams=False),
    _operation("retrieve_and_generate", "/retrieveAndGenerateStream"),
    _operation("retrieval", "/knowledgebases/[^/]+/retrieve", streams=False),
)
