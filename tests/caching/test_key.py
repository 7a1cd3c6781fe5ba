"""Which calls share an answer, and which never do."""

import gzip
import json
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addon.caching.key import cache_keys, canonical_body, is_signed
from addon.caching.policy import CachePolicy
from addon.sending.fallbacks import Fallback, Fallbacks

BODY = b'{"model": "m", "n": 1, "messages": [{"role": "user", "content": "hi"}]}'
URL = "https://api.openai.com/v1/chat/completions"


def keys(
    *,
    method: str = "POST",
    url: str = URL,
    body: bytes = BODY,
    content_encoding: str | None = None,
    headers: Iterable[tuple[str, str]] = (("authorization", "Bearer one"),),
    key_holder: str | None = None,
    bucket_size: int = 1,
    seed: str | None = None,
    ignore: tuple[str, ...] = (),
    fallbacks: Fallbacks | None = None,
) -> tuple[str, ...]:
    policy = CachePolicy(read=True, save=True, bucket_size=bucket_size, seed=seed, ignore_keys=ignore)
    return cache_keys(
        method=method,
        url=url,
        body=body,
        content_encoding=content_encoding,
        headers=headers,
        key_holder=key_holder,
        policy=policy,
        fallbacks=fallbacks,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"body": b'{"a":1,"b":[1,2]}'}, {"body": b' { "b" : [1, 2],\n"a" : 1 } '}),
        ({"body": b'{"a":0.10}'}, {"body": b'{"a":1e-1}'}),
        ({"body": "{'a':'ü'}".replace("'", '"').encode()}, {"body": b'{"a":"\\u00fc"}'}),
        ({"body": BODY}, {"body": gzip.compress(BODY), "content_encoding": "gzip"}),
        ({"body": BODY}, {"body": zstandard.compress(BODY), "content_encoding": "zstd"}),
        ({"body": BODY}, {"body": gzip.compress(zlib.compress(BODY)), "content_encoding": "deflate, gzip"}),
        ({"headers": (("Authorization", "Bearer k"),)}, {"headers": (("authorization", " Bearer k "),)}),
        ({"headers": ()}, {"headers": (("helicone-user-id", "u"), ("helicone-session-id", "s"))}),
        ({"headers": ()}, {"headers": (("helicone-property-a", "b"), ("Date", "Sat, 21 Nov 2026 12:00:00 GMT"))}),
        ({"headers": ()}, {"headers": (("accept-encoding", "br"), ("user-agent", "sdk"), ("x-stainless-retry", "1"))}),
        ({"headers": ()}, {"headers": (("accept", "*/*"),)}),
        ({"headers": ()}, {"headers": (("traceparent", "00-1-2-01"), ("X-Request-Id", "7"), ("Content-Length", "9"))}),
        ({"ignore": ("a", "b")}, {"ignore": ("b", "a")}),
        ({"method": "post"}, {"method": "POST"}),
    ],
)
def test_these_are_the_same_call(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert keys(**one) == keys(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"method": "PUT"}),
        ({}, {"url": "https://eu.api.openai.com/v1/chat/completions"}),
        ({}, {"url": "http://api.openai.com/v1/chat/completions"}),
        ({}, {"url": URL + "?api-version=2"}),
        ({"url": URL + "?key=one"}, {"url": URL + "?key=two"}),
        ({}, {"body": BODY.replace(b"hi", b"ho")}),
        ({"body": b"[1,2]"}, {"body": b"[2,1]"}),
        ({"body": b"1"}, {"body": b"true"}),
        ({"body": b"0"}, {"body": b"false"}),
        ({"body": b"1"}, {"body": b'"1"'}),
        ({"body": b"null"}, {"body": b""}),
        ({"body": b'{"a":null}'}, {"body": b"{}"}),
        ({"body": b'{"seed":9007199254740993}'}, {"body": b'{"seed":9007199254740992}'}),
        ({"body": b'{"a":1}'}, {"body": b'{"a":1.0}'}),
        ({"body": b'{"a":10}'}, {"body": b'{"a":1e1}'}),
        ({"body": b'{"a":0}'}, {"body": b'{"a":-0.0}'}),
        ({"body": b'{"a":0.1}'}, {"body": b'{"a":0.10000000000000000001}'}),
        ({"body": b'{"a":1e-9999999999999999999}'}, {"body": b'{"a":0.0}'}),
        ({"body": b'{"a":NaN}'}, {"body": b'{"a":NaN }'}),
        ({"body": b"1e400"}, {"body": b"1e401"}),
        ({"body": b'{"a":1,"a":2}'}, {"body": b'{"a":2}'}),
        ({"body": b'"\\ud800"'}, {"body": b'"?"'}),
        ({"body": b"not json"}, {"body": b"not  json"}),
        ({"body": b"\xff"}, {"body": b"\xfe"}),
        ({"body": b"broken", "content_encoding": "gzip"}, {"body": b"broken"}),
        ({"body": BODY, "content_encoding": "json"}, {"body": BODY}),
        ({"seed": "a"}, {"seed": "b"}),
        ({"seed": None}, {"seed": ""}),
        ({"key_holder": "Bearer a"}, {"key_holder": "Bearer b"}),
        ({"key_holder": "Bearer a"}, {"key_holder": None}),
        ({"headers": ()}, {"headers": (("authorization", "k"),)}),
        ({"headers": (("x-api-key", "k"),)}, {"headers": (("api-key", "k"),)}),
        ({"headers": (("x-api-key", "k"),)}, {"headers": (("x-api-key", "k"), ("x-api-key", "l"))}),
        ({"headers": ()}, {"headers": (("cookie", "session=1"),)}),
        ({"headers": (("x-portkey-api-key", "a"),)}, {"headers": (("x-portkey-api-key", "b"),)}),
        ({"headers": (("session-id", "a"),)}, {"headers": (("session-id", "b"),)}),
        ({"headers": (("accept", "application/json"),)}, {"headers": (("accept", "text/event-stream"),)}),
        ({"headers": ()}, {"headers": (("x-amzn-bedrock-guardrailidentifier", "g"),)}),
        ({"body": b"{}", "ignore": ("a",)}, {"body": b"{}"}),
    ],
)
def test_these_never_share_an_answer(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert keys(**one) != keys(**other)


@given(
    name=st.sampled_from(["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "x-account"])
    | st.from_regex(r"x-[a-z]{1,8}-(key|token|secret|account)", fullmatch=True),
    one=st.text(min_size=1),
    other=st.text(min_size=1),
)
def test_callers_that_differ_in_an_unknown_header_never_share_an_answer(name: str, one: str, other: str) -> None:
    if one.strip() != other.strip():
        assert keys(headers=((name, one),)) != keys(headers=((name, other),))


@pytest.mark.parametrize(
    ("url", "headers", "signed"),
    [
        (URL, (("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA1/20261121/us-east-1, Signature=1"),), True),
        (URL, (("authorization", "aws4-hmac-sha256 Credential=AKIA1"),), True),
        (URL + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1", (), True),
        (URL, (("authorization", "Bearer AWS4"),), False),
        (URL, (), False),
    ],
)
def test_a_call_signed_for_aws_is_told_apart(url: str, headers: tuple[tuple[str, str], ...], signed: bool) -> None:
    assert is_signed(url, headers) is signed


@pytest.mark.parametrize(
    "name",
    [
        "anthropic-version",
        "anthropic-beta",
        "openai-organization",
        "openai-project",
        "openai-beta",
        "x-goog-user-project",
    ],
)
def test_a_header_that_chooses_behaviour_tells_calls_apart(name: str) -> None:
    assert len({keys(headers=headers) for headers in ((), ((name, "a"),), ((name.title(), "b"),))}) == 3


def test_values_cannot_move_from_one_field_to_the_next() -> None:
    assert keys(method="POST", url="x") != keys(method="POS", url="Tx")
    assert keys(seed="ab", key_holder="c") != keys(seed="a", key_holder="bc")
    assert keys(headers=(("openai-beta", "a"), ("openai-beta", "b"))) != keys(headers=(("openai-beta", "a, b"),))


@pytest.mark.parametrize(
    ("ignored", "one", "other"),
    [
        ("a", b'{"a":1,"b":2}', b'{"b":2}'),
        ("m.id", b'{"m":{"id":1,"x":1}}', b'{"m":{"x":1,"id":2}}'),
        ("m.id", b'{"m":[{"id":1},{"id":2,"x":1}]}', b'{"m":[{"id":8},{"id":9,"x":1}]}'),
        ("m.t.id", b'{"m":[{"t":[{"id":1}]}]}', b'{"m":[{"t":[{"id":2}]}]}'),
        ("m.id", b'{"m.id":1}', b'{"m.id":2}'),
        ("a.b.c", b'{"a.b":{"c":1}}', b'{"a.b":{"c":2}}'),
        ("id", b'[{"id":1}]', b'[{"id":2}]'),
    ],
)
def test_an_ignored_key_makes_no_difference(ignored: str, one: bytes, other: bytes) -> None:
    assert keys(body=one, ignore=(ignored,)) == keys(body=other, ignore=(ignored,))
    assert keys(body=one) != keys(body=other)


@pytest.mark.parametrize(
    ("ignored", "one", "other"),
    [
        ("id", b'{"m":{"id":1}}', b'{"m":{"id":2}}'),
        ("m.id", b'{"id":1}', b'{"id":2}'),
        ("a", b'{"a":1,"b":1}', b'{"a":1,"b":2}'),
        ("a", b"a=1", b"a=2"),
    ],
)
def test_an_ignored_key_is_ignored_at_its_place_only(ignored: str, one: bytes, other: bytes) -> None:
    assert keys(body=one, ignore=(ignored,)) != keys(body=other, ignore=(ignored,))


def test_each_slot_of_a_bucket_has_a_key_and_smaller_buckets_share_them() -> None:
    three = keys(bucket_size=3)
    assert len(set(three)) == 3
    assert keys(bucket_size=1) == three[:1]
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in three)


def test_json_deeper_than_anyone_can_read_is_taken_as_bytes() -> None:
    assert keys(body=b"[" * 100_000) != keys(body=b"[" * 100_001)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def turned(value: Any) -> Any:
    """Equal to `value`, with the members of its objects the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(json_values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_white_space_order_and_escapes_make_no_difference(
    value: Any, indent: int | str | None, ascii_only: bool
) -> None:
    other = json.dumps(turned(value), indent=indent, ensure_ascii=ascii_only)
    assert canonical_body(json.dumps(value).encode(), None, ()) == canonical_body(
        other.encode("utf-8", "surrogatepass"), None, ()
    )


@given(st.binary(), st.binary())
def test_other_bodies_are_the_same_only_byte_for_byte(one: bytes, other: bytes) -> None:
    def readable(body: bytes) -> bool:
        return canonical_body(body, None, ()).startswith(b"json")

    if not (readable(one) and readable(other)):
        assert (keys(body=one) == keys(body=other)) == (one == other)


@given(st.text(), st.text(), st.text(), st.binary(max_size=50), st.text())
def test_nothing_a_caller_sends_makes_it_raise(url: str, value: str, encoding: str, body: bytes, seed: str) -> None:
    headers = (("authorization", value), ("openai-beta", value), (value, value), ("x-api-key", "\udcff"))
    assert keys(url=url, headers=headers, content_encoding=encoding, body=body, seed=seed, key_holder=value)


FALLBACK: dict[str, Any] = {
    "origin": "https://api.groq.com",
    "base": "/openai/v1",
    "headers": (("Authorization", "Bearer two"),),
    "after_codes": ((429, 429),),
    "body": {"model": '"llama"'},
}


@pytest.mark.parametrize(
    "other",
    [
        {"origin": "https://api.together.xyz"},
        {"base": ""},
        {"headers": (("Authorization", "Bearer three"),)},
        {"after_codes": ((500, 599),)},
        {"body": {"model": '"llama-2"'}},
    ],
)
def test_calls_with_other_fallbacks_share_nothing(other: dict[str, Any]) -> None:
    one = Fallbacks((Fallback(**FALLBACK),))
    changed = Fallbacks((Fallback(**{**FALLBACK, **other}),))
    assert len({keys(), keys(fallbacks=one), keys(fallbacks=changed), keys(fallbacks=Fallbacks(one.entries * 2))}) == 4
    assert keys(fallbacks=one) == keys(fallbacks=Fallbacks((Fallback(**FALLBACK),)))


def test_a_body_that_expands_beyond_the_bound_is_told_by_its_bytes() -> None:
    bomb = gzip.compress(bytes(100 * 2**20))
    assert len(canonical_body(bomb, "gzip", ())) < 2 * len(bomb)


def test_json_of_very_many_values_is_told_by_its_bytes() -> None:
    body = b"[" + b"{}, " * 1_000_000 + b"0]"
    assert canonical_body(body, None, ()) == b"raw\0" + body
