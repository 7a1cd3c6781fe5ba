"""The variables by which SDKs take a base URL, for programs that ignore `HTTPS_PROXY`, and for servers on this machine.

A value that the user has set keeps its meaning: its server is called by way of the proxy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from addon.config.upstreams import Origin, origin_of, parse_origin
from addon.providers import registry
from addon.routing.addresses import is_loopback


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """One variable: whose it is, and what follows the provider's origin in it. `only_if_set`: without a value of the user's
    there is nothing to call."""

    variable: str
    provider: str
    path: str
    source: str
    only_if_set: bool = False


BASE_URLS: Final = (
    BaseUrl("OPENAI_BASE_URL", "openai", "/v1", "https://github.com/openai/openai-python#module-level-client"),
    BaseUrl("OPENAI_API_BASE", "openai", "/v1", "https://docs.litellm.ai/docs/providers/openai"),
    BaseUrl("ANTHROPIC_BASE_URL", "anthropic", "", "https://docs.claude.com/en/docs/claude-code/llm-gateway"),
    BaseUrl("GOOGLE_GEMINI_BASE_URL", "gemini", "", "https://github.com/googleapis/python-genai#custom-base-url"),
    BaseUrl("GOOGLE_VERTEX_BASE_URL", "vertex", "", "https://github.com/googleapis/python-genai#custom-base-url"),
    BaseUrl("GROQ_BASE_URL", "groq", "", "https://github.com/groq/groq-python/blob/main/src/groq/_client.py"),
    BaseUrl("CO_API_URL", "cohere", "", "https://github.com/cohere-ai/cohere-python/blob/main/src/cohere/client.py"),
    BaseUrl("TOGETHER_BASE_URL", "together", "/v1", "https://github.com/togethercomputer/together-py"),
    BaseUrl("CEREBRAS_BASE_URL", "cerebras", "", "https://github.com/Cerebras/cerebras-cloud-sdk-python"),
    BaseUrl("OLLAMA_HOST", "ollama", "", "https://github.com/ollama/ollama-python#custom-client"),
    BaseUrl(
        "AZURE_OPENAI_ENDPOINT", "azure", "", "https://github.com/openai/openai-python#microsoft-azure-openai", True
    ),
)  # Not Bedrock's: AWS signs the host, and refuses a call whose host was replaced.


_HOST_ALONE: Final = "OLLAMA_HOST"  # takes a host without a scheme


@dataclass(frozen=True, slots=True)
class Redirected:
    """What a program gets, and where the proxy finds the servers behind it."""

    variables: dict[str, str]
    upstreams: dict[str, Origin]


def redirect(proxy: str, environ: Mapping[str, str], upstreams: Mapping[str, Origin]) -> Redirected:
    """Every variable of the table, leading to `proxy` (its URL, without a path). `upstreams`: those of the settings."""
    variables: dict[str, str] = {}
    known = dict(upstreams)
    for each in BASE_URLS:
        theirs = _server(environ.get(each.variable, ""), each)
        if theirs is None:
            if not environ.get(each.variable) and not each.only_if_set:
                variables[each.variable] = f"{proxy}/{each.provider}{each.path}"
            continue
        origin, path = theirs
        name = _name(origin, each, known)
        provider = registry.BY_NAME.get(name)
        if name not in known and (provider is None or origin_of(provider.origin) != origin):
            known[name] = origin
        variables[each.variable] = f"{proxy}/{name}{path}"
    return Redirected(variables, {name: origin for name, origin in known.items() if name not in upstreams})


def local_servers(environ: Mapping[str, str]) -> dict[tuple[str, int], str]:
    """Servers on this machine that programs call past the proxy: address -> the provider's name. Usual ports, and those that
    the variables name."""
    found = {}
    for provider in registry.PROVIDERS:
        origin = origin_of(provider.origin)
        if is_loopback(origin.host):
            found["127.0.0.1", origin.port] = provider.name
    for each in BASE_URLS:
        if (theirs := _server(environ.get(each.variable, ""), each)) and is_loopback(theirs[0].host):
            found["127.0.0.1", theirs[0].port] = _name(theirs[0], each, {})
    return found


def _server(text: str, variable: BaseUrl) -> tuple[Origin, str] | None:
    """(origin, path) of a value; None where it is empty or not a URL. `OLLAMA_HOST` may be a host alone."""
    has_scheme = "://" in text
    if not has_scheme and not (text and variable.variable == _HOST_ALONE):
        return None
    usual = origin_of(registry.BY_NAME[variable.provider].origin)
    try:
        parts = urlsplit(text if has_scheme else f"{usual.scheme}://{text}")
        origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
        port = origin.port if has_scheme or parts.port else usual.port
    except ValueError:
        return None
    host = "127.0.0.1" if origin.host in ("0.0.0.0", "localhost") else origin.host
    return Origin(origin.scheme, host, port), parts.path.rstrip("/")


def _name(origin: Origin, variable: BaseUrl, upstreams: Mapping[str, Origin]) -> str:
    """Whose server it is: a provider's by its host or its usual port on this machine, else one named after its host."""
    if named := next((name for name, other in upstreams.items() if other == origin), None):
        return named
    if provider := registry.by_host(origin.host):
        return provider.name
    usual = registry.BY_NAME[variable.provider]
    if variable.only_if_set or (is_loopback(origin.host) and is_loopback(origin_of(usual.origin).host)):
        return usual.name  # Azure's is at a host of the customer's, Ollama's at any port
    if not is_loopback(origin.host):
        return re.sub(r"[^a-z0-9]+", "-", origin.host).strip("-")[:60] + "-api"
    for provider in registry.PROVIDERS:
        if origin_of(provider.origin) == origin:
            return provider.name
    return f"local-{origin.port}"
