import gzip
import json
import tomllib
from typing import Any

import pytest
import zstandard

from addon.sending.fallbacks import (
    Fallback,
    Fallbacks,
    find_fallbacks,
    leads_to,
    overridden_body,
    parse_fallbacks,
    target_path,
    with_environment,
)
from tests.config.sections import section

OPENAI = {
    "target-url": "https://api.openai.com",
    "headers": {"Authorization": "Bearer sk-first"},
    "onCodes": [429, {"from": 500, "to": 503}],
}
GROQ = {
    "target-url": "https://api.groq.com/openai/v1/",
    "headers": {"Authorization": "Bearer gsk-second", "X-Team": "shop"},
    "onCodes": [{"from": 400, "to": 599}],
    "bodyKeyOverride": {"model": "llama-3.3-70b", "temperature": 0.1},
}
RULES = """
[[fallbacks]]
model = "gpt-4o*"
on_codes = [429]
target_url = "https://api.groq.com/openai/v1"
headers = { Authorization = "Bearer $GROQ_API_KEY", X-Price = "5$$", X-Two = "${GROQ_API_KEY}/$TEAM" }
body = { model = "llama-3.3-70b" }

[[fallbacks]]
model = "GPT-4o"
on_codes = ["500-503", 529]
body = { model = "gpt-4o-mini" }

[[fallbacks]]
model = "claude-*"
target_url = "https://claude.example.org"
"""


def parsed(*entries: Any) -> Fallbacks:
    return Fallbacks(parse_fallbacks(json.dumps(entries)))


def rules(text: str = RULES) -> Any:
    return section("fallbacks", tomllib.loads(text)["fallbacks"])


def test_the_header_is_a_list_of_targets() -> None:
    first, second = parsed(OPENAI, GROQ).entries
    assert (first.origin, first.base, first.after_codes) == ("https://api.openai.com", "", ())
    assert second.after_codes == ((429, 429), (500, 503))  # the first entry's onCodes
    assert (second.origin, second.base) == ("https://api.groq.com", "/openai/v1")
    assert second.headers == (("Authorization", "Bearer gsk-second"), ("X-Team", "shop"))
    assert second.body == {"model": '"llama-3.3-70b"', "temperature": "0.1"}


def test_no_key_is_in_what_a_fallback_says_of_itself() -> None:
    assert "sk-" not in repr(parsed(OPENAI, GROQ))


@pytest.mark.parametrize(
    ("status", "to"), [(429, 1), (500, 1), (503, 1), (None, 1), (504, None), (400, None), (200, None)]
)
def test_each_entry_of_the_header_says_which_of_its_answers_lead_on(status: int | None, to: int | None) -> None:
    fallbacks = parsed(OPENAI, GROQ)
    assert fallbacks.after(0, status) == to
    assert fallbacks.after(1, status) is None  # the last one's answer is the call's


@pytest.mark.parametrize("status", [None, 200, 429, 500])
def test_a_list_of_one_leads_nowhere(status: int | None) -> None:
    assert parsed(GROQ).after(0, status) is None


def test_only_answers_that_may_lead_on_are_held_back() -> None:
    assert parsed(OPENAI, GROQ).codes == ((429, 429), (500, 503))
    assert parsed(OPENAI).codes == ()
    found = find_fallbacks(rules(), "gpt-4o")
    assert found and found.codes == ((429, 429), (500, 503), (529, 529))


def test_no_answer_at_all_is_a_failure_whatever_the_codes_say() -> None:
    assert leads_to(Fallback(origin=None), None)
    assert not leads_to(Fallback(origin=None), 500)


