"""A recording as a file: JSON Lines that can be read, compared and checked in.

    {"heliograph_recording": 1}
    {"call": 1, "id": "0199...", "started_at": "...", "provider": "openai", "method": "POST", "target": "/v1/chat/completions"}
    {"call": 1, "request": {"model": "gpt-4o-mini", "messages": [...]}}       or "request_text", "request_b64"
    {"call": 1, "status": 200, "at_ms": 412, "headers": {"content-type": "text/event-stream"}}
    {"call": 1, "at_ms": 415, "text": "data: {..."}                           or "b64"; one line for each piece
    {"call": 1, "ended_at_ms": 902}                                           or with "cut": why it is not whole

Calls stand in the order in which they began; times are milliseconds since the request was in.
"""

import base64
import binascii
import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from addon.recordings.model import Piece, Question, RecordedCall

VERSION: Final = 1
_FIRST: Final = "heliograph_recording"


class RecordingError(Exception):
    """A file that cannot be used as a recording. The message is written for the person who named it."""


def write(path: Path, calls: Iterable[RecordedCall]) -> None:
    """Replaces the file as a whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(_line({_FIRST: VERSION}))
            for number, call in enumerate(calls, 1):
                file.writelines(_line({"call": number, **content}) for content in _contents(call))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def read(path: Path) -> list[RecordedCall]:
    """Raises RecordingError where there is no such file, where it is damaged, or where another version wrote it."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such recording; make it with heliograph record {path} -- COMMAND") from None
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not a recording: {error}") from error
    _check_version(path, lines[0])
    if lines[-1]:
        raise RecordingError(f"{path}: line {len(lines)} has no end: the file was cut; record it again")
    calls: list[RecordedCall] = []
    building: _Building | None = None
    for number, line in enumerate(lines[1:-1], 2):
        if not line.strip():
            continue
        building = building or _Building(len(calls) + 1)
        try:
            call = building.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordingError(f"{path}: line {number} is damaged: {_words(error)}") from error
        if call:
            calls.append(call)
            building = None
    if building:
        raise RecordingError(f"{path}: call {len(calls) + 1} has no last line: the file was cut; record it again")
    return calls


def is_recording(path: Path) -> bool:
    """Whether the file begins as one, of whatever version."""
    with path.open("rb") as file:
        return file.readline(200).startswith(b'{"%s"' % _FIRST.encode())


def _check_version(path: Path, line: str) -> None:
    first: Any = None
    with contextlib.suppress(ValueError):
        first = json.loads(line)
    if not isinstance(first, dict) or _FIRST not in first:
        raise RecordingError(f'{path}: not a recording: it does not begin with {{"{_FIRST}": {VERSION}}}')
    if first[_FIRST] != VERSION:
        raise RecordingError(
            f"{path}: version {first[_FIRST]} of recordings, and this heliograph reads version {VERSION}; record it again"
        )


def _words(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else str(error)


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def _contents(call: RecordedCall) -> Iterator[dict[str, Any]]:
    asked = call.question
    yield {
        "id": call.id,
        "started_at": call.started_at,
        "provider": asked.provider,
        "method": asked.method,
        "target": asked.target,
        **({"content_type": asked.content_type} if asked.content_type else {}),
    }
    yield _request(asked.body)
    yield {"status": call.status, "at_ms": call.head_at_ms, "headers": dict(sorted(call.headers.items()))}
    for piece in call.pieces:
        yield {"at_ms": piece.at_ms, **_text("text", "b64", piece.data)}
    yield {"ended_at_ms": call.ended_at_ms, **({"cut": call.cut} if call.cut is not None else {})}


def _request(body: bytes) -> dict[str, Any]:
    """As JSON with sorted names where that says the same, else as text."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(body, object_pairs_hook=_members, parse_constant=_refuse)
        if isinstance(value, dict):
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate has no UTF-8
            return {"request": _sorted(value)}
    return _text("request_text", "request_b64", body)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice in one object")
    return members


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text(as_text: str, as_base64: str, data: bytes) -> dict[str, str]:
    try:
        return {as_text: data.decode()}
    except UnicodeDecodeError:
        return {as_base64: base64.b64encode(data).decode()}


def _bytes(content: dict[str, Any], as_text: str, as_base64: str) -> bytes:
    if as_text in content:
        return str(content[as_text]).encode()
    return binascii.a2b_base64(content[as_base64], strict_mode=True)


class _Building:
    """The lines of one call, so far."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._fields: dict[str, Any] = {}
        self._pieces: list[Piece] = []

    def take(self, content: dict[str, Any]) -> RecordedCall | None:
        """The call, with its last line. Raises ValueError, KeyError, TypeError or AttributeError for what is not a line of it."""
        if content["call"] != self._number:
            raise ValueError(f"it belongs to call {content['call']}, and call {self._number} is not complete")
        match content:
            case {"id": str(), "provider": str(), "method": str(), "target": str()}:
                self._fields |= {"asked": content}
            case {"request": dict(body)}:
                self._fields["body"] = json.dumps(body, ensure_ascii=False).encode()
            case {"request_text": str()} | {"request_b64": str()}:
                self._fields["body"] = _bytes(content, "request_text", "request_b64")
            case {"status": int(), "at_ms": int(), "headers": dict()}:
                self._fields["answer"] = content
            case {"at_ms": int(at_ms), "text": str()} | {"at_ms": int(at_ms), "b64": str()}:
                self._pieces.append(Piece(at_ms, _bytes(content, "text", "b64")))
            case {"ended_at_ms": int()}:
                return self._whole(content)
            case _:
                raise ValueError("not a line of a call")
        return None

    def _whole(self, last: dict[str, Any]) -> RecordedCall:
        asked, answer = self._fields["asked"], self._fields["answer"]
        question = Question(
            provider=asked["provider"],
            method=asked["method"],
            target=asked["target"],
            body=self._fields["body"],
            content_type=str(asked.get("content_type", "")),
        )
        return RecordedCall(
            id=asked["id"],
            started_at=str(asked["started_at"]),
            question=question,
            status=answer["status"],
            headers={str(name): str(value) for name, value in answer["headers"].items()},
            head_at_ms=answer["at_ms"],
            pieces=tuple(self._pieces),
            ended_at_ms=last["ended_at_ms"],
            cut=last.get("cut"),
        )
