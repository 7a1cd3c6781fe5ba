"""Codex's session files: `~/.codex/sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl`.

    {"timestamp": "...", "type": "session_meta", "payload": {"id": "...", "cwd": "/home/...", "cli_version": "0.169.0", ...}}
    {"timestamp": "...", "type": "turn_context", "payload": {"model": "gpt-5-codex", ...}}
    {"timestamp": "...", "type": "event_msg", "payload": {"type": "token_count",
        "info": {"total_token_usage": {"input_tokens": 1000, "cached_input_tokens": 250, "output_tokens": 125,
                                       "reasoning_output_tokens": 75, "total_tokens": 1125}, "last_token_usage": {...}},
        "rate_limits": {"plan_type": "pro", ...}}}

Totals are those of the session so far: what a call used is the difference to the totals before it, and totals that did not change
are no call. The input includes what was cached, the output includes reasoning. A session that begins anew within a file (its totals
shrink) begins at 0. A sub-agent's file begins with the parent's counts, all in one second: they are the parent's calls. With a
`plan_type` the calls are paid by a ChatGPT plan.

The words are in other lines, and are not imported. Source: https://github.com/openai/codex, codex-rs/protocol (TokenUsageInfo,
RolloutLine), and https://github.com/ryoppippi/ccusage, rust/crates/ccusage/src/adapter/codex, for sub-agents.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from addon.intake.importing.files import Record, records
from addon.intake.importing.model import Imported, Source, moment
from addon.intake.importing.working_folder import repository_there
from addon.intake.placing import Place, Shape, place_at
from addon.providers import registry
from addon.providers.fields import at, string

NAME: Final = "codex"
_LINES: Final = frozenset({"session_meta", "turn_context", "event_msg", "response_item", "compacted"})
_BY_PLAN: Final = Place(
    provider_name="openai", operation_name="responses", host="chatgpt.com", path="/backend-api/codex/responses"
)
_BY_KEY: Final = place_at(registry.BY_NAME["openai"], Shape("openai", "responses"))
_SECOND: Final = len("2026-01-31T12:00:00")


class _Counts(NamedTuple):
    """Tokens so far, or of one call."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def since(self, before: "_Counts") -> "_Counts":
        if any(now < earlier for now, earlier in zip(self, before, strict=True)):
            return self
        return _Counts(*(now - earlier for now, earlier in zip(self, before, strict=True)))


def fits(record: Mapping[str, Any]) -> bool:
    return record.get("type") in _LINES and isinstance(record.get("payload"), dict) and "timestamp" in record


def read(path: Path) -> Iterator[Imported]:
    session: dict[str, Any] = {}
    model: str | None = None
    before, is_first, copied_second = _Counts(), True, None
    for record in records(path, is_unfinished=True):
        payload = record.fields.get("payload")
        if not isinstance(payload, dict):
            continue
        match record.fields.get("type"):
            case "session_meta":
                session = session or payload
            case "turn_context":
                model = string(payload.get("model")) or model
            case "event_msg" if payload.get("type") == "token_count":
                total = _counts(at(payload, "info", "total_token_usage"))
                if total is None or total == before:
                    continue
                second = str(record.fields.get("timestamp"))[:_SECOND]
                if is_first and "thread_spawn" in str(session.get("source")):
                    copied_second = second
                used, before, is_first = total.since(before), total, False
                if second != copied_second:
                    copied_second = None
                    yield _call(path, record, session, string(at(payload, "info", "model")) or model, used, total)


def _call(
    path: Path, record: Record, session: Mapping[str, Any], model: str | None, used: _Counts, total: _Counts
) -> Imported:
    plan = string(at(record.fields, "payload", "rate_limits", "plan_type"))
    session_id, cwd, version = (string(session.get(name)) for name in ("id", "cwd", "cli_version"))
    name = session_id or path.stem
    usage = {
        "input_tokens": used.input,
        "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }
    answer: dict[str, Any] = {"object": "response", "status": "completed", "model": model, "output": [], "usage": usage}
    return Imported(
        source=NAME,
        source_id=f"{name} {'/'.join(map(str, total))}",
        started_at=moment(record.fields.get("timestamp"), record.where, "timestamp"),
        place=_BY_PLAN if plan else _BY_KEY,
        model=model,
        response=orjson.dumps(answer),
        is_read=True,
        session_id=name,
        agent=NAME,
        client=f"codex_cli/{version}" if version else None,
        cwd=cwd,
        repository=repository_there(cwd),
        properties={"plan": plan} if plan else {},
        paid_by_plan=plan is not None,
    )


def _counts(usage: Any) -> _Counts | None:
    if not isinstance(usage, dict):
        return None
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    found = [usage.get(name, 0) for name in names]
    return _Counts(*found) if all(isinstance(count, int) and count >= 0 for count in found) else None


SOURCE: Final = Source(NAME, "session files of Codex (~/.codex/sessions)", fits, read, is_unfinished=True)
