"""The exports of Helicone, Langfuse and LiteLLM in their documented shapes."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from addon.intake.importing.model import HistoryError
from addon.intake.importing.sources import source_of
from tests.intake.history import calls, day, lines, row_of, rows, table, tokens, without

# https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse: HeliconeRequest, a line of @helicone/export.
HELICONE: dict[str, Any] = {
    "request_id": "0199a3f2-7c1e-4b3a-9d2f-3f1d2c4b5a69",
    "request_created_at": "2025-06-01 12:00:00.250",
    "request_body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]},
    "request_path": "https://api.openai.com/v1/chat/completions",
    "target_url": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "ann",
    "request_properties": {"Feature": "chat", "Helicone-Session-Id": "s1", "Helicone-Session-Path": "/plan"},
    "request_model": "gpt-4o-mini",
    "response_id": "1f3c0000-0000-4000-8000-000000000001",
    "response_created_at": "2025-06-01 12:00:01.250",
    "response_body": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
    },
    "response_status": 200,
    "response_model": "gpt-4o-mini-2024-07-18",
    "provider": "OPENAI",
    "delay_ms": 900,
    "time_to_first_token": None,
    "total_tokens": 120,
    "prompt_tokens": 100,
    "prompt_cache_read_tokens": 40,
    "prompt_cache_write_tokens": 0,
    "completion_tokens": 20,
    "costUSD": 0.000027,
    "cache_reference_id": "00000000-0000-0000-0000-000000000000",
}
COST_OF_IT = 60 * 150 + 40 * 75 + 20 * 600


def test_helicones_requests_keep_their_ids_and_are_read_from_their_bodies(tmp_path: Path) -> None:
    (call,) = calls(lines(tmp_path / "export.jsonl", [HELICONE]), "helicone")
    row, body = row_of(call)
    assert row.request_id == HELICONE["request_id"]
    assert tokens(row) == (100, 40, None, None, 20, None)
    assert (row.cost_nanousd, row.response_id, row.finish_reasons) == (COST_OF_IT, "chatcmpl-1", ("stop",))
    assert (row.provider_name, row.host, row.path) == ("openai", "api.openai.com", "/v1/chat/completions")
    assert (row.user_id, row.session_id, row.session_path) == ("ann", "s1", "/plan")
    assert row.properties == {"feature": "chat", "imported_from": "helicone", "imported_cost_usd": "0.000027"}
    assert (row.duration_ms, row.status, day(row)) == (900, 200, date(2025, 6, 1))
    assert body.response_text == "Hello"


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_helicones_requests_without_bodies_have_what_helicone_counted(tmp_path: Path, form: str) -> None:
    bare = without(HELICONE, "request_body", "response_body")
    file = tmp_path / f"export.{form}"
    match form:
        case "csv":
            table(file, [bare])
        case "json":
            file.write_text(json.dumps([bare], indent=2))
        case _:
            lines(file, [bare])
    (row,) = rows(file, "helicone")
    assert tokens(row)[:2] == (100, 40)
    assert row.cost_nanousd == COST_OF_IT


def test_helicones_counts_of_anthropic_leave_cached_tokens_out(tmp_path: Path) -> None:
    bare = without(HELICONE, "request_body", "response_body") | {
        "provider": "ANTHROPIC",
        "target_url": "https://api.anthropic.com/v1/messages",
        "request_model": "claude-haiku-4-5",
        "response_model": "claude-haiku-4-5-20251001",
        "prompt_cache_write_tokens": 10,
    }
    (row,) = rows(lines(tmp_path / "export.jsonl", [bare]), "helicone")
    assert tokens(row)[:3] == (150, 40, 10)


def test_a_streamed_answer_in_helicones_export_is_read(tmp_path: Path) -> None:
    chunk = {"object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18", "id": "chatcmpl-1"}
    chunks = [
        chunk | {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]},
        chunk | {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}},
    ]
    (call,) = calls(lines(tmp_path / "e.jsonl", [HELICONE | {"response_body": {"streamed_data": chunks}}]), "helicone")
    row, body = row_of(call)
    assert (row.input_tokens, row.output_tokens, body.response_text) == (100, 20, "Hello")


def test_hits_of_helicones_cache_are_not_calls_of_a_provider(tmp_path: Path) -> None:
    hit = HELICONE | {"cache_reference_id": "0199a3f2-7c1e-4b3a-9d2f-000000000001"}
    assert calls(lines(tmp_path / "e.jsonl", [hit]), "helicone") == []


# https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields
LANGFUSE: dict[str, Any] = {
    "id": "obs-1",
    "trace_id": "trace-1",
    "type": "GENERATION",
    "start_time": "2025-06-01 12:00:00.000000",
    "end_time": "2025-06-01 12:00:02.000000",
    "completion_start_time": "2025-06-01 12:00:00.500000",
    "name": "answer",
    "level": "DEFAULT",
    "status_message": None,
    "provided_model_name": "claude-sonnet-4-5-20250929",
    "usage_details": {
        "input": 100,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 500,
        "output": 50,
        "total": 1650,
    },
    "total_cost": 0.003225,
    "input": [{"role": "user", "content": "Hi"}],
    "output": {"role": "assistant", "content": "Hello"},
    "user_id": "ann",
    "session_id": "s1",
    "trace_name": "parcels",
    "environment": "production",
    "tags": ["web"],
}


def camel(record: dict[str, Any]) -> dict[str, Any]:
    """As the UI and the API name the columns."""
    return {name[0] + name.title().replace("_", "")[1:]: value for name, value in record.items()}


@pytest.mark.parametrize("form", ["blob.jsonl", "ui.json", "ui.csv", "trace.json"])
def test_langfuses_generations_become_rows(tmp_path: Path, form: str) -> None:
    file, span = tmp_path / form, {"type": "SPAN", "id": "obs-0"}
    match form:
        case "blob.jsonl":
            lines(file, [LANGFUSE | span, LANGFUSE])
        case "ui.json":
            file.write_text(json.dumps([camel(LANGFUSE), camel(LANGFUSE | span)]))
        case "ui.csv":
            table(file, [camel(LANGFUSE), camel(LANGFUSE | span)])
        case _:
            inner = camel(without(LANGFUSE, "user_id", "session_id"))
            file.write_text(
                json.dumps({"trace": {"id": "trace-1", "userId": "ann", "sessionId": "s1"}, "observations": [inner]})
            )
    (row,) = rows(file, "langfuse")
    assert tokens(row) == (1600, 1000, 500, None, 50, None)
    assert row.cost_nanousd == 100 * 3000 + 1000 * 300 + 500 * 3750 + 50 * 15000
    assert (row.provider_name, row.request_model) == ("anthropic", "claude-sonnet-4-5-20250929")
    assert (row.user_id, row.session_id, row.duration_ms, row.time_to_first_token_ms) == ("ann", "s1", 2000, 500)
    assert row.properties["imported_cost_usd"] == "0.003225"


def test_langfuses_cached_tokens_of_openai_are_a_part_of_their_own(tmp_path: Path) -> None:
    details = {"input": 60, "input_cached_tokens": 40, "output": 15, "output_reasoning_tokens": 5, "total": 120}
    record = LANGFUSE | {"provided_model_name": "gpt-4o-mini", "usage_details": details}
    (row,) = rows(lines(tmp_path / "e.jsonl", [record]), "langfuse")
    assert tokens(row) == (100, 40, None, None, 20, 5)


def test_langfuses_errors_are_rows_without_tokens(tmp_path: Path) -> None:
    failed = LANGFUSE | {"level": "ERROR", "status_message": "overloaded", "usage_details": {}, "output": None}
    (row,) = rows(lines(tmp_path / "e.jsonl", [failed]), "langfuse")
    assert (row.status, row.error_type, row.input_tokens) == (500, "overloaded", None)


# https://github.com/BerriAI/litellm/blob/main/schema.prisma, model LiteLLM_SpendLogs
LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-7",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.003225,
    "total_tokens": 1650,
    "prompt_tokens": 1600,
    "completion_tokens": 50,
    "startTime": "2025-06-01 12:00:00.000",
    "endTime": "2025-06-01 12:00:02.000",
    "completionStartTime": "2025-06-01 12:00:00.500",
    "model": "claude-sonnet-4-5-20250929",
    "model_group": "claude",
    "custom_llm_provider": "anthropic",
    "api_base": "https://api.anthropic.com/v1/messages",
    "user": "team-user",
    "end_user": "ann",
    "metadata": {
        "user_api_key_alias": "shop",
        "usage_object": {
            "prompt_tokens": 1600,
            "completion_tokens": 50,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 500,
        },
    },
    "cache_hit": "None",
    "request_tags": ["web"],
    "team_id": "t1",
    "session_id": "s1",
    "status": "success",
    "messages": {},
    "response": {},
}


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_litellms_spend_logs_become_rows(tmp_path: Path, form: str) -> None:
    file = tmp_path / f"spend.{form}"
    match form:
        case "csv":
            table(file, [LITELLM])
        case "json":
            file.write_text(json.dumps({"data": [LITELLM]}))
        case _:
            lines(file, [LITELLM])
    (row,) = rows(file, "litellm")
    assert tokens(row)[:5] == (1600, 1000, 500, None, 50)
    assert row.cost_nanousd == 100 * 3000 + 1000 * 300 + 500 * 3750 + 50 * 15000
    assert (row.provider_name, row.path, row.response_id) == ("anthropic", "/v1/messages", "chatcmpl-7")
    assert (row.user_id, row.session_id, row.duration_ms, row.time_to_first_token_ms) == ("ann", "s1", 2000, 500)
    assert row.properties == {
        "team_id": "t1",
        "key": "shop",
        "tags": "web",
        "imported_from": "litellm",
        "imported_cost_usd": "0.003225",
    }


def test_litellms_model_may_name_its_provider(tmp_path: Path) -> None:
    record = LITELLM | {"model": "groq/llama-3.1-8b-instant", "custom_llm_provider": None, "metadata": {}}
    (row,) = rows(lines(tmp_path / "e.jsonl", [record]), "litellm")
    assert (row.provider_name, row.request_model) == ("groq", "llama-3.1-8b-instant")


def test_litellms_failures_and_hits(tmp_path: Path) -> None:
    error = {"error_information": {"error_code": "429", "error_class": "RateLimitError"}}
    failed = LITELLM | {"status": "failure", "metadata": error, "prompt_tokens": 0, "completion_tokens": 0, "spend": 0}
    hit = LITELLM | {"request_id": "chatcmpl-8", "cache_hit": "True"}
    (row,) = rows(lines(tmp_path / "e.jsonl", [failed, hit]), "litellm")
    assert (row.status, row.error_type, row.cost_nanousd, row.input_tokens) == (429, "RateLimitError", 0, None)


# What is wrong.


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            HELICONE | {"request_created_at": "yesterday"},
            'request_created_at must be a time such as .* not "yesterday"',
        ),
        (HELICONE | {"request_id": "abc"}, "request_id must be a UUID, not 'abc'"),
        (
            without(HELICONE, "response_body") | {"prompt_tokens": "many"},
            "prompt_tokens must be a number of tokens, not 'many'",
        ),
        (LANGFUSE | {"usage_details": {"input": -1}}, r"usage_details.input must be a number of tokens, not '-1'"),
        (LITELLM | {"completion_tokens": 1.5}, "completion_tokens must be a number of tokens, not '1.5'"),
        (LITELLM | {"request_id": None}, "request_id is required"),
    ],
)
def test_a_record_of_another_shape_is_named_with_its_line(tmp_path: Path, record: dict[str, Any], says: str) -> None:
    file = lines(tmp_path / "export.jsonl", [record])
    source = source_of(file)
    assert source
    with pytest.raises(HistoryError, match=f"export.jsonl: line 1: .*{says}"):
        list(source.read(file))


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_half_an_export_is_refused(tmp_path: Path, form: str) -> None:
    file = tmp_path / f"spend.{form}"
    match form:
        case "csv":
            table(file, [LITELLM] * 3)
        case "json":
            file.write_text(json.dumps([LITELLM] * 3))
        case _:
            lines(file, [LITELLM] * 3)
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(HistoryError, match="is the file whole"):
        source = source_of(file)
        assert source
        list(source.read(file))


@pytest.mark.parametrize("text", ["", "name,age\nann,7\n", '{"hello": "world"}\n', "[]", "just words"])
def test_other_files_are_none_of_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.txt").write_text(text)
    assert source_of(tmp_path / "other.txt") is None
