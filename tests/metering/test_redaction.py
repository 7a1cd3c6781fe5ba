"""What is kept of bodies that the caller wants in no file."""

import orjson
import zstandard

from addon.metering.redaction import facts_only, reading_only
from addon.providers import registry
from addon.providers.openai import PROVIDER

FOUND = registry.operation(PROVIDER, "POST", "/v1/chat/completions")
assert FOUND
CHAT = FOUND[0]
REQUEST = orjson.dumps({"model": "m", "user": "u", "messages": [{"role": "user", "content": "secret"}]})


def test_of_a_request_its_facts_stay_and_its_words_go() -> None:
    assert orjson.loads(facts_only(zstandard.compress(REQUEST), "zstd")) == {"model": "m", "user": "u"}
    assert facts_only(b"not JSON", None) == b""


def test_what_chooses_a_price_stays_without_its_words() -> None:
    request = {
        "tools": [{"retrieval": {"vertexAiSearch": {"datastore": "secret place"}}}, {"type": "web_search_20250305"}],
        "parameters": {"durationSeconds": 8, "negativePrompt": "a secret"},
        "documents": ["secret", "another secret"],
        "input": "five!",
        "serviceTier": "flex",
    }
    facts = facts_only(orjson.dumps(request), None)
    assert b"secret" not in facts
    assert orjson.loads(facts) == {
        "serviceTier": "flex",
        "tools": [{"retrieval": True}, {"type": "web_search_20250305"}],
        "parameters": {"durationSeconds": 8},
        "documents": [True, True],
        "input": "*****",
    }


def test_of_an_answer_everything_but_its_words_stays() -> None:
    body = orjson.dumps(
        {
            "model": "m",
            "choices": [{"message": {"content": "secret", "reasoning": "secret"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
    )
    reading = reading_only(CHAT, body, None, "application/json")
    assert reading["response_model"] == "m" and reading["usage"].output_tokens == 2
    assert b"secret" not in orjson.dumps(reading)


def test_a_body_that_expands_beyond_the_bound_leaves_no_facts() -> None:
    bomb = zstandard.compress(b'{"model": "m", "user": "' + b"u" * (100 * 2**20) + b'"}')
    assert facts_only(bomb, "zstd") == b""
    assert reading_only(CHAT, bomb, "zstd", "application/json")["response_model"] is None


def test_a_body_of_millions_of_values_is_not_parsed() -> None:
    assert facts_only(b'{"model": "m", "x": [' + b"[]," * 3_000_000 + b"0]}", None) == b""
