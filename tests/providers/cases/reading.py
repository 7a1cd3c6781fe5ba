"""Cases: one recorded (or documented) call a file, with the row that it must become. The format is in README.md here."""

import base64
import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from addon.providers import registry
from addon.providers.framing import aws_event_stream
from addon.providers.model import Operation, Provider
from addon.settling.journal_reader import Call
from addon.storage.journal_lines import CallEnd, CallStart

FOLDER: Final = Path(__file__).parent
FILES: Final = sorted(FOLDER.glob("*/*.toml"))
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
_KEYS: Final = {
    "": {"about", "source", "price_source", "price_date", "arithmetic", "started_at", "request", "answer", "delivery"}
    | {"expected"},
    "request": {"method", "host", "path", "provider", "content_type", "body", "base64", "paid_by_plan"},
    "answer": {"status", "content_type", "headers", "body", "base64", "frames"},
    "delivery": {"cut_at", "complete", "error_type", "status"},
}


@dataclass(frozen=True, slots=True)
class Case:
    path: Path
    told: dict[str, Any]

    @property
    def provider(self) -> Provider:
        request = self.told["request"]
        named = request.get("provider")
        found = registry.by_name(named) if named else registry.by_host(request["host"])
        assert found, f"{self.path}: {request['host']} is not a known provider's; name it with request.provider"
        return found

    @property
    def operation(self) -> Operation:
        request = self.told["request"]
        path = request["path"].partition("?")[0]
        found = registry.operation(self.provider, request.get("method", "POST"), path, request["host"])
        assert found, f"{self.path}: {path} is not an operation of {self.provider.name}"
        return found[0]

    @property
    def response(self) -> bytes:
        """The bytes that came: of a cut answer those before the cut."""
        return _bytes(self.told.get("answer", {}))[: self.told.get("delivery", {}).get("cut_at")]

    def call(self) -> Call:
        request, answer, delivery = (self.told.get(name, {}) for name in ("request", "answer", "delivery"))
        start = CallStart(
            request_id="case",
            started_at_us=int(self.told.get("started_at", NOON).timestamp() * 1_000_000),
            provider_name=self.provider.name,
            operation_name=self.operation.name,
            method=request.get("method", "POST"),
            host=request["host"],
            path=request["path"],
            mode="forward",
            content_type=request.get("content_type", "application/json"),
            paid_by_plan=request.get("paid_by_plan", False),
        )
        end = CallEnd(
            status=delivery.get("status", answer.get("status", 200)),
            content_type=answer.get("content_type", "application/json"),
            answer_headers={
                name: value
                for name, value in answer.get("headers", {}).items()
                if name in self.operation.answer_headers
            },
            complete=delivery.get("complete", "cut_at" not in delivery),
            error_type=delivery.get("error_type"),
        )
        return Call(call_id="case", start=start, end=end, request=_bytes(request), response=self.response)


def read_case(path: Path) -> Case:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    for table, allowed in _KEYS.items():
        unknown = (told.get(table, {}) if table else told).keys() - allowed
        assert not unknown, f"{path}: {table}: no such key: {unknown}"
    return Case(path, told)


def _bytes(side: dict[str, Any]) -> bytes:
    if "frames" in side:
        return b"".join(_frame(frame) for frame in side["frames"])
    if "base64" in side:
        return base64.b64decode(side["base64"])
    return str(side.get("body", "")).encode()


def _frame(frame: dict[str, str]) -> bytes:
    """`inner`: the model's own event of InvokeModelWithResponseStream, sent in base64 inside the payload."""
    payload = frame.get("payload", "{}")
    if "inner" in frame:
        payload = json.dumps({"bytes": base64.b64encode(frame["inner"].encode()).decode()})
    kind = "exception" if "exception" in frame else "event"
    headers = {":message-type": kind, f":{kind}-type": frame[kind], ":content-type": "application/json"}
    return aws_event_stream.encode(headers, payload.encode())
