"""A data folder of made-up calls, as many as wanted, in the files that merges leave: one a day and table.

Calls come in sessions of one user and one model, whose prompts grow with each turn. Some fail, some are cache hits, some
have no price. Numbers, models, users and properties have the spread of real ones, so that files have their true size; what
the calls said is made for a bounded number of them only, because bodies are a hundred times as large as rows.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from addon.settling.parquet import ROW_GROUP_ROWS, arrow_schema, write_parquet
from addon.settling.summarise import summarise_day
from addon.storage.folders import Folders

Numbers = npt.NDArray[Any]

DAYS: Final = 120
MOST_BODIES: Final = 20_000  # calls whose bodies are made
MANY_CALLS: Final = 200_000  # take longer to make than processes take to start

# provider, host, path, model as asked for, model as answered, nano-USD per input and output token (0: no price), share
MODELS: Final = (
    ("openai", "api.openai.com", "/v1/chat/completions", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 150, 600, 22),
    ("openai", "api.openai.com", "/v1/chat/completions", "gpt-4.1", "gpt-4.1-2025-04-14", 2000, 8000, 14),
    ("openai", "api.openai.com", "/v1/responses", "gpt-5", "gpt-5-2025-08-07", 1250, 10000, 12),
    ("openai", "api.openai.com", "/v1/responses", "gpt-5-mini", "gpt-5-mini-2025-08-07", 250, 2000, 8),
    ("anthropic", "api.anthropic.com", "/v1/messages", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 3000, 15000, 18),
    ("anthropic", "api.anthropic.com", "/v1/messages", "claude-haiku-4-5", "claude-haiku-4-5-20251001", 1000, 5000, 9),
    ("anthropic", "api.anthropic.com", "/v1/messages", "claude-opus-4-1", "claude-opus-4-1-20250805", 15000, 75000, 2),
    ("gemini", "generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:generateContent",
     "gemini-2.5-flash", "gemini-2.5-flash", 300, 2500, 6),
    ("gemini", "generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-pro:generateContent",
     "gemini-2.5-pro", "gemini-2.5-pro", 1250, 10000, 3),
    ("mistral", "api.mistral.ai", "/v1/chat/completions", "mistral-large-latest", "mistral-large-latest", 500, 1500, 2),
    ("groq", "api.groq.com", "/openai/v1/chat/completions", "llama-3.3-70b-versatile", "llama-3.3-70b-versatile", 590, 790, 2),
    ("vllm", "10.0.0.7", "/v1/chat/completions", "acme-support-7b", "acme-support-7b", 0, 0, 2),
)  # fmt: skip
ERRORS: Final = ((429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error"), (-3, "client_disconnected"))
FEATURES: Final = ("search", "support-chat", "summary", "code-review", "triage", "translate", "extract", "agent")
CLIENTS: Final = (
    "OpenAI/Python 2.8.0",
    "Anthropic/Python 0.74.0",
    "claude-cli/2.0.42",
    "codex_cli_rs/0.58.0",
    "axios/1.13",
)
PATHS: Final = ("/plan", "/plan/search", "/plan/answer", "/plan/check", "/plan/answer/tool")
SESSION_LENGTHS: Final = ((1, 40), (4, 30), (10, 20), (50, 10))  # calls in a session, share of the sessions
PEOPLE, TENANTS, KEYS = 5_000, 40, 25

_WORDS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Made:
    """What `make_lake` wrote."""

    days: int
    calls: int
    with_bodies: int


def make_lake(data: Path, calls: int, until: datetime, days: int = DAYS, seed: int = 1) -> Made:
    """Fills `data` with about `calls` calls over the days before `until`, and makes their summaries. The newest day's bodies
    come first, up to MOST_BODIES calls. Each day has dice of its own, so that every processor can make some."""
    counts = [calls // days + (back < calls % days) for back in range(days)]
    wanted = [max(0, min(count, MOST_BODIES - sum(counts[:back]))) for back, count in enumerate(counts)]
    newest = until.date()
    of_days = [
        (data, newest - timedelta(days=back), count, bodies, (seed, back))
        for back, (count, bodies) in enumerate(zip(counts, wanted, strict=True))
    ]
    if calls < MANY_CALLS:
        for of_day in of_days:
            _make_day(*of_day)
    else:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
            for done in [workers.submit(_make_day, *of_day) for of_day in of_days]:
                done.result()
    return Made(days, sum(counts), sum(wanted))


def _make_day(data: Path, day: date, count: int, bodies: int, seed: tuple[int, int]) -> None:
    """The files of a day: the calls, what some of them said, and the summary that the product makes of them."""
    folders, dice = Folders(data), np.random.default_rng(seed)
    rows = _day_of_calls(dice, day, count)
    _write(folders, "requests", day, rows)
    if bodies:
        _write(folders, "bodies", day, bodies_of(dice, rows.slice(0, bodies)))
    summarise_day(folders, day)


def _write(folders: Folders, table: str, day: date, rows: pa.Table) -> None:
    step = ROW_GROUP_ROWS if table == "requests" else 200
    parts = (rows.slice(start, step) for start in range(0, rows.num_rows, step))
    write_parquet(folders.lake_day(table, day) / f"c-{day:%Y%m%d}00000000.parquet", table, parts, is_final=True)


def _day_of_calls(dice: np.random.Generator, day: date, count: int) -> pa.Table:
    """`count` calls of one day in order of time, all columns of `requests`."""
    session, turn = _sessions(dice, count)
    sessions = int(session[-1]) + 1 if count else 0
    gaps = dice.exponential(25, count)
    started_s = (
        _times_of_day(dice, sessions)[session] + np.cumsum(gaps) - np.cumsum(gaps)[np.flatnonzero(turn == 0)][session]
    )
    order = np.argsort(np.minimum(started_s, 86_399.9), kind="stable")
    session, turn, started_s = session[order], turn[order], np.minimum(started_s, 86_399.9)[order]
    started_us = (started_s * 1e6).astype(np.int64) + _epoch_us(day)

    model_of_session = dice.choice(len(MODELS), sessions, p=_shares([model[-1] for model in MODELS]))
    model = model_of_session[session]
    is_openai = np.isin(model, (0, 1, 2, 3))
    failed = dice.random(count) < 0.03
    hit = ~failed & (dice.random(count) < 0.04)
    silent = failed | hit
    unpriced = np.array([not model[5] for model in MODELS])[model] & ~silent

    fresh = dice.lognormal(6.2, 0.8, count).astype(np.int64) + 12
    history = turn * (200 + dice.lognormal(5.5, 0.6, sessions).astype(np.int64)[session])
    cached = np.where(
        turn > 0, (history * dice.choice([0, 0.9, 1], count, p=[0.3, 0.2, 0.5])).astype(np.int64) // 64 * 64, 0
    )
    tokens_in, tokens_out = fresh + history, dice.lognormal(5, 1, count).astype(np.int64) + 1
    price_in = np.array([model[5] for model in MODELS], np.int64)[model]
    price_out = np.array([model[6] for model in MODELS], np.int64)[model]
    cost = (tokens_in - cached) * price_in + cached * price_in // 10 + tokens_out * price_out
    streamed = dice.random(sessions)[session] < 0.6
    first_token = dice.lognormal(6, 0.5, count).astype(np.int64)
    duration = np.where(hit, dice.integers(1, 9, count), first_token + tokens_out * dice.integers(4, 22, count))
    ids = _uuid7(dice, started_us)
    error = dice.choice(len(ERRORS), count, p=[0.6, 0.2, 0.1, 0.1])
    person = np.minimum(dice.pareto(0.7, sessions) * 20, PEOPLE - 1).astype(np.int64)[session]
    named = dice.random(sessions)[session]
    in_session = (np.bincount(session, minlength=sessions)[session] > 1) & (named < 0.9)

    columns: dict[str, pa.Array] = {
        "request_id": ids,
        "started_at": pa.array(started_us).cast(pa.timestamp("us", tz="UTC")),
        "provider_name": _pick([model[0] for model in MODELS], model),
        "operation_name": _pick(["responses" if "responses" in model[2] else "chat" for model in MODELS], model),
        "request_model": _pick([model[3] for model in MODELS], model),
        "response_model": _pick([model[4] for model in MODELS], model, failed),
        "response_id": _response_ids(dice, is_openai, silent & ~hit),
        "finish_reasons": pa.array([["stop"], ["end_turn"], ["tool_calls"], []]).take(
            pa.array(np.where(failed, 3, np.where(dice.random(count) < 0.3, 2, np.where(is_openai, 0, 1))))
        ),
        "method": pa.repeat("POST", count),
        "host": _pick([model[1] for model in MODELS], model),
        "path": _pick([model[2] for model in MODELS], model),
        "mode": _pick(["forward", "reverse"], (named * 7 % 1 < 0.3).astype(int)),
        "status": _numbers(np.where(failed, np.array([code for code, _ in ERRORS])[error], 200)),
        "error_type": _pick([name for _, name in ERRORS], error, ~failed),
        "is_stream": pa.array(streamed),
        "duration_ms": _numbers(duration),
        "time_to_first_token_ms": _numbers(first_token, ~streamed | silent),
        "overhead_ms": pa.array(np.round(dice.lognormal(-1, 0.5, count), 3)),
        "input_tokens": _numbers(np.where(hit, 0, tokens_in), failed),
        "cache_read_input_tokens": _numbers(np.where(hit, 0, cached), failed),
        "output_tokens": _numbers(np.where(hit, 0, tokens_out), failed),
        "reasoning_output_tokens": _numbers(np.zeros(count, np.int64), silent | ~is_openai),
        "usage_raw": _usage(tokens_in, cached, tokens_out, is_openai, silent),
        "usage_units": _maps([{}], np.zeros(count, int)),
        "usage_source": _pick(["provider", "estimated"], (dice.random(count) < 0.01).astype(int), silent),
        "cost_nanousd": _numbers(np.where(silent, 0, cost), unpriced),
        "cost_source": _pick(["genai-prices 0.2.3", "free"], silent.astype(int), unpriced),
        "cost_missing": _pick(["no price known"], np.zeros(count, int), ~unpriced),
        "price_factors": _maps([{}, {"service_tier": "default"}, {"service_tier": "standard"}], np.where(silent, 0, np.where(is_openai, 1, 2))),
        "cache_status": _pick(["miss", "hit"], hit.astype(int), ~(hit | (named > 0.7))),
        "cache_reference_id": _earlier(ids, hit),
        "saved_nanousd": _numbers(cost, ~hit),
        "user_id": _pick([f"user-{number:05}@example.com" for number in range(PEOPLE)], person, named < 0.1),
        "session_id": _uuid7(dice, np.full(sessions, _epoch_us(day))).take(_indexes(session, ~in_session)),
        "session_path": _pick(PATHS, turn % len(PATHS), ~in_session),
        "session_name": _pick([f"{feature} run" for feature in FEATURES], person % len(FEATURES), ~in_session),
        "properties": _maps(
            [
                {"feature": feature, "environment": environment, "tenant": f"tenant-{tenant}"}
                for feature in FEATURES
                for environment in ("production", "staging")
                for tenant in range(TENANTS)
            ]
            + [{}],
            np.where(named > 0.8, len(FEATURES) * 2 * TENANTS, (person * 7 + model) % (len(FEATURES) * 2 * TENANTS)),
        ),
        "prompt_id": _pick([f"{feature}-v{version}" for feature in FEATURES for version in (1, 2)], person % 16, named < 0.6),
        "api_key_hash": _pick([f"{number:08x}" * 4 for number in range(KEYS)], person % KEYS),
        "attempts": _numbers(np.where(hit, 0, np.where(dice.random(count) < 0.02, 2, 1))),
        "client": _pick(CLIENTS, (person + model) % len(CLIENTS)),
        "client_command": _pick(["python3", "node", "claude", "codex"], person % 4, named < 0.5),
        "client_cwd": _pick([f"/home/u{number}/work" for number in range(200)], person % 200, named < 0.5),
        "client_repository": _pick([f"service-{number}" for number in range(60)], person % 60, named < 0.5),
        "request_bytes": _numbers(tokens_in * 4 + dice.integers(80, 700, count)),
        "response_bytes": _numbers(np.where(streamed, tokens_out * 190 + 800, tokens_out * 4 + 700)),
    }  # fmt: skip
    schema = arrow_schema("requests")
    return pa.table([_as(columns.get(field.name), field.type, count) for field in schema], schema=schema)


def _sessions(dice: np.random.Generator, count: int) -> tuple[Numbers, Numbers]:
    """Of `count` calls the number of their session, from 0, and their turn in it, from 0; session by session."""
    lengths, shares = zip(*SESSION_LENGTHS, strict=True)
    mean = sum(length * share for length, share in SESSION_LENGTHS) / 100
    chosen = dice.choice(lengths, int(count / mean * 1.5) + 60, p=_shares(shares))
    ends = np.cumsum(chosen)
    session = np.repeat(np.arange(len(chosen)), chosen)[:count]
    turn = np.arange(len(session)) - np.concatenate([[0], ends[:-1]])[session]
    return session, turn


def _times_of_day(dice: np.random.Generator, count: int) -> Numbers:
    """Seconds after midnight: more by day than by night."""
    by_night, by_day = dice.random(count) * 86_400, dice.normal(13.5 * 3600, 3 * 3600, count)
    return np.clip(np.where(dice.random(count) < 0.35, by_night, by_day), 0, 86_000)


def _epoch_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _shares(shares: Any) -> Numbers:
    parts: npt.NDArray[np.float64] = np.array(shares, np.float64)
    return parts / float(parts.sum())


def _uuid7(dice: np.random.Generator, at_us: Numbers) -> pa.Array:
    """UUIDs of version 7 as text, for times in epoch microseconds."""
    count = len(at_us)
    octets = dice.integers(0, 256, (count, 16), np.uint8)
    octets[:, :6] = (at_us // 1000).astype(">u8").view(np.uint8).reshape(count, 8)[:, 2:]
    octets[:, 6] = octets[:, 6] & 0x0F | 0x70
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    written = _hex(octets)
    dashes = np.full((count, 1), ord("-"), np.uint8)
    parts = [written[:, :8], written[:, 8:12], written[:, 12:16], written[:, 16:20], written[:, 20:]]
    joined = [piece for part in parts for piece in (dashes, part)][1:]
    return _texts(np.concatenate(joined, axis=1))


def _response_ids(dice: np.random.Generator, is_openai: Numbers, missing: Numbers) -> pa.Array:
    """Random ids in the providers' manner: incompressible, as theirs are."""
    letters = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)
    random = _texts(letters[dice.integers(0, len(letters), (len(missing), 24))])
    prefix = _pick(["msg_01", "chatcmpl-"], is_openai.astype(int), missing)
    return pc.binary_join_element_wise(prefix, random, "")


