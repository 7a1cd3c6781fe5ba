"""The official SDKs, pointed at the proxy in each of the ways that people use."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from anthropic import Anthropic
from anthropic import DefaultHttpxClient as AnthropicHttpxClient
from openai import DefaultHttpxClient, OpenAI

from tests.proxy.conftest import Proxy

HELLO: Any = [{"role": "user", "content": "Where is my parcel?"}]
GPT, CLAUDE = "gpt-4o-mini", "claude-haiku-4-5"

# base_url of each provider by way in; None: the provider's own, reached through the proxy.
WAYS: dict[str, tuple[str | None, str | None]] = {
    "forward": (None, None),
    "path prefix": ("{proxy}/openai/v1", "{proxy}/anthropic"),
    "short prefix": ("{proxy}/oai/v1", "{proxy}/anthropic"),
    "self-host prefix": ("{proxy}/v1/gateway/oai/v1", "{proxy}/v1/gateway/anthropic"),
    "helicone host": ("https://oai.helicone.ai/v1", "https://anthropic.helicone.ai"),
    "hconeai host": ("https://oai.hconeai.com/v1", "https://anthropic.hconeai.com"),
}
THROUGH = ("forward", "helicone host", "hconeai host")


def openai_client(proxy: Proxy, way: str = "path prefix", headers: Mapping[str, str] | None = None) -> OpenAI:
    base_url = WAYS[way][0]
    return OpenAI(
        api_key="sk-test-openai",
        base_url=base_url.format(proxy=proxy.url) if base_url else "https://api.openai.com/v1",
        default_headers=headers,
        max_retries=0,
        http_client=DefaultHttpxClient(proxy=proxy.url, verify=ssl.create_default_context(cafile=proxy.ca))
        if way in THROUGH
        else None,
    )


def anthropic_client(proxy: Proxy, way: str = "path prefix", headers: Mapping[str, str] | None = None) -> Anthropic:
    base_url = WAYS[way][1]
    return Anthropic(
        api_key="sk-test-anthropic",
        base_url=base_url.format(proxy=proxy.url) if base_url else "https://api.anthropic.com",
        default_headers=headers,
        max_retries=0,
        http_client=AnthropicHttpxClient(proxy=proxy.url, verify=ssl.create_default_context(cafile=proxy.ca))
        if way in THROUGH
        else None,
    )


def plain(proxy: Proxy) -> httpx.Client:
    """For what no SDK sends. The proxy's own address is plain HTTP: no roots are loaded, which takes longer than a call."""
    return httpx.Client(base_url=proxy.url, timeout=30, trust_env=False, verify=False)


def leaving(proxy: Proxy, path: str, headers: Mapping[str, str]) -> http.client.HTTPConnection:
    """A call under way, whose caller disconnects when the test closes it: once the provider has it, and not after a time."""
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    connection.request("POST", path, json.dumps(CHAT), {"content-type": "application/json", **headers})
    return connection


CHAT: dict[str, Any] = {"model": GPT, "messages": HELLO}
