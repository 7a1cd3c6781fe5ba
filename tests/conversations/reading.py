"""Cases: one call a file, with its conversation. The format is in cases/README.md."""

import base64
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from addon.conversations.read import Said
from addon.providers import registry
from addon.providers.framing import aws_event_stream

FOLDER: Final = Path(__file__).parent / "cases"
FILES: Final = sorted(FOLDER.glob("*.toml"))
_KEYS: Final = {"about", "source", "provider", "method", "host", "path", "status", "request"} | {
    *("answer", "stream", "frames", "conversation")
}


@dataclass(frozen=True, slots=True)
class Case:
    path: Path

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = tomllib.loads(self.path.read_text(encoding="utf-8"))
        assert told.keys() <= _KEYS, f"{self.path}: no such key: {told.keys() - _KEYS}"
        return told

    @property
    def expected(self) -> dict[str, Any]:
        """The conversation; members that are left out are empty."""
        names = ("input_messages", "output_messages", "system_instructions", "tool_definitions", "mcp_servers")
        told: dict[str, Any] = json.loads(self.told["conversation"])
        return {name: told.get(name, []) for name in names}

    def calls(self) -> Iterator[Said]:
        """The call, once with each answer: in one piece, and as a stream."""
        told = self.told
        provider = registry.by_name(told["provider"]) if "provider" in told else registry.by_host(told["host"])
        assert provider, f"{self.path}: {told['host']} is not a known provider's"
        method = told.get("method", "POST")
        found = registry.operation(provider, method, told["path"], told["host"])
        assert found, f"{self.path}: {told['path']} is not an operation of {provider.name}"
        for answer in self._answers():
            yield Said(
                provider_name=provider.name,
                operation_name=found[0].name,
                method=method,
                host=told["host"],
                path=told["path"],
                status=told.get("status"),
                request_body=told["request"],
                response_body=answer,
            )

    def _answers(self) -> Iterator[str]:
        told = self.told
        yield from (told[name] for name in ("answer", "stream") if name in told)
        if frames := told.get("frames"):
            body = base64.b64encode(b"".join(map(_frame, frames))).decode()
            yield f"data:application/vnd.amazon.eventstream;base64,{body}"


def _frame(frame: dict[str, str]) -> bytes:
    """`inner`: the model's own event of InvokeModelWithResponseStream, in base64 inside the payload."""
    payload = frame.get("payload", "{}")
    if "inner" in frame:
        payload = json.dumps({"bytes": base64.b64encode(frame["inner"].encode()).decode()})
    headers = {":message-type": "event", ":event-type": frame["event"], ":content-type": "application/json"}
    return aws_event_stream.encode(headers, payload.encode())
