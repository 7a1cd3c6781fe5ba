"""The variables that send a program's calls through the proxy: measured on 85 clients, 76 of which need nothing else.

Left out on purpose: ALL_PROXY (no client needs it), NODE_OPTIONS (kills Node 20), NODE_TLS_REJECT_UNAUTHORIZED
(insecure), and base-URL variables (they change what agents send).
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from addon.config.proxy_url import NO_KEY

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
# What the shell had before `heliograph env`, so that `--unset` can give it back.
SAVED: Final = "HELIOGRAPH_ENV_BEFORE"


def variables(proxy_url: str, bundle: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Everything a child needs, merged with the user's own `environ`."""
    no_proxy = _merged_no_proxy(environ)
    ca = str(bundle)
    return {
        "HELIOGRAPH_URL": without_user(proxy_url),  # our one-file clients; a base URL is this and a provider's name
        "HTTPS_PROXY": proxy_url,
        "https_proxy": proxy_url,  # wget reads lower case only
        "HTTP_PROXY": proxy_url,  # providers on the local network by plain http (vLLM, Ollama on another host)
        "http_proxy": proxy_url,  # curl reads lower case only
        "NO_PROXY": no_proxy,  # local MCP servers, development servers and databases stay untouched
        "no_proxy": no_proxy,
        "NODE_USE_ENV_PROXY": "1",  # fetch and every JS SDK, from Node 22.21 / 24.5
        "NODE_EXTRA_CA_CERTS": ca,  # Node, Gemini CLI, Deno, Bun: added to their roots
        "SSL_CERT_FILE": ca,  # Python SDKs, Codex, Go, Bun, curl: replaces their roots
        "REQUESTS_CA_BUNDLE": ca,  # requests, boto3: replaces
        "CURL_CA_BUNDLE": ca,  # these three: so that a value the user has does not win over SSL_CERT_FILE
        "AWS_CA_BUNDLE": ca,
        "CODEX_CA_CERTIFICATE": ca,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": ca,  # gRPC in Python, Node and C++ (xai-sdk, Google's): replaces its own roots
    }


def proxy_url(host: str, port: int, project: str | None, key: str | None = None) -> str:
    """`project` becomes the user part: clients send it with every connection, and it is the property `project` of each row.
    `key` becomes the password."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{project or ''}:{key or NO_KEY}@{shown}:{port}" if project or key else f"http://{shown}:{port}"


def without_user(proxy_url: str) -> str:
    """The URL without user and password: programs take it as a base URL."""
    scheme, _, rest = proxy_url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def project_name(folder: Path) -> str | None:
    """The name of the git checkout that `folder` is in, as far as it can stand in a URL."""
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    return re.sub(r"[^A-Za-z0-9._~-]", "", root.name) or None if root else None


def export_lines(values: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """POSIX shell, for `eval "$(heliograph env)"`."""
    before = environ.get(SAVED) or json.dumps({name: environ[name] for name in values if name in environ})
    return [f"export {name}={_quoted(value)}" for name, value in {**values, SAVED: before}.items()]


def unset_lines(names: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The way back: what was set before is set again, the rest is gone."""
    try:
        before: dict[str, str] = json.loads(environ.get(SAVED, "{}"))
    except json.JSONDecodeError:
        before = {}
    lines = [f"export {name}={_quoted(before[name])}" if name in before else f"unset {name}" for name in names]
    return [*lines, f"unset {SAVED}"]


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _merged_no_proxy(environ: Mapping[str, str]) -> str:
    theirs = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    names = [name for part in theirs.split(",") for name in part.split()]
    return ",".join(dict.fromkeys([*_LOOPBACK, *names]))
