"""A kept call as a request that can be sent again through the proxy: where it goes, its headers, its body. Pure.

Used for the texts to copy and for the replay. The caller's credential is in no file: texts name a variable for it.
"""

import re
import shlex
from dataclasses import dataclass
from pprint import pformat
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from addon.config.controls import TARGET_URL, spelled
from addon.providers.registry import BY_NAME

# The header in which a provider takes its key, where it is not `Authorization: Bearer`.
_KEY_HEADERS: Final = {"anthropic": "x-api-key", "gemini": "x-goog-api-key", "azure": "api-key"}
_KEY_VARIABLES: Final = {"gemini": "GEMINI_API_KEY", "bedrock": "AWS_BEARER_TOKEN_BEDROCK", "huggingface": "HF_TOKEN"}
# Kept headers that change what the provider does.
_SENT_AGAIN: Final = ("anthropic-version", "anthropic-beta", "openai-beta", "x-amz-target")
_ENDINGS: Final = {
    "/chat/completions": ("chat.completions", ("model", "messages", "stream")),
    "/responses": ("responses", ("model", "input", "stream")),
    "/embeddings": ("embeddings", ("model", "input")),
}
_MESSAGES: Final = ("model", "max_tokens", "messages", "stream")
_DELIMITER: Final = "HELIOGRAPH"
_LARGEST_WHOLE: Final = 2**53


@dataclass(frozen=True, slots=True)
class Again:
    """`path`: at the proxy, with the provider's prefix; `headers`: without the key."""

    provider_name: str
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def key_header(self) -> str:
        return _KEY_HEADERS.get(self.provider_name, "authorization")

    @property
    def key_variable(self) -> str:
        name = re.sub(r"[^A-Z0-9]+", "_", self.provider_name.upper())
        return _KEY_VARIABLES.get(self.provider_name, f"{name}_API_KEY")

    def key_value(self, key: str) -> str:
        return f"Bearer {key}" if self.key_header == "authorization" else key


class NotAgain(ValueError):
    """The call cannot be sent again. The message says why."""


def again(row: dict[str, Any]) -> Again:
    """`row`: columns of `requests` and of `bodies`. Raises NotAgain."""
    body = row["request_body"]
    if row["mode"] == "async":
        raise NotAgain("this call was logged by a program, not sent through the proxy")
    if body is None and row["request_bytes"]:
        raise NotAgain("the request's body was not kept")
    if row["request_truncated"]:
        raise NotAgain("the request's body was kept in part only")
    body = body or ""
    headers = {name: value for name in _SENT_AGAIN if (value := (row["request_headers"] or {}).get(name))}
    if body.startswith("data:"):
        raise NotAgain("the request's body is not text")
    if row["provider_name"] == "anthropic":
        headers.setdefault("anthropic-version", "2023-06-01")
    if body:
        headers["content-type"] = (row["request_headers"] or {}).get("content-type", "application/json")
    path, more = _path(row["provider_name"], row["host"], row["path"])
    return Again(row["provider_name"], row["method"], path, headers | more, body)


def _path(provider_name: str, host: str, path: str) -> tuple[str, dict[str, str]]:
    """At the proxy; with the header that names the target where no prefix does."""
    provider = BY_NAME.get(provider_name)
    if provider is None and provider_name != host:
        return f"/{provider_name}{path}", {}
    if provider is not None:
        origin = urlsplit(provider.origin)
        if origin.hostname == host and path.startswith(origin.path):
            return f"/{provider_name}{path[len(origin.path) :]}", {}
    return f"/gateway{path}", {spelled(TARGET_URL): f"https://{host}"}


def as_curl(call: Again, proxy: str, file: str | None = None) -> str:
    """For a POSIX shell. The body comes on stdin: an argument may not be as long as a conversation. `file`: where a body
    is that is too long for a text to copy."""
    key = f'-H "{call.key_header}: {call.key_value("$" + call.key_variable)}"'
    lines = [f"curl -N -X {shlex.quote(call.method)} {shlex.quote(proxy + call.path)}", key]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    if not call.body:
        return " \\\n  ".join(lines)
    if file:
        return " \\\n  ".join([*lines, f"--data-binary @{shlex.quote(file)}"])
    end = _DELIMITER
    while end in call.body:
        end += "_"
    # `--data-binary @-` would add the line's end before the delimiter; no provider minds white space after JSON.
    return " \\\n  ".join([*lines, f"--data-binary @- <<'{end}'"]) + f"\n{call.body}\n{end}"


