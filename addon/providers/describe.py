"""What docs/providers.md says, made from the registry. Pure: `scripts/reference` writes the page."""

from collections.abc import Iterable
from typing import Final

from addon.providers import registry
from addon.providers.framing.table import JSON
from addon.providers.model import Operation, Provider

ABOUT: Final = """\
A call is read and priced when its host belongs to a provider and its method and path are one of the operations; every other
path of these hosts is passed through unread. Paths are regular expressions.

A name of your own (`--upstream NAME=URL`) is read by the shape of its paths: any OpenAI-, Anthropic- or Gemini-shaped API, and
those of Bedrock, Vertex, Ollama, Cohere, Databricks, Snowflake and watsonx that a gateway passes on, and the own APIs of llama.cpp,
LM Studio, SGLang, LMDeploy, TGI, LoRAX, KoboldCpp and Triton. It has the prices of its host's provider, or of the company that alone makes models of that name (`gpt-...`, `claude-...`, `gemini-...`);
else no price unless `[[prices]]` gives one. "genai-prices" names the price list; where it lacks a
price, `addon/metering/prices.toml` may have it, with source and date. A call that cannot be priced has the cost NULL, and
`cost_missing` says why."""


def sections() -> list[str]:
    """One for each provider, in Markdown."""
    return [_section(provider) for provider in registry.PROVIDERS]


def _section(provider: Provider) -> str:
    hosts = _code(provider.hosts) or f"none; by default at `{provider.origin}`"
    prices = f"genai-prices `{provider.prices}`" if provider.prices else "only your own `[[prices]]` and prices.toml"
    lines = [f"## {provider.name}", "", f"- Hosts: {hosts}", f"- Path prefixes: {_code(_prefixes(provider))}"]
    if provider.labels:
        lines.append(f"- Host labels: {_code(provider.labels)}")
    lines += [f"- Prices: {prices}", f"- Source: <{provider.source}>", ""]
    if not provider.operations:
        return "\n".join([*lines, "Routed, not read."])
    lines += ["| operation | path | streams |", "| --- | --- | --- |"]
    lines += [_operation(operation) for operation in provider.operations]
    return "\n".join(lines)


def _operation(operation: Operation) -> str:
    path = operation.path.removesuffix("/?").replace("|", "\\|")
    free = " (free)" if operation.is_free else ""
    return f"| {operation.name}{free} | {operation.method} `{path}` | {_streams(operation)} |"


def _streams(operation: Operation) -> str:
    if operation.read_stream is None:
        return "no"
    return "yes" if operation.json_framing is JSON else f"yes; {operation.json_framing.name}"


def _prefixes(provider: Provider) -> list[str]:
    return [f"/{name}" for name in (provider.name, *provider.aliases)]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
