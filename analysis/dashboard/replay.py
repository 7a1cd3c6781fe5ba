"""Sends a kept call again, through the proxy of this data folder: it is measured, limited and stored like any other.

The caller's key is in no file, so a person enters one for this request; it goes to the proxy on this machine and is kept
nowhere.
"""

import http.client
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from addon.config.controls import AUTH, ID, PROPERTY_PREFIX, spelled
from addon.conversations.read import Said, conversation
from addon.settling.bodies import body_text
from addon.storage.folders import Folders
from addon.storage.presence import running_proxies
from analysis.conversations.blocks import Turn, message_turns
from analysis.dashboard.again import Again

REPLAY_OF: Final = "replay-of"  # the property of the new call
_TIMEOUT_S: Final = 300.0
_MOST_BYTES: Final = 64 * 2**20
_PIECE_BYTES: Final = 64 * 2**10
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1", "[::]": "[::1]"}
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")


class NotSent(Exception):
    """The message is for a person."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """`body`: of the answer, as the view `bodies` would have it."""

    status: int
    request_id: str | None
    size: int
    body: str | None


def answer_of(row: Mapping[str, Any], sent: Replayed) -> list[Turn]:
    """The messages of the new answer; empty: it has none, as an error. `row`: of the call that was sent again."""
    said = {name: row[name] for name in ("provider_name", "operation_name", "method", "host", "path")}
    found = conversation(Said(**said, status=sent.status, request_body=row["request_body"], response_body=sent.body))
    return message_turns(found.output_messages) if found else []


def proxy_url(data: Path) -> str | None:
    """Of the proxy that runs on this data folder; None: none does."""
    for running in running_proxies(Folders(data)):
        host, _, port = running.listen.partition(",")[0].strip().rpartition(":")
        if port.isdigit():
            return f"http://{_ANYWHERE.get(host, host)}:{port}"
    return None


def replay(call: Again, proxy: str, key: str, own_key: str, request_id: str) -> Iterator[bytes | Replayed]:
    """The pieces of the answer's body as they come, and at the end all of it. Waits for them: not for an event loop.
    `own_key`: of heliograph, where it asks for one. Raises NotSent, at the first piece or later."""
    for name, given in (("The provider's key", key), ("The key of heliograph", own_key)):
        if given and not _KEY.fullmatch(given):
            raise NotSent(f"{name} has a character that no key has.")
    headers = {
        **call.headers,
        call.key_header: call.key_value(key),
        f"{PROPERTY_PREFIX}{REPLAY_OF}": request_id,
        **({spelled(AUTH): f"Bearer {own_key}"} if own_key else {}),
    }
    address = urlsplit(proxy)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_S)
    try:
        connection.request(call.method, call.path, call.body.encode("utf-8", "surrogatepass"), headers)
        answer = connection.getresponse()
        body = bytearray()
        while (piece := answer.read1(_PIECE_BYTES)) and len(body) < _MOST_BYTES:
            body += piece
            yield piece
        kept = body_text(bytes(body), answer.headers.get("content-type"))
        yield Replayed(answer.status, answer.headers.get(spelled(ID)), len(body), kept)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(f"The proxy at {proxy} gave no answer: {type(error).__name__}.") from error
    finally:
        connection.close()