def as_python(call: Again, proxy: str) -> str:
    """With the official SDK where it has the operation, else with httpx."""
    body = _object(call.body)
    bare = call.path.partition("?")[0]
    if body is not None and spelled(TARGET_URL) not in call.headers:
        if call.provider_name == "anthropic" and bare.endswith("/v1/messages") and {"model", "messages"} <= body.keys():
            base = proxy + bare.removesuffix("/v1/messages")
            return _sdk("anthropic", "Anthropic", "messages", _MESSAGES, call, base, body)
        for ending, (method, named) in _ENDINGS.items():
            if bare == call.path and bare.endswith(ending) and "model" in body and call.key_header == "authorization":
                return _sdk("openai", "OpenAI", method, named, call, proxy + bare.removesuffix(ending), body)
    return _httpx(call, proxy)


def _sdk(
    module: str, client: str, method: str, named: tuple[str, ...], call: Again, base: str, body: dict[str, Any]
) -> str:
    """What the SDK's method may not know goes into `extra_body`, so that every body is sent as it was."""
    given = {name: value for name, value in body.items() if name in named}
    rest = {name: value for name, value in body.items() if name not in named}
    headers = {name: value for name, value in call.headers.items() if name not in ("content-type", "anthropic-version")}
    more = {name: value for name, value in (("extra_body", rest), ("extra_headers", headers)) if value}
    lines = [f"    {name}={_literal(value)}," for name, value in (given | more).items()]
    shown = "for event in answer:\n    print(event)" if body.get("stream") is True else "print(answer)"
    return "\n".join(
        [
            "import os",
            "",
            f"from {module} import {client}",
            "",
            f"client = {client}(base_url={base!r}, api_key=os.environ[{call.key_variable!r}])",
            f"answer = client.{method}.create(",
            *lines,
            ")",
            shown,
        ]
    )


def _literal(value: Any) -> str:
    """As a person would write it, in several lines."""
    return pformat(value, width=100, sort_dicts=False).replace("\n", "\n    ")


def _httpx(call: Again, proxy: str) -> str:
    key = 'f"Bearer {key}"' if call.key_header == "authorization" else "key"
    headers = "".join(f", {name!r}: {value!r}" for name, value in call.headers.items())
    return "\n".join(
        [
            "import os",
            "",
            "import httpx",
            "",
            f"key = os.environ[{call.key_variable!r}]",
            "answer = httpx.request(",
            f"    {call.method!r},",
            f"    {proxy + call.path!r},",
            f"    headers={{{call.key_header!r}: {key}{headers}}},",
            f"    content={call.body!r}.encode(),",
            "    timeout=600,",
            ")",
            "print(answer.text)",
        ]
    )


def as_javascript(call: Again, proxy: str) -> str:
    """A module for Node, Deno or Bun: `fetch` needs no package. A stream is printed as it comes."""
    key = f"`Bearer ${{process.env.{call.key_variable}}}`" if call.key_header == "authorization" else None
    headers = [f"    {_js(call.key_header)}: {key or f'process.env.{call.key_variable}'},"]
    headers += [f"    {_js(name)}: {_js(value)}," for name, value in call.headers.items()]
    body = [f"  body: {_js_body(call.body)},"] if call.body else []
    return "\n".join(
        [
            f"const answer = await fetch({_js(proxy + call.path)}, {{",
            f"  method: {_js(call.method)},",
            "  headers: {",
            *headers,
            "  },",
            *body,
            "});",
            "for await (const text of answer.body.pipeThrough(new TextDecoderStream())) process.stdout.write(text);",
        ]
    )


def _js(text: str) -> str:
    """A string of JSON is one of JavaScript."""
    return orjson.dumps(text).decode()


def _js_body(body: str) -> str:
    """As an object where JavaScript would send the same JSON, else as the text that it is."""
    found = _object(body)
    if found is None or not _is_same_in_javascript(found):
        return _js(body)
    shown = orjson.dumps(found, option=orjson.OPT_INDENT_2).decode().replace("\n", "\n  ")
    return f"JSON.stringify({shown})"


def _is_same_in_javascript(value: Any) -> bool:
    """Its whole numbers are exact up to 2**53, and `__proto__` is not a name like others."""
    if isinstance(value, dict):
        return "__proto__" not in value and all(map(_is_same_in_javascript, value.values()))
    if isinstance(value, list):
        return all(map(_is_same_in_javascript, value))
    return not isinstance(value, int) or abs(value) <= _LARGEST_WHOLE


def _object(body: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) and all(name.isidentifier() for name in found) else None
