"""The doctor on this shell: where `HTTPS_PROXY` leads, and whether the Python, Node and curl on PATH trust our certificates."""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from addon.commands.node import node_version, uses_proxy
from analysis.health.finding import BAD, GOOD, NOTE, Finding

_UNDO: Final = 'eval "$(heliograph env --unset)"'
_AGAIN: Final = 'eval "$(heliograph env)"'
# A name that only a heliograph answers: DNS has none for it, so nothing leaves this machine where a program goes past the proxy.
_OUR_NAME: Final = "https://doctor.helicone.ai/healthz"
_TRY_S: Final = 10.0
_TRIES: Final = {
    "curl": ("-sS", "-o", "/dev/null", _OUR_NAME),
    "python3": ("-c", f"import urllib.request; urllib.request.urlopen({_OUR_NAME!r}, timeout={_TRY_S - 1})"),
    "node": ("-e", f"fetch({_OUR_NAME!r}).catch(e => {{ console.error(e.cause?.code ?? e); process.exit(1) }})"),
}
_DISTRUST: Final = re.compile(r"certificate|self.signed|SSL|CERT_|UNABLE_TO", re.IGNORECASE)


def node_findings(node: str | None) -> Iterator[Finding]:
    """Whether this Node's `fetch` can use a proxy."""
    if node and (found := node_version(node)):
        says = "" if uses_proxy(found) else " has no proxy support in fetch; update to 22.21 or 24.5, or use "
        says += "`heliograph run --base-url`" if says else ""
        yield Finding(NOTE if says else GOOD, "Node", f"{found[0]}.{found[1]}{says}")


def shell_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where this shell's programs go, and whether they get there."""
    url = environ.get("HTTPS_PROXY") or environ.get("https_proxy")
    if not url:
        yield Finding(NOTE, "this shell", f"HTTPS_PROXY is not set: use `heliograph run -- PROGRAM`, or {_AGAIN}")
        return
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_url = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        yield Finding(BAD, "this shell", f"HTTPS_PROXY is not a URL; {_AGAIN} sets it, or unset it")
        return
    where = f"{parts.hostname}:{parts.port or 80}"
    match _answer(parts):
        case None:
            says = f"HTTPS_PROXY is {where}, where nothing answers: every program of this shell fails to connect"
            yield Finding(BAD, "this shell", f"{says}. Start `heliograph up --listen {where}`, or {_UNDO}")
        case {"calls": _}:
            yield Finding(GOOD, "this shell", f"HTTPS_PROXY is the heliograph on {where}")
            yield from _trust(environ)
        case _:
            says = (
                f"HTTPS_PROXY is {where}, which is another proxy; `heliograph up` and `run` send their calls through it"
            )
            yield Finding(NOTE, "this shell", says)


def _answer(proxy: SplitResult) -> object:
    """What the proxy says to `/healthz`: JSON, text of something else, or None where nothing answers."""
    try:
        connection = http.client.HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=2)
        connection.request("GET", "/healthz")
        answer = connection.getresponse().read()
    except OSError:
        return None
    except http.client.HTTPException:
        return ""
    try:
        return json.loads(answer)
    except ValueError:
        return ""


def _trust(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each of these programs asks for our state through the proxy and TLS, as it would call a provider."""
    for name, arguments in _TRIES.items():
        program = shutil.which(name, path=environ.get("PATH"))
        if program is None:
            continue
        if name == "node" and not ((found := node_version(program)) and uses_proxy(found)):
            continue  # told above
        try:
            tried = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_TRY_S, env=environ)
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding(BAD, name, f"{program} could not be tried: {type(error).__name__}")
            continue
        yield _tried(name, program, tried)


def _tried(name: str, program: str, tried: subprocess.CompletedProcess[str]) -> Finding:
    if tried.returncode == 0:
        return Finding(GOOD, name, f"{program} reaches the proxy and trusts its certificates")
    said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
    if _DISTRUST.search(said):
        return Finding(BAD, name, f"{program} does not trust the proxy's certificates ({said}); {_AGAIN} sets them")
    return Finding(BAD, name, f"{program} does not reach the proxy: {said}; {_AGAIN} sets what it needs")
