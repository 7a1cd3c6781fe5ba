"""Claude Code's session files: `~/.claude/projects/PROJECT/SESSION.jsonl`, those of sub-agents in `SESSION/subagents/`.

    {"type": "assistant", "timestamp": "2026-01-09T10:00:00.000Z", "sessionId": "...", "requestId": "req_...", "cwd": "/home/...",
     "version": "2.1.37", "isSidechain": false, "agentId": "...",
     "message": {"id": "msg_...", "role": "assistant", "model": "claude-...", "content": [...], "stop_reason": "end_turn",
                 "usage": {"input_tokens": 3, "output_tokens": 8, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 25,
                           "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 0}}}}

An answer has one line for each block of its content, each with the usage so far, and all with the same message id. A sub-agent's
file may repeat answers of its parent under the same message id. So a message id is one call, and the largest usage is its own.
What was asked is not in the files in the form in which it was sent: these calls have no request body.

Source: https://code.claude.com/docs/en/claude-directory, and https://github.com/ryoppippi/ccusage, apps/ccusage and
rust/crates/ccusage/src/adapter/claude/README.md, for repeated lines.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from addon.intake.importing.files import records
from addon.intake.importing.model import Imported, Source, moment
from addon.intake.importing.working_folder import repository_there
from addon.intake.placing import Place, Shape, place_at
from addon.metering.reading import read_answer
from addon.metering.terminal import answer_framing
from addon.providers import registry
from addon.providers.fields import at, string
from addon.providers.model import Json

NAME: Final = "claude-code"
_CHAT: Final = Shape("anthropic", "chat")
_ANTHROPIC: Final = registry.BY_NAME["anthropic"]
_MESSAGES: Final = _ANTHROPIC.operations[0]
_MADE_HERE: Final = "<synthetic>"  # the model of messages that Claude Code wrote itself
# Ids of answers that another company served.
_ELSEWHERE: Final = {"msg_bdrk_": "bedrock", "msg_vrtx_": "vertex"}


def fits(record: Mapping[str, Any]) -> bool:
    """A line of a session, of whatever type: `sessionId` stands in all that matter."""
    if isinstance(record.get("message"), dict) and "sessionId" in record:
        return True
    return record.get("type") in ("summary", "file-history-snapshot", "queue-operation") and "payload" not in record


def read(path: Path) -> Iterator[Imported]:
    """The calls of one file, each when its last line was read."""
    answers: dict[str, _Answer] = {}
    for where, record in records(path, is_unfinished=True):
        message = record.get("message")
        if not isinstance(message, dict) or not isinstance(at(message, "usage"), dict):
            continue
        if message.get("model") in (None, _MADE_HERE):
            continue
        message_id = string(message.get("id")) or string(record.get("uuid"))
        if message_id is None:
            continue
        if message_id in answers:
            answers[message_id].add(message)
        else:
            answers[message_id] = _Answer(where, record, message)
    for message_id, answer in answers.items():
        yield answer.imported(message_id)


class _Answer:
    """The lines of one answer, put together."""

    def __init__(self, where: str, record: dict[str, Any], message: dict[str, Any]) -> None:
        self._where, self._record, self._message = where, record, dict(message)
        content = message.get("content")
        self._content = list(content) if isinstance(content, list) else []

    def add(self, message: dict[str, Any]) -> None:
        content = message.get("content")
        self._content += [block for block in content if block not in self._content] if isinstance(content, list) else []
        if _output(message) >= _output(self._message):
            self._message["usage"] = message["usage"]
        self._message["stop_reason"] = message.get("stop_reason") or self._message.get("stop_reason")

    def imported(self, message_id: str) -> Imported:
        record, message = self._record, self._message
        body = orjson.dumps({**message, "type": "message", "content": self._content})
        place = _place(message_id)
        reading = (
            None if place.operation else read_answer(_MESSAGES, body, answer_framing(_MESSAGES, "application/json"))
        )
        is_side = record.get("isSidechain") is True
        agent_id, cwd, version = (string(record.get(name)) for name in ("agentId", "cwd", "version"))
        cost = record.get("costUSD")
        return Imported(
            source=NAME,
            source_id=message_id,
            started_at=moment(record.get("timestamp"), self._where, "timestamp"),
            place=place,
            model=string(message.get("model")),
            response_id=message_id,
            response_model=string(message.get("model")),
            usage=reading.usage if reading else None,
            usage_raw=reading.usage_raw if reading else None,
            finish_reasons=reading.finish_reasons if reading else (),
            response=body,
            is_read=reading is None,
            session_id=string(record.get("sessionId")),
            session_path=f"/{agent_id}" if is_side and agent_id else None,
            agent=f"{NAME}/sub-agent" if is_side else NAME,
            client=f"claude-cli/{version}" if version else None,
            cwd=cwd,
            repository=repository_there(cwd),
            stated_cost_usd=str(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
        )


def _output(message: Mapping[str, Any]) -> int:
    count: Json = at(message, "usage", "output_tokens")
    return count if isinstance(count, int) else 0


def _place(message_id: str) -> Place:
    for prefix, provider in _ELSEWHERE.items():
        if message_id.startswith(prefix):
            return Place(provider_name=provider, operation_name=_CHAT.operation)
    return place_at(_ANTHROPIC, _CHAT)


SOURCE: Final = Source(NAME, "session files of Claude Code (~/.claude/projects)", fits, read, is_unfinished=True)
