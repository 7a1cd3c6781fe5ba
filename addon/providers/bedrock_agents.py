"""Agents, flows and knowledge bases of Bedrock. Only an agent that is asked for its trace states tokens; no answer states
a cost.

Paths and members: botocore/data/bedrock-agent-runtime/2023-07-26/service-2.json.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Agents_for_Amazon_Bedrock_Runtime.html
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers.bedrock_converse import is_failure
from addon.providers.fields import at, count, dumped, items, json_of, string
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Event, Json, Operation, Reading, Usage

# The session of an agent or of a knowledge base, and the execution of a flow.
SESSION_HEADERS: Final = (
    *("x-amz-bedrock-agent-session-id", "x-amzn-bedrock-knowledge-base-session-id", "x-amz-bedrock-flow-execution-id"),
)


def read_json(body: Json) -> Reading:
    name = string(at(body, "sessionId")) or string(at(body, "executionArn"))
    return Reading(
        response_id=name, text=said_in(body) or None, finish_reasons=_intervened(at(body, "guardrailAction"))
    )


def read_stream(events: Iterable[Event]) -> Reading:
    told = list(events)
    failure = next((event.event for event in told if is_failure(event.event)), None)
    traced = _traced([json_of(event) for event in told if event.event == "trace"])
    return replace(traced, finish_reasons=_reasons(told), text=said_in_stream(told) or None, error_type=failure)


def _reasons(told: Iterable[Event]) -> tuple[str, ...]:
    for event in told:
        if event.event == "flowCompletionEvent" and (reason := string(at(json_of(event), "completionReason"))):
            return (reason,)
        if event.event == "guardrail" and (reasons := _intervened(at(json_of(event), "action"))):
            return reasons
    return ()


def _intervened(action: Json) -> tuple[str, ...]:
    return ("INTERVENED",) if action == "INTERVENED" else ()


def _traced(traces: Sequence[Json]) -> Reading:
    """The tokens of every call of a model on the way (also of collaborators), with what else costs money and is stated.

    A step is a `modelInvocationInput`, which names the model, then a `modelInvocationOutput` with `metadata.usage`.
    """
    steps = [step for trace in traces for step in _values(at(trace, "trace"))]
    models = sorted({name for step in steps if (name := string(at(step, "modelInvocationInput", "foundationModel")))})
    used = [raw for step in steps if (raw := at(step, "modelInvocationOutput", "metadata", "usage"))]
    fees = {
        "storage_searches": sum(at(step, "observation", "knowledgeBaseLookupOutput") is not None for step in steps),
        "code_executions": sum(
            at(step, "observation", "codeInterpreterInvocationOutput") is not None for step in steps
        ),
    }
    units: dict[str, Decimal | None] = {unit: Decimal(number) for unit, number in fees.items() if number}
    if any(at(trace, "trace", "guardrailTrace") for trace in traces):
        units["guardrail_text_units"] = None
    return Reading(
        response_model=models[0] if len(models) == 1 else None,
        usage=Usage(input_tokens=_sum(used, "inputTokens"), output_tokens=_sum(used, "outputTokens")) if used else None,
        usage_raw=(used[0] if len(used) == 1 else used) or None,
        units=units,
        # How the tokens are shared among several models is not a row's to say.
        price_factors={"models": ", ".join(models)} if len(models) > 1 else {},
    )


def _sum(parts: Sequence[Json], name: str) -> int | None:
    numbers = [count(at(part, name)) for part in parts]
    return None if None in numbers else sum(number or 0 for number in numbers)


def _values(value: Json) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else []


def said_in(body: Json) -> str:
    """RetrieveAndGenerate: `{sessionId, output: {text}, citations}`; Retrieve: `{retrievalResults: [{content: {text}}]}`;
    GenerateQuery: `{queries: [{sql}]}`."""
    found = [_content(at(result, "content")) for result in items(at(body, "retrievalResults"))]
    found += [string(at(query, "sql")) or "" for query in items(at(body, "queries"))]
    return string(at(body, "output", "text")) or "\n".join(filter(None, found))


def said_in_stream(events: Iterable[Event]) -> str:
    """InvokeAgent: frames `chunk` with `{bytes}` in base64; RetrieveAndGenerateStream: `output` with `{text}`; InvokeFlow:
    `flowOutputEvent` with `{content: {document}}`, any JSON; OptimizePrompt: `optimizedPromptEvent`; AgenticRetrieve:
    `responseEvent` with `{text}`."""
    return "".join(_said(event.event, json_of(event)) for event in events)


def _said(kind: str | None, data: Json) -> str:
    match kind:
        case "chunk":
            return _decoded(at(data, "bytes"))
        case "output" | "responseEvent":
            return string(at(data, "text")) or ""
        case "flowOutputEvent" | "flowMultiTurnInputRequestEvent":
            return _document(at(data, "content", "document"))
        case "optimizedPromptEvent":
            return string(at(data, "optimizedPrompt", "textPrompt", "text")) or ""
    return ""


def _content(content: Json) -> str:
    """A passage, or a row of a table."""
    row = [string(at(cell, "columnValue")) or "" for cell in items(at(content, "row"))]
    return string(at(content, "text")) or ", ".join(row)


def _document(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else dumped(value)


def _decoded(value: Json) -> str:
    try:
        return base64.b64decode(string(value) or "").decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _operation(name: str, path: str, *, streams: bool = True) -> Operation:
    return Operation(
        name=name,
        path=f"{path}/?",
        terminal=BYTES_END if streams else None,
        read_json=read_json,
        read_stream=read_stream if streams else None,
    )


OPERATIONS: Final = (
    _operation("invoke_agent", "/agents/[^/]+/agentAliases/[^/]+/sessions/[^/]+/text"),
    _operation("invoke_agent", "/agents/[^/]+"),  # an agent that the request defines
    _operation("invoke_workflow", "/flows/[^/]+/aliases/[^/]+"),
    _operation("invoke_workflow", "/flows/[^/]+/aliases/[^/]+/executions", streams=False),  # done later
    _operation("retrieve_and_generate", "/retrieveAndGenerate", streams=False),
    _operation("retrieve_and_generate", "/retrieveAndGenerateStream"),
    _operation("retrieval", "/knowledgebases/[^/]+/retrieve", streams=False),
    _operation("retrieval", "/agenticRetrieveStream"),
    _operation("generate_query", "/generateQuery", streams=False),
    _operation("optimize_prompt", "/optimize-prompt"),
)
