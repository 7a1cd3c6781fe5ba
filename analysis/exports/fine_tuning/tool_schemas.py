"""The functions that a request offers the model, with description and parameters, whichever API it is for. Pure.

Conversations keep names alone (addon/conversations/model.py); a training example needs the schemas. Sources: the `tools` of
OpenAI's chat completions and responses, Anthropic's messages, Gemini's generateContent, Bedrock's Converse.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from addon.conversations.gemini import either
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Json

_NO_PARAMETERS: Final[Json] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Tool:
    """`parameters`: a JSON Schema."""

    name: str
    description: str | None
    parameters: Json

    def as_json(self, schema_name: str) -> dict[str, Json]:
        """`schema_name`: what the form calls the parameters."""
        about = {"description": self.description} if self.description is not None else {}
        return {"name": self.name, **about, schema_name: self.parameters}


def tools_of(request_body: str | None) -> tuple[tuple[Tool, ...], bool | None]:
    """The functions in order, and whether the request allows several calls at once (None: it does not say)."""
    body = parse(request_body) if request_body else None
    parallel = at(body, "parallel_tool_calls")
    return tuple(_tools(body)), parallel if isinstance(parallel, bool) else None


def _tools(body: Json) -> Iterator[Tool]:
    listed = [*items(at(body, "tools")), *items(at(body, "toolConfig", "tools"))]
    for tool in [*listed, *items(at(body, "functions"))]:
        for declared in items(either(tool, "functionDeclarations", "function_declarations")):
            yield from _tool(declared)
        for inner in (at(tool, "function"), at(tool, "toolSpec"), tool):
            if found := list(_tool(inner)):
                yield from found
                break


def _tool(told: Json) -> Iterator[Tool]:
    """Nothing where it is a tool that the provider runs: it has no schema, or a type of its own."""
    name, schema = string(at(told, "name")), _schema(told)
    kind = string(at(told, "type"))
    if (
        name
        and kind in (None, "function", "custom")
        and (schema is not None or kind == "function" or "description" in told)
    ):
        yield Tool(name, string(at(told, "description")), schema or _NO_PARAMETERS)


def _schema(told: Json) -> Json:
    found = either(told, "parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
    return found if isinstance(found, dict) else at(told, "inputSchema", "json")