def test_a_success_is_never_a_failure() -> None:
    _, second = parsed({**OPENAI, "onCodes": [{"from": 100, "to": 599}]}, GROQ).entries
    assert second.after_codes == ((300, 599),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "list of 1 to 20"),
        ("[]", "list of 1 to 20"),
        (json.dumps([OPENAI] * 21), "list of 1 to 20"),
        ("[1]", "entry 0: not an object"),
        (json.dumps([OPENAI, {"target-url": "https://api.groq.com", "onCodes": []}]), "entry 1: headers is missing"),
        (json.dumps([{**OPENAI, "oncodes": []}]), "'oncodes' is unknown; allowed are target-url"),
        (json.dumps([{**OPENAI, "target-url": "api.groq.com"}]), "entry 0: target-url: not an http(s) URL"),
        (json.dumps([{**OPENAI, "target-url": None}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "target-url": "https://[::1"}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "target-url": "https://a.example:99999"}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "target-url": "https://user:pass@a.example"}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "target-url": "https://a.example/v1?key=1"}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "target-url": "https://a.example/v1 HTTP/1.1"}]), "entry 0: target-url"),
        (json.dumps([{**OPENAI, "headers": []}]), "entry 0: headers: not a table"),
        (json.dumps([{**OPENAI, "headers": {"a b": "c"}}]), "'a b' is not the name of a header"),
        (json.dumps([{**OPENAI, "headers": {"X": 1}}]), "the value of X"),
        (json.dumps([{**OPENAI, "headers": {"X": "a\r\nHost: evil"}}]), "the value of X"),
        (json.dumps([{**OPENAI, "headers": {"X": "\ud800"}}]), "the value of X"),
        (json.dumps([{**OPENAI, "onCodes": 429}]), "entry 0: onCodes: not a list"),
        (json.dumps([{**OPENAI, "onCodes": ["5xx"]}]), "'5xx' is not a status of a failure"),
        (json.dumps([{**OPENAI, "onCodes": [200]}]), "200 is not a status of a failure"),
        (json.dumps([{**OPENAI, "onCodes": [True]}]), "is not a status of a failure"),
        (json.dumps([{**OPENAI, "onCodes": [{"from": 599, "to": 500}]}]), "is not a status of a failure"),
        (json.dumps([{**OPENAI, "onCodes": [{"from": 500}]}]), "is not a status of a failure"),
        (json.dumps([{**OPENAI, "bodyKeyOverride": "model"}]), "entry 0: bodyKeyOverride: not an object"),
        (json.dumps([{**OPENAI, "bodyKeyOverride": {"top_p": float("nan")}}]), "not JSON"),
    ],
)
def test_what_cannot_be_read_names_the_entry_and_what_is_allowed_and_quotes_no_key(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_fallbacks(text)
    assert says in str(caught.value)
    assert "sk-first" not in str(caught.value)


def test_the_rules_of_the_config_are_found_by_the_calls_model() -> None:
    found = find_fallbacks(rules(), "gpt-4o")
    assert found and found.by_config
    assert [entry.origin for entry in found.entries] == ["https://api.groq.com", None]
    only_first = find_fallbacks(rules(), "gpt-4o-mini")
    assert only_first and len(only_first.entries) == 1
    claude = find_fallbacks(rules(), "claude-haiku-4-5")
    assert claude and claude.entries[0].after_codes == ((408, 408), (429, 429), (500, 599))
    assert find_fallbacks(rules(), "o3") is None
    assert find_fallbacks(rules(), None) is None


@pytest.mark.parametrize(
    ("at", "status", "to"),
    [(None, 429, 0), (None, 503, 1), (None, 400, None), (0, 529, 1), (0, 429, None), (None, None, 0), (1, 500, None)],
)
def test_a_rule_of_the_config_says_which_answers_lead_to_it(at: int | None, status: int | None, to: int | None) -> None:
    found = find_fallbacks(rules(), "gpt-4o")
    assert found and found.after(at, status) == to


def test_keys_come_from_the_environment() -> None:
    first, *_ = with_environment(rules(), {"GROQ_API_KEY": "gsk-1\n", "TEAM": "shop"})
    assert dict(first.fallback.headers) == {"Authorization": "Bearer gsk-1", "X-Price": "5$", "X-Two": "gsk-1/shop"}
    with pytest.raises(ValueError, match=r"fallbacks\[0\].headers.X-Two: \$TEAM is not set"):
        with_environment(rules(), {"GROQ_API_KEY": "gsk-1"})


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('target_url = "https://a.example"', "fallbacks[0].model"),
        ('model = ""\ntarget_url = "https://a.example"', "fallbacks[0].model"),
        ('model = "*"', "neither target_url nor body"),
        ('model = "*"\ntarget = "https://a.example"', "fallbacks[0].target: no such key"),
        ('model = "*"\ntarget_url = "a.example"', "fallbacks[0].target_url: not an http(s) URL"),
        ('model = "*"\ntarget_url = "https://a.example"\non_codes = [42]', "fallbacks[0].on_codes[0]: 42"),
        ('model = "*"\ntarget_url = "https://a.example"\non_codes = ["500-"]', "fallbacks[0].on_codes[0]: '500-'"),
        (
            'model = "*"\ntarget_url = "https://a.example"\nheaders = "x"',
            "fallbacks[0].headers: this value is not a table",
        ),
        ('model = "*"\nbody = { top_p = nan }', "fallbacks[0].body"),
        ('model = "*"\nbody = { at = 2026-01-01 }', "fallbacks[0].body"),
        ('model = "*"\nbody = "x"', "fallbacks[0].body: this value is not a table"),
    ],
)
def test_a_rule_that_cannot_be_used_names_its_key(toml: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        rules(f"[[fallbacks]]\n{toml}")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("path", "base", "there"),
    [
        ("/v1/chat/completions", "", "/v1/chat/completions"),
        ("/v1/chat/completions?a=b", "/openai/v1", "/openai/v1/chat/completions?a=b"),
        ("/openai/v1/chat/completions", "/v1", "/v1/chat/completions"),
        ("/v1/completions", "/api/v1", "/api/v1/completions"),
        ("/v1/messages", "/anthropic", "/anthropic/v1/messages"),
        ("/v1/embeddings/", "/v1beta/openai", "/v1beta/openai/embeddings"),
        ("/v1/audio/speech", "/proxy", "/proxy/v1/audio/speech"),
    ],
)
def test_a_path_of_the_target_is_a_base_url_as_sdks_have_it(path: str, base: str, there: str) -> None:
    assert target_path(path, base) == there


BODY = b'{ "model":"gpt-4o", "temperature":0.10, "seed":123456789012345678901, "messages":[{"content":"\\u00e9"}] }'


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [(None, bytes), ("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_a_body_keeps_every_byte_that_is_not_overridden(encoding: str | None, compress: Any) -> None:
    sent = overridden_body(compress(BODY), encoding, {"model": '"llama"', "top_k": "4"})
    assert sent == BODY.replace(b'{ "model":"gpt-4o"', b'{"top_k":4, "model":"llama"')


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"", None), (b"[]", None), (b"\xff{}", None), (b"--boundary", None), (b"{}", "rot13")]
)
def test_a_body_that_is_not_a_json_object_cannot_be_overridden(body: bytes, encoding: str | None) -> None:
    with pytest.raises(ValueError):
        overridden_body(body, encoding, {"model": '"llama"'})