def _hex(octets: Numbers) -> Numbers:
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    return np.stack([digits[octets >> 4], digits[octets & 15]], axis=2).reshape(len(octets), -1)


def _texts(characters: Numbers) -> pa.Array:
    """One text for each row of ASCII codes, all of one length."""
    count, length = characters.shape
    offsets = np.arange(0, (count + 1) * length, length, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    )


def _usage(tokens_in: Numbers, cached: Numbers, tokens_out: Numbers, is_openai: Numbers, missing: Numbers) -> pa.Array:
    """The providers' usage objects."""
    first = _pick(['{"input_tokens":', '{"prompt_tokens":'], is_openai.astype(int), missing)
    between = _pick(
        [',"cache_creation_input_tokens":0,"cache_read_input_tokens":', ',"prompt_tokens_details":{"audio_tokens":0,"cached_tokens":'],
        is_openai.astype(int),
    )  # fmt: skip
    then = _pick([',"service_tier":"standard","output_tokens":', '},"completion_tokens":'], is_openai.astype(int))
    last = _pick(
        ["}", ',"completion_tokens_details":{"reasoning_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'],
        is_openai.astype(int),
    )  # fmt: skip
    stated = np.where(is_openai, tokens_in, tokens_in - cached)
    numbers = [pa.array(column).cast(pa.string()) for column in (stated, cached, tokens_out)]
    return pc.binary_join_element_wise(first, numbers[0], between, numbers[1], then, numbers[2], last, "")


