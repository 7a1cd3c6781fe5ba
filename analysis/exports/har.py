"""A session as an HTTP archive, for the network panel of a browser and for HTTP tools. The first half is pure.

HAR 1.2: http://www.softwareishard.com/blog/har-12-spec/. Members that begin with `_` are of our own; so are Chrome's. Kept headers
are those of a list without secrets, paths have no secrets, and cookies are not kept at all.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import parse_qsl, urlsplit

from addon.conversations.model import dumped
from addon.metering.reading import begins_stream
from addon.providers.fields import at, count, parse
from analysis.exports.slices import of_size
from analysis.lake import Connection, Lake
from analysis.table import fetch

Row = Mapping[str, Any]  # the columns of har.sql

# Calls whose bodies are in memory at once.
_MOST_CALLS: Final = 100
_MOST_BYTES: Final = 32 * 2**20
_KEYS: Final = """select request_id, epoch_us(started_at) as started_at_us, session_name,
    coalesce(request_bytes, 0) + coalesce(response_bytes, 0) as bytes
    from requests where session_id = $session order by started_at, request_id"""
_SQL: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_NOT_KNOWN: Final = -1  # of sizes and times, in HAR's words
_VERSION: Final = "unknown"  # of HTTP: it is not kept


def entry(row: Row, page: str) -> dict[str, Any]:
    """One call."""
    timings = _timings(row)
    return {
        "pageref": page,
        "startedDateTime": _time(row["started_at_us"]),
        "time": timings["wait"] + timings["receive"],
        "request": _request(row),
        "response": _response(row),
        "cache": {},
        "timings": {
            "blocked": _NOT_KNOWN,
            "dns": _NOT_KNOWN,
            "connect": _NOT_KNOWN,
            "ssl": _NOT_KNOWN,
            "send": 0,
            **timings,
        },
        "_cost": row["cost_usd"],
        "_pieces": parse(row["response_piece_times"] or ""),
        "_heliograph": {
            name: row[name]
            for name in (
                *("request_id", "provider_name", "operation_name", "request_model", "response_model", "session_path"),
                *(
                    "input_tokens",
                    "output_tokens",
                    "cache_read_input_tokens",
                    "cost_source",
                    "cache_status",
                    "attempts",
                ),
                *("error_type", "user_id", "properties", "request_truncated", "response_truncated"),
            )
        },
    }


def page(session_id: str, name: str | None, started_at_us: int) -> dict[str, Any]:
    """The session: browsers group entries by pages."""
    return {
        "startedDateTime": _time(started_at_us),
        "id": session_id,
        "title": name or session_id,
        "pageTimings": {"onContentLoad": _NOT_KNOWN, "onLoad": _NOT_KNOWN},
    }


def _request(row: Row) -> dict[str, Any]:
    url = f"https://{row['host']}{row['path']}"
    body, headers = row["request_body"], row["request_headers"] or {}
    sent: dict[str, Any] = {
        "method": row["method"],
        "url": url,
        "httpVersion": _VERSION,
        "cookies": [],
        "headers": _named(headers),
        "queryString": _named(dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))),
        "headersSize": _NOT_KNOWN,
        "bodySize": _size(row["request_bytes"]),
    }
    if body is not None:
        mime_type, text, is_base64 = _content(body, headers)
        encoding = {"_encoding": "base64"} if is_base64 else {}  # HAR has none for requests
        sent["postData"] = {"mimeType": mime_type, "text": text, **encoding}
    return sent


def _response(row: Row) -> dict[str, Any]:
    body, headers, status = row["response_body"], row["response_headers"] or {}, row["status"] or 0
    mime_type, text, is_base64 = _content(body or "", headers)
    content: dict[str, Any] = {"size": len(text.encode("utf-8", "replace")), "mimeType": mime_type}
    if body is not None:
        content |= {"text": text, **({"encoding": "base64"} if is_base64 else {})}
    return {
        "status": max(status, 0),  # 0: no answer came
        "statusText": _phrase(status),
        "httpVersion": _VERSION,
        "cookies": [],
        "headers": _named(headers),
        "content": content,
        "redirectURL": "",
        "headersSize": _NOT_KNOWN,
        "bodySize": _size(row["response_bytes"]),
        "_error": row["error_type"],
    }


def _timings(row: Row) -> dict[str, int]:
    """Milliseconds until the answer's first byte, and from there to its end. Where the first is not known, all is waiting."""
    whole = row["duration_ms"] or 0
    first = count(at(parse(row["response_piece_times"] or ""), 0, 0))
    known = (given for given in (first, row["time_to_first_token_ms"]) if given is not None)
    wait = min(next(known, whole), whole)
    return {"wait": wait, "receive": whole - wait}


def _content(body: str, headers: Mapping[str, str]) -> tuple[str, str, bool]:
    """Type, text, and whether that is base64. The type is the header's, else what the body looks like."""
    head, comma, rest = body.partition(",") if body.startswith("data:") else ("", "", "")
    if comma and head.endswith(";base64"):
        return head.removeprefix("data:").removesuffix(";base64"), rest, True
    mime_type = headers.get("content-type")
    if mime_type is None and body:
        start = body[:1000].encode("utf-8", "replace")
        mime_type = (
            "text/event-stream" if begins_stream(start) else "application/json" if body[0] in "{[" else "text/plain"
        )
    return mime_type or "x-unknown", body, False


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _named(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _size(count: int | None) -> int:
    return _NOT_KNOWN if count is None else count


def _time(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_calls(lake: Lake, session_id: str) -> list[dict[str, Any]]:
    """Id, start, name of the session and size of each call, oldest first."""
    return lake.ask(lambda connection: list(fetch(connection, _KEYS, {"session": session_id}).records()))


def write_har(
    lake: Lake, session_id: str, calls: Sequence[Row], file: IO[bytes], advance: Callable[[int], None]
) -> None:
    """`calls`: those of `session_calls`, at least one. Entries are written as they are read."""
    name = next((call["session_name"] for call in reversed(calls) if call["session_name"]), None)
    head = {
        "version": "1.2",
        "creator": {"name": "heliograph", "version": version("heliograph")},
        "pages": [page(session_id, name, calls[0]["started_at_us"])],
    }
    file.write(b'{"log":' + dumped(head).removesuffix(b"}") + b',"entries":[')
    separator = b"\n"
    for group in of_size(calls, _MOST_CALLS, _MOST_BYTES):
        for row in lake.ask(partial(_rows, calls=group)):
            file.write(separator + dumped(entry(row, session_id)))
            separator = b",\n"
        advance(len(group))
    file.write(b"\n]}}\n")


def _rows(connection: Connection, calls: Sequence[Row]) -> list[dict[str, Any]]:
    times = [datetime.fromtimestamp(call["started_at_us"] / 1e6, UTC) for call in calls]
    bounds = {"since": min(times), "until": max(times), "ids": [call["request_id"] for call in calls]}
    wanted = {(call["request_id"], call["started_at_us"]) for call in calls}
    found = fetch(connection, _SQL, bounds).records()
    return [row for row in found if (row["request_id"], row["started_at_us"]) in wanted]