def _indexes(chosen: Numbers, missing: Numbers | None) -> pa.Array:
    return pa.array(chosen, pa.int32(), mask=missing)


def _pick(values: Any, chosen: Numbers, missing: Numbers | None = None) -> pa.Array:
    return pa.array(values).take(_indexes(chosen, missing))


def _maps(values: list[dict[str, str]], chosen: Numbers) -> pa.Array:
    kind = pa.map_(pa.string(), pa.string())
    return pa.array([list(value.items()) for value in values], kind).take(_indexes(chosen, None))


def _numbers(values: Numbers, missing: Numbers | None = None) -> pa.Array:
    return pa.array(values, pa.int64(), mask=missing)


def _earlier(ids: pa.Array, hit: Numbers) -> pa.Array:
    """For each hit the id of a call before it."""
    return ids.take(_indexes(np.maximum(np.arange(len(hit)) - 500, 0), ~hit))


def _as(column: pa.Array | None, kind: pa.DataType, count: int) -> pa.Array:
    if column is None:
        return pa.nulls(count, kind)
    return column if column.type == kind else column.cast(kind)


def bodies_of(dice: np.random.Generator, rows: pa.Table) -> pa.Table:
    """What the calls said: each turn of a session repeats all that was said before it."""
    schema = arrow_schema("bodies")
    said: dict[str, list[str]] = {}
    written: list[tuple[str, str, str]] = []
    for request_id, session, feature in zip(
        rows["request_id"].to_pylist(), rows["session_id"].to_pylist(), rows["session_name"].to_pylist(), strict=True
    ):
        messages = said.setdefault(
            session or request_id, [_message("system", _prose(np.random.default_rng(len(feature or "")), 500))]
        )
        messages.append(_message("user", _prose(dice, 90)))
        request = f'{{"model":"gpt-4.1","stream":false,"messages":[{",".join(messages)}]}}'
        answer = _prose(dice, 60)
        messages.append(_message("assistant", answer))
        written.append((request, f'{{"id":"{request_id}","choices":[{{"index":0,"message":{messages[-1]}}}]}}', answer))
    bodies = zip(("request_body", "response_body", "response_text"), zip(*written, strict=True), strict=True)
    no = pa.repeat(False, rows.num_rows)
    columns: dict[str, pa.Array] = {
        "request_id": rows["request_id"],
        "started_at": rows["started_at"],
        **{name: pa.array(texts, pa.string()) for name, texts in bodies},
        "request_truncated": no,
        "response_truncated": no,
    }
    return pa.table([_as(columns.get(field.name), field.type, rows.num_rows) for field in schema], schema=schema)


def _message(role: str, text: str) -> str:
    return f'{{"role":"{role}","content":"{text}"}}'


def _vocabulary() -> list[str]:
    dice = np.random.default_rng(7)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    return ["".join(dice.choice(letters, size)) for size in dice.integers(2, 10, _WORDS)]


VOCABULARY: Final = np.array(_vocabulary())
_FREQUENCY: Final = _shares(1 / np.arange(1, _WORDS + 1))


def _prose(dice: np.random.Generator, words: int) -> str:
    """Made-up text whose words are as unequally frequent as a language's."""
    return " ".join(dice.choice(VOCABULARY, words, p=_FREQUENCY))
